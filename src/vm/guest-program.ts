/**
 * A program that goes on in a guest while the guest takes further scripts. In: a shell command line and where it runs.
 * Out: its output as it grows, in lines for who passes it on, and its status once it has ended. In the guest each program
 * has a directory with its output and its status in files; a look that finds nothing new costs the guest next to nothing,
 * one that does a process or two.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Machine, ProgramState } from './machine.js';

export type { ProgramState };

/** How often a program is looked at, in milliseconds. Each time wakes the guest. */
const LOOK_INTERVAL_MS = 250;
/** Last lines of a program's output that are told when it fails. */
const SHOWN_LINES = 20;

/** Where to look first for a number that no program of the guest has. */
let count = 0;

export class GuestProgram {
  #seen: ProgramState = { status: undefined, output: '', errors: '' };

  private constructor(
    readonly machine: Machine,
    readonly name: string,
    /** In the guest. Its output is there, in `output` and `errors`. */
    readonly directory: string,
  ) {}

  /**
   * Starts it, as root unless the command says otherwise, in a session of its own.
   * @param name as it shows in messages
   * @param command a shell command line
   */
  static async start(machine: Machine, name: string, command: string): Promise<GuestProgram> {
    // The command is in a file of its own: nothing in it needs quoting. A directory that no program had before: what is
    // read there is never another one's. When "pid" is there, so are the session and the process to signal.
    const script = `
      mkdir -p /tmp/programs || exit 1
      number=${count++}
      until mkdir /tmp/programs/$number; do number=$((number + 1)); done 2> /dev/null
      directory=/tmp/programs/$number; cd $directory || exit 1
      { echo 'echo $$ > pid'; echo ${Buffer.from(command).toString('base64')} | base64 -d; } > command
      echo 'sh ./command > output 2> errors; echo $? > status.new; mv status.new status' > session
      setsid sh ./session < /dev/null > /dev/null 2>&1 &
      echo $! > session.pid
      until [ -s pid ]; do sleep 0.02; done
      echo $directory`;
    const { status, output } = await machine.run(script);
    if (status !== 0) throw new Error(`cannot start ${name} in the VM "${machine.options.name}": ${output}`);
    return new GuestProgram(machine, name, output.trim());
  }

  async state(): Promise<ProgramState> {
    return (this.#seen = (await this.machine.look(this.directory)) ?? this.#seen);
  }

  /**
   * Looks until `done` holds of its state. Throws, with what it printed last, when it ends before that or the time is over.
   * @param what is waited for, completing "no … within"
   */
  async until(what: string, done: (state: ProgramState) => boolean, timeoutMs: number): Promise<ProgramState> {
    for (const end = Date.now() + timeoutMs; ; await pause(LOOK_INTERVAL_MS)) {
      const state = await this.state();
      if (done(state)) return state;
      if (state.status !== undefined)
        throw this.#failure(`ended with status ${state.status} before there was ${what}`, state);
      if (Date.now() > end) throw this.#failure(`had no ${what} within ${timeoutMs / 1000} s`, state);
    }
  }

  /** Waits for its end. */
  ended(timeoutMs: number): Promise<ProgramState> {
    return this.until('end', state => state.status !== undefined, timeoutMs);
  }

  /** Signals all processes of its session. */
  async signal(name: 'TERM' | 'KILL'): Promise<void> {
    await this.machine.run(`pkill -${name} -s $(cat ${this.directory}/session.pid)`);
  }

  /** Signals the program alone: what it has started learns of it only by its end. Its status comes as ever. */
  async signalAlone(name: 'TERM' | 'KILL' | 'USR2'): Promise<void> {
    await this.machine.signal(this.directory, name);
  }

  #failure(what: string, { output, errors }: ProgramState): Error {
    const lines = `${output}\n${errors}`
      .split('\n')
      .filter(line => line !== '')
      .slice(-SHOWN_LINES);
    return new Error(
      `${this.name} in the VM "${this.machine.options.name}" ${what}. It said:\n${lines.map(line => `  | ${line}`).join('\n')}`,
    );
  }
}

/** What a program has printed on each of its streams; empty where that is nothing. */
export type Printed = Readonly<Record<'output' | 'errors', string>>;

/**
 * Tells what a program has printed since it was asked last, for who passes it on as it comes. In whole lines: the end of
 * what a look finds may be half of a line, or of a letter, and is told with the rest of it.
 */
export class PrintedLines {
  readonly #told = { output: 0, errors: 0 };

  /** @param all nothing more will be asked for: an unfinished line is told, too */
  since(state: ProgramState, all = state.status !== undefined): Printed {
    return { output: this.#since(state, 'output', all), errors: this.#since(state, 'errors', all) };
  }

  #since(state: ProgramState, stream: keyof Printed, all: boolean): string {
    const text = state[stream];
    const end = all ? text.length : text.lastIndexOf('\n') + 1;
    const more = text.slice(this.#told[stream], end);
    this.#told[stream] = Math.max(this.#told[stream], end);
    return more;
  }
}
