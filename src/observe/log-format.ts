/**
 * How a line of the log looks: a line of text for people, or an object of JSON for machines. Either way an event is one
 * line, whatever others had put into it.
 *
 *     12:03:04.567 glue warning vm=work client=3: the client left: invalid object 7
 *     {"time":"2026-01-31T11:03:04.567Z","level":"warning","component":"glue","vm":"work","client":3,"message":"..."}
 *
 * Where the journal of systemd reads the lines, it has its own clock and knows levels as numbers: `<4>glue warning ...`.
 */
import { PRIORITIES, type Level } from './level.js';
import { printable } from './printable.js';

export const LOG_FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Whom a line is about. */
export interface LogFields {
  readonly vm?: string | undefined;
  /** The number of a client's connection, from 1 on, counted by the process that logs. */
  readonly client?: number | undefined;
}

/** One event. */
export interface Entry extends LogFields {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly level: Level;
  /** The part of us that speaks: `broker`, `host`, `allocator`, `glue`, `run` ... */
  readonly component: string;
  readonly message: string;
  /** How often it came again since it was printed; the line is about those then. */
  readonly repeated?: number | undefined;
}

/** What may stand behind an equals sign as it is; every name of a VM may. */
const PLAIN = /^[\w.-]+$/;

/**
 * One line, without its end.
 * @param journal whether the journal of systemd reads it
 */
export function formatText(entry: Entry, journal: boolean): string {
  const { level, component, vm, client, message, repeated } = entry;
  const fields = [
    ...(vm === undefined ? [] : [` vm=${PLAIN.test(vm) ? vm : JSON.stringify(printable(vm))}`]),
    ...(client === undefined ? [] : [` client=${client}`]),
  ].join('');
  const text =
    repeated === undefined ? printable(message) : `... ${repeated} more ${repeated === 1 ? 'time' : 'times'}`;
  const before = journal ? `<${PRIORITIES[level]}>` : `${clock(entry.time)} `;
  return `${before}${component} ${level}${fields}: ${text}`;
}

/** The same as JSON; fields that an event does not have are left out. The message is as it came: JSON has it on one line. */
export function formatJson(entry: Entry): string {
  const { time, level, component, vm, client, message, repeated } = entry;
  return JSON.stringify({ time: new Date(time).toISOString(), level, component, vm, client, message, repeated });
}

/** The time of day of where the process runs. */
function clock(time: number): string {
  const date = new Date(time);
  const two = (value: number): string => String(value).padStart(2, '0');
  const milliseconds = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}`;
}
