/**
 * Attacks that nothing holds off yet. Their tests are skipped, unless VIRTWL_FIREWALL is set in the environment; who
 * builds a defence strikes its line here.
 */
const AWAITED: ReadonlySet<string> = new Set(['spoofs', 'blocking pipes', 'pasters', 'slab growth']);

/** Options of a test of an attack: whether it is run at all, and how long it may take. */
export function against(kind: string): { readonly skip?: string; readonly timeout: number } {
  const skipped = AWAITED.has(kind) && process.env.VIRTWL_FIREWALL === undefined;
  return { timeout: 180_000, ...(skipped && { skip: `awaits its defence: ${kind}` }) };
}
