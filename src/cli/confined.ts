/**
 * How a subcommand that serves guests runs: it starts its serving half confined, and stands by. That half gets the
 * options as one value, as they were read here.
 */
import { fileURLToPath } from 'node:url';
import { Option, type Command } from 'commander';
import { processLog } from '../observe/process-log.js';
import { bindStatusSocket, STATUS_FD } from '../observe/status-socket.js';
import { isConfined, lockDown, type Confinement } from '../sandbox/confinement.js';
import { SANDBOXES, type Sandbox } from '../sandbox/launcher.js';
import { runConfined } from '../sandbox/run-confined.js';
import type { ConfinedValue } from './confined-main.js';
import { awaitReady, READY_FD } from './readiness.js';

/** The entry point of a confined process, compiled. */
const CONFINED_MAIN = fileURLToPath(new URL('confined-main.js', import.meta.url));

/** What is to confine; false: nothing. Undefined where nobody said. */
export type SandboxChoice = Sandbox | false | undefined;

/** Adds `--sandbox` and `--no-sandbox` to a subcommand. */
export function addSandboxOption(command: Command): Command {
  const what = 'confine by this program (default: bubblewrap where it works, else minijail where there is one)';
  return command
    .addOption(new Option('--sandbox <program>', what).choices(SANDBOXES))
    .option('--no-sandbox', 'run unconfined: for debugging only');
}

/** What a subcommand asks for. The directories must be there. */
export interface ConfinedRun extends Omit<Confinement, 'command' | 'value'> {
  /** The subcommand, whose file exports `serve(options)`, and the options: JSON, all paths absolute. */
  readonly subcommand: string;
  readonly options: unknown;
  /** Undoes, at the end, what was set up outside for it. */
  readonly cleanUp?: () => void;
  /** Resolves where it is of no use, with the reason: it is ended then. */
  readonly ends?: Promise<string>;
}

/**
 * Runs a subcommand's serving half confined, to its end, unless confinement was turned off. Returns whether it did: then
 * there is nothing left to do. `describe` is only called when it does.
 */
export async function ranConfined(sandbox: SandboxChoice, describe: () => ConfinedRun): Promise<boolean> {
  const log = processLog.log('sandbox');
  isConfined(); // throws where the environment says so and it is not true
  if (sandbox === false) {
    log.warning('--no-sandbox: a guest that takes this process over has your rights');
    return false;
  }
  const { subcommand, options, cleanUp, ends, ...confinement } = describe();
  const { level, format } = processLog;
  const value: ConfinedValue = { subcommand, log: { level, format }, options };
  let why: string | undefined;
  void ends?.then(reason => (why = reason));
  const asked = bindStatusSocket(subcommand, refused => log.info(refused));
  const ready = awaitReady();
  try {
    const fds = {
      ...confinement.fds,
      ...(asked && { [STATUS_FD]: asked.socket }),
      ...(ready && { [READY_FD]: ready.fd }),
    };
    const run = { ...confinement, fds, command: [CONFINED_MAIN], value };
    const { status, signal } = await runConfined(run, { sandbox, log, ends });
    if (why !== undefined) throw new Error(why);
    if (signal !== undefined) log.error(`the ${confinement.name} was ended by ${signal}`);
    process.exitCode = status;
  } finally {
    ready?.close();
    asked?.remove();
    cleanUp?.();
  }
  return true;
}

/** Gives up what serving does not need. To be called when everything is set up. Does nothing where not confined. */
export function serveLockedDown(): void {
  if (isConfined()) lockDown();
}
