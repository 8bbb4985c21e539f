/**
 * What `virtwl doctor` finds: one line of its report.
 */

/**
 * - `holds`: it is as it has to be.
 * - `fails`: it is not, and what was asked about does not work without.
 * - `lacks`: it is not, and something is worse for it, which the detail names, but works.
 * - `note`: neither good nor bad.
 */
export type State = 'holds' | 'fails' | 'lacks' | 'note';

export interface Finding {
  /** What was checked. */
  readonly name: string;
  readonly state: State;
  /** What was seen, and if it is not as it has to be, why. */
  readonly detail: string;
  /** What to do about it, where there is something. */
  readonly advice?: string;
}

/** Checks one thing. Never throws: what goes wrong is what it finds. Leaves nothing behind. */
export type Check = () => Finding | Promise<Finding>;

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
