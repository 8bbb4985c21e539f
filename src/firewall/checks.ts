/** The concerns of the firewall that look at what a request says, and handle it before all others. */
export const CHECKS: readonly string[] = ['values', 'agreement', 'mime types', 'drags'];
