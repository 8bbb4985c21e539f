/** Whether the process or the machine has run out of something: what devices tell their guests apart from other failures. */
export function isExhausted(error: unknown): boolean {
  return ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'ENOSPC'].includes((error as NodeJS.ErrnoException).code ?? '');
}
