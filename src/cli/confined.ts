/**
 * How a subcommand that serves guests runs: it starts itself again, confined, and stands by. The confined one comes
 * through the same subcommand, finds that it is confined, and goes on to serve.
 */
import { fileURLToPath } from 'node:url';
import { Option, type Command } from 'commander';
import { isConfined, lockDown, type Confinement } from '../sandbox/confinement.js';
import { SANDBOXES, type Sandbox } from '../sandbox/launcher.js';
import { runConfined } from '../sandbox/run-confined.js';

/** This command line's entry point, compiled. */
const MAIN = fileURLToPath(new URL('main.js', import.meta.url));

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
export interface ConfinedRun extends Omit<Confinement, 'command'> {
  /** The subcommand and its arguments, all paths absolute. */
  readonly args: readonly string[];
  /** Undoes, at the end, what was set up outside for it. */
  readonly cleanUp?: () => void;
}

/**
 * Runs the subcommand confined, unless this is the confined process already or confinement was turned off. Returns
 * whether it did: then there is nothing left to do. `describe` is only called when it does.
 */
export async function ranConfined(sandbox: SandboxChoice, describe: () => ConfinedRun): Promise<boolean> {
  if (isConfined()) return false;
  if (sandbox === false) {
    process.stderr.write('virtwl: WARNING: --no-sandbox: a guest that takes this process over has your rights\n');
    return false;
  }
  const { args, cleanUp, ...confinement } = describe();
  try {
    const { status, signal } = await runConfined({ ...confinement, command: [MAIN, ...args] }, sandbox);
    if (signal !== undefined) process.stderr.write(`virtwl: the ${confinement.name} was ended by ${signal}\n`);
    process.exitCode = status;
  } finally {
    cleanUp?.();
  }
  return true;
}

/** Gives up what serving does not need. To be called when everything is set up. Does nothing where not confined. */
export function serveLockedDown(): void {
  if (isConfined()) lockDown();
}
