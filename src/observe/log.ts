/**
 * The log: what every part of us says about what happens, one event a line. A {@link Log} is what a part speaks through;
 * it knows the part's name and, where there is one, the VM and the client. All logs of a process end in one
 * {@link LogOutput}, which drops what nobody asked for, counts what repeats instead of printing it, bounds what a guest
 * can cause, and prints the rest.
 */
import { formatJson, formatText, type Entry, type LogFields, type LogFormat } from './log-format.js';
import { LogLimit } from './log-limit.js';
import { bounded } from './printable.js';
import { MOST_LINES_TOLD, type ErrorReport, type LogLine } from './status-report.js';
import { DEFAULT_LEVEL, isPrinted, PRIORITIES, type Level } from './level.js';

/**
 * How long an event may come again before it is told how often, in milliseconds: long enough to be a pause, short
 * enough that the operator sees that it goes on.
 */
export const REPEAT_INTERVAL_MS = 10_000;

export interface LogOutputOptions {
  /** Gets each line, without its end. */
  readonly write: (line: string) => void;
  readonly level?: Level | undefined;
  readonly format?: LogFormat | undefined;
  /** Whether the journal of systemd reads the lines. Default: not. */
  readonly journal?: boolean | undefined;
  /** Lines of one VM in a span, and the span in milliseconds. Default: those of `log-limit.ts`. */
  readonly limit?: { readonly lines?: number | undefined; readonly spanMs?: number | undefined } | undefined;
  /** 0: what repeats is printed like anything else. Default: {@link REPEAT_INTERVAL_MS}. */
  readonly repeatIntervalMs?: number | undefined;
}

/** Where all logs of a process end. */
export class LogOutput {
  level: Level;
  format: LogFormat;
  readonly #options: LogOutputOptions;
  readonly #limit: LogLimit;
  /** The event that was printed last, and how often it has come again since. */
  #last: Entry | undefined;
  #repeated = 0;
  #timer: NodeJS.Timeout | undefined;
  #lastError: Entry | undefined;
  /** What was printed last, the oldest first. */
  readonly #recent: LogLine[] = [];

  constructor(options: LogOutputOptions) {
    this.#options = options;
    this.level = options.level ?? DEFAULT_LEVEL;
    this.format = options.format ?? 'text';
    const { lines, spanMs } = options.limit ?? {};
    this.#limit = new LogLimit((vm, left) => this.#leftOut(vm, left), lines, spanMs);
  }

  /** A log that ends here. */
  log(component: string, fields: LogFields = {}): Log {
    return new Log(this, component, fields, false);
  }

  /** The last error or warning, whether or not it was printed. */
  get lastError(): ErrorReport | undefined {
    if (this.#lastError === undefined) return undefined;
    const { time, level, message, vm } = this.#lastError;
    return {
      time: new Date(time).toISOString(),
      level: level as ErrorReport['level'],
      text: bounded(message),
      ...(vm !== undefined && { vm }),
    };
  }

  /** The lines that were printed last, the oldest first: {@link MOST_LINES_TOLD} at most. */
  get recent(): readonly LogLine[] {
    return [...this.#recent];
  }

  /** @param limited whether it is the doing of the VM that it is about */
  add(entry: Entry, limited: boolean): void {
    if (entry.level === 'error' || entry.level === 'warning') this.#lastError = entry;
    if (!isPrinted(entry.level, this.level)) return;
    const { repeatIntervalMs = REPEAT_INTERVAL_MS } = this.#options;
    if (repeatIntervalMs > 0 && this.#last !== undefined && isSame(entry, this.#last)) {
      this.#repeated += 1;
      this.#timer ??= setTimeout(() => this.#tellRepeated(), repeatIntervalMs).unref();
      return;
    }
    if (limited && entry.vm !== undefined && !this.#limit.admits(entry.vm)) return;
    this.#tellRepeated();
    this.#last = entry;
    this.#print(entry);
  }

  /**
   * Prints something that is no event: the answer to a question, a message that is traced, the word that a command ends
   * with. It is neither filtered nor counted. As text it is the line alone; as JSON it is an object with `fields`.
   */
  plain(level: Level, component: string, line: string, fields: Readonly<Record<string, unknown>>): void {
    this.#tellRepeated();
    this.#last = undefined;
    const { write, journal = false } = this.#options;
    if (this.format === 'text') write(journal ? `<${PRIORITIES[level]}>${line}` : line);
    else write(JSON.stringify({ time: new Date().toISOString(), level, component, ...fields }));
  }

  /** Nothing more is known of this VM: tells how much of what it caused was left out. */
  forget(vm: string): void {
    this.#limit.forget(vm);
  }

  /** Tells what was counted and not printed yet: at the end of the process. */
  flush(): void {
    this.#tellRepeated();
    this.#limit.forgetAll();
  }

  #tellRepeated(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#repeated === 0 || this.#last === undefined) return;
    const entry = { ...this.#last, time: Date.now(), repeated: this.#repeated };
    this.#repeated = 0;
    this.#print(entry);
  }

  #leftOut(vm: string, lines: number): void {
    const what = lines === 1 ? 'line was' : 'lines were';
    this.add(
      { time: Date.now(), level: 'warning', component: 'log', vm, message: `${lines} more ${what} left out` },
      false,
    );
  }

  #print(entry: Entry): void {
    const { write, journal = false } = this.#options;
    if (this.#recent.push(lineOf(entry)) > MOST_LINES_TOLD) this.#recent.shift();
    write(this.format === 'json' ? formatJson(entry) : formatText(entry, journal));
  }
}

/** As a status tells it, with no more of the message than that. */
function lineOf({ time, level, component, vm, client, message, repeated }: Entry): LogLine {
  return {
    ...{ time: new Date(time).toISOString(), level, component },
    ...(vm !== undefined && { vm }),
    ...(client !== undefined && { client }),
    text: bounded(message),
    ...(repeated !== undefined && { repeated }),
  };
}

function isSame(a: Entry, b: Entry): boolean {
  return (
    a.message === b.message &&
    a.level === b.level &&
    a.component === b.component &&
    a.vm === b.vm &&
    a.client === b.client
  );
}

/** What one part of us speaks through. */
export class Log {
  constructor(
    readonly output: LogOutput,
    readonly component: string,
    readonly fields: LogFields,
    private readonly limited: boolean,
  ) {}

  /** The same output, for another part of us. */
  part(component: string): Log {
    return new Log(this.output, component, this.fields, this.limited);
  }

  /** For events that are about a VM, and that the VM cannot cause at will. */
  about(vm: string): Log {
    return new Log(this.output, this.component, { ...this.fields, vm }, this.limited);
  }

  /** For events of one client's connection, in a process that serves one VM. */
  client(client: number | undefined): Log {
    return new Log(this.output, this.component, { ...this.fields, client }, this.limited);
  }

  /** For events that a VM, or one of its clients, causes: their number is bounded for each VM. */
  causedBy(vm: string, client?: number): Log {
    return new Log(this.output, this.component, { vm, client }, true);
  }

  /** Something was to be done and cannot be, and the operator has to see to it. */
  error(message: string): void {
    this.write('error', message);
  }

  /** Something went wrong, or was refused; the process goes on without. */
  warning(message: string): void {
    this.write('warning', message);
  }

  /** Something came or went that the operator wants to know. */
  info(message: string): void {
    this.write('info', message);
  }

  /** What only helps in looking for a fault. */
  debug(message: string): void {
    this.write('debug', message);
  }

  write(level: Level, message: string): void {
    this.output.add({ time: Date.now(), level, component: this.component, ...this.fields, message }, this.limited);
  }
}

/** For a part that nobody listens to. */
export const SILENT: Log = new LogOutput({ write: () => {} }).log('');
