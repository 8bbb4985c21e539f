/**
 * Starting a confined process and standing by it: signals are passed on to it, and its end is ours. The process outside
 * holds nothing of what the confined one works with; it reads nothing from any guest.
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { SILENT, type Log } from '../observe/log.js';
import { JOURNAL_ENV } from '../observe/process-log.js';
import { closeAll, OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import { bubblewrapWorks, launchInBubblewrap } from './bubblewrap.js';
import { CONFINED_ENV, EARLY_REFUSALS, filterArchitecture, VALUE_FD, type Confinement } from './confinement.js';
import { findProgram, FIRST_INHERITED_FD, STATUS_FD, type Launched, type Sandbox } from './launcher.js';
import { launchInMinijail, MINIJAIL } from './minijail.js';
import { whyNoNamespaces } from './namespaces.js';
import { compileRefusals } from './seccomp.js';

/** Environment variables that a confined process keeps. */
const KEPT_ENVIRONMENT = ['VIRTWL_NATIVE', 'VIRTWL_DEBUG', 'LANG', JOURNAL_ENV] as const;

/** Signals that are passed on to the confined process. */
const FORWARDED_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const satisfies readonly NodeJS.Signals[];

/** How long a process has to end in an orderly way, in milliseconds; longer than removing a few sockets takes. */
const END_GRACE_MS = 4_000;

/** How often it is checked whether a signal can be passed on, or has to be once more, in milliseconds. */
const SIGNAL_INTERVAL_MS = 50;

/** How long a question (SIGUSR2) waits for a confined process that has just been started to catch it, in milliseconds. */
export const ASK_TIME_MS = 10_000;

/** What to do where there is no program to confine with, or it is not allowed to work. */
const ADVICE = 'see "virtwl doctor"; for debugging only, --no-sandbox runs without';

/** How a confined process ended. */
export interface ConfinedEnd {
  /** Its exit status: 128 and the signal's number where a signal ended it. */
  readonly status: number;
  /** The signal that ended it, when that was none that came through us. */
  readonly signal: string | undefined;
}

/** The program that confines where none was named: bubblewrap where it works, else minijail where the machine has it. */
export function defaultSandbox(): Sandbox {
  if (findProgram(MINIJAIL) === undefined) return 'bubblewrap';
  return bubblewrapWorks() ? 'bubblewrap' : 'minijail';
}

export interface RunOptions {
  /** The program that confines. Default: {@link defaultSandbox}. */
  readonly sandbox?: Sandbox | undefined;
  /** Default: nobody listens. */
  readonly log?: Log | undefined;
  /** Default: {@link ASK_TIME_MS}. */
  readonly askTimeMs?: number | undefined;
  /** Ends the process when it resolves, as SIGTERM does. */
  readonly ends?: Promise<unknown> | undefined;
}

/**
 * Runs a confined process to its end.
 *
 * @throws Error where it cannot be started, saying why and what to do
 */
export async function runConfined(confinement: Confinement, options: RunOptions = {}): Promise<ConfinedEnd> {
  const { sandbox = defaultSandbox(), ends } = options;
  const { name } = confinement;
  let confined: ConfinedProcess | undefined;
  const forward = (signal: NodeJS.Signals): void => void confined?.signal(signal);
  // Before there is anything to end: from then on no signal ends us and leaves it behind half set up.
  for (const signal of FORWARDED_SIGNALS) process.on(signal, forward);
  try {
    const launched = startConfined(confinement, sandbox);
    confined = new ConfinedProcess(launched, options);
    void ends?.then(() => forward('SIGTERM'));
    const status = launched.confinedStatus(await endOf(launched, name));
    if (confined.killedBy !== undefined) {
      return { status: 128 + constants.signals[confined.killedBy], signal: undefined };
    }
    if (launched.ran) return { status, signal: signalOf(status) };
    const seen = whyNoNamespaces().map(reason => `${reason}; `);
    throw new Error(
      `cannot confine the ${name}: ${launched.program} ended with status ${status}, and says above why; ` +
        `where it may not make namespaces, they have to be allowed, which no setting does in a chroot; ${seen.join('')}${ADVICE}`,
    );
  } finally {
    if (confined !== undefined) confined.gone = true;
    for (const signal of FORWARDED_SIGNALS) process.off(signal, forward);
  }
}

/** The status with which a launcher ends, which tells of what it ran. Throws where there is no such program. */
function endOf({ process: child, program, install }: Launched, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const missing = `there is no ${program} on the PATH; install it: ${install}`;
      const why = error.code === 'ENOENT' ? missing : error.message;
      reject(new Error(`cannot confine the ${name}: ${why}; ${ADVICE}`, { cause: error }));
    });
    child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  });
}

function startConfined(confinement: Confinement, sandbox: Sandbox): Launched {
  const { value } = confinement;
  const fds = { ...confinement.fds, ...(value !== undefined && { [VALUE_FD]: fileOf(JSON.stringify(value)) }) };
  const numbers = Object.keys(fds).map((name, i) => [name, FIRST_INHERITED_FD + i] as const);
  const environment: Record<string, string> = {
    [CONFINED_ENV]: JSON.stringify(Object.fromEntries(numbers)),
    // Inside there is no /etc/localtime to read it from.
    TZ: process.env.TZ ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
  for (const name of KEPT_ENVIRONMENT) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  try {
    const filter = compileRefusals(EARLY_REFUSALS, filterArchitecture());
    // Whatever descriptors we were started with are not the confined process's business.
    native.closeOnExecFrom(STATUS_FD);
    const launch = sandbox === 'minijail' ? launchInMinijail : launchInBubblewrap;
    return launch({ confinement: { ...confinement, fds }, environment, filter });
  } finally {
    closeAll(Object.values(fds));
  }
}

/** A file in memory that holds the text, to be read from its beginning. */
function fileOf(text: string): OwnedFd {
  const file = new OwnedFd(native.memfd('virtwl-value', 0, 0));
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) at += writeSync(file.fd, bytes, at, bytes.length - at, at);
  return file;
}

/** What is known of the process behind a launcher. */
class ConfinedProcess {
  /** The signal that was to end it and did not: it was killed here. */
  killedBy: NodeJS.Signals | undefined;
  /** Its end was seen: there is nothing to pass signals on to. */
  gone = false;
  readonly #launched: Launched;
  readonly #launcher: ChildProcess;
  readonly #options: RunOptions;
  /** Whether a question waits: further ones come with it. */
  #asking = false;

  constructor(launched: Launched, options: RunOptions) {
    this.#launched = launched;
    this.#options = options;
    this.#launcher = launched.process;
  }

  /**
   * Passes a signal on. As the first process of its namespace, the confined one does not get what it does not catch; so
   * what would have ended it then ends it here: before it is set up, and at a second SIGTERM.
   */
  async signal(signal: NodeJS.Signals): Promise<void> {
    if (signal === 'SIGUSR2') return this.#ask(signal);
    if (!this.#pass(signal)) return this.#kill(signal);
    // Early on it is Node.js itself that catches it, and then wants to die of it, which the first process does not: so
    // it is told again while it catches that signal. Once it has begun to end, it does not.
    for (const end = performance.now() + END_GRACE_MS; performance.now() < end;) {
      await pause(SIGNAL_INTERVAL_MS);
      if (this.gone) return;
      this.#pass(signal);
    }
    this.#kill(signal);
  }

  /** A question waits until the confined process can answer it, but not for ever. */
  async #ask(signal: NodeJS.Signals): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const { askTimeMs = ASK_TIME_MS, log = SILENT } = this.#options;
    const end = performance.now() + askTimeMs;
    while (!this.gone && !this.#pass(signal)) {
      if (performance.now() > end) {
        log.warning(`the confined process does not answer ${signal}: it has not come to catch it in ${askTimeMs} ms`);
        break;
      }
      await pause(SIGNAL_INTERVAL_MS);
    }
    this.#asking = false;
  }

  /** Passes a signal on if it is caught; returns whether it is. */
  #pass(signal: NodeJS.Signals): boolean {
    const { pid, caught } = this.#look();
    if ((caught & (1n << BigInt(constants.signals[signal] - 1))) === 0n) return false;
    kill(pid!, signal);
    return true;
  }

  #kill(because: NodeJS.Signals): void {
    if (this.gone) return;
    this.killedBy = because;
    // The launcher ends with it. While its number is not known, it is the launcher that has to go, and takes it along.
    kill(this.#look().pid ?? this.#launcher.pid!, 'SIGKILL');
  }

  /** Its number, if it is known and still its own, and the signals that it catches. */
  #look(): { pid: number | undefined; caught: bigint } {
    try {
      const pid = this.#launched.confinedPid;
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      if (Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1]) === this.#launcher.pid) {
        return { pid, caught: BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`) };
      }
    } catch {
      // It is not there yet, or not any more.
    }
    return { pid: undefined, caught: 0n };
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile.
  }
}

function signalOf(status: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => status === 128 + number)?.[0];
}
