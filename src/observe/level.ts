/** How much a line of the log matters, and from which level on lines are printed. */

/** From what the operator has to act on to what only helps in finding a fault. */
export const LEVELS = ['error', 'warning', 'info', 'debug'] as const;
export type Level = (typeof LEVELS)[number];

/** The least level that is printed where nobody says otherwise. */
export const DEFAULT_LEVEL: Level = 'info';

/** The level as the journal of systemd numbers it: syslog's err, warning, notice and debug. */
export const PRIORITIES: Readonly<Record<Level, number>> = { error: 3, warning: 4, info: 5, debug: 7 };

/** Whether a line of `level` is printed where `least` is asked for. */
export function isPrinted(level: Level, least: Level): boolean {
  return LEVELS.indexOf(level) <= LEVELS.indexOf(least);
}
