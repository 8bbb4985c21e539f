/** `virtwl x11`: X11 programs on a Wayland compositor, each window of theirs a window of its own. */
import { once } from 'node:events';
import { accessSync, constants, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Command } from 'commander';
import { processLog } from '../observe/process-log.js';
import { makeRuntimeDirectory } from '../system/runtime-directory.js';
import { UnixSocket } from '../system/unix-socket.js';
import { displayPath } from '../wayland-client/display.js';
import { XPrograms } from '../x11/x-programs.js';
import { COMPOSITOR_FDS } from '../x11/xwayland.js';
import { Application, EndSignals } from './application.js';
import { addOptions, withDefault, type Values } from './option.js';
import { TRACE_OPTION, tracing } from './trace-option.js';
import { X11_SCALE, X11_SCALE_HELP } from './x11-option.js';

const OPTIONS = {
  scale: withDefault('--scale <n>', X11_SCALE_HELP, X11_SCALE, 1),
  ...TRACE_OPTION,
} as const;

const log = processLog.log('x11');

export function register(program: Command): void {
  const x11 = program
    .command('x11')
    .summary('run X11 programs on a Wayland compositor')
    .description(
      'Runs APP with a DISPLAY of its own, whose windows appear on the compositor of WAYLAND_DISPLAY beside those of Wayland ' +
        'programs. An Xwayland runs while X11 programs do. "virtwl run --x11" starts this. Without APP, only the display is ' +
        'made, and its name is printed.',
    )
    .argument('[app...]', 'the application and its arguments, after --')
    .action(async (app: string[], { scale, trace }: Values<typeof OPTIONS>) => {
      findServer();
      const path = displayPath();
      const directory = makeRuntimeDirectory('xdisplay');
      let programs: XPrograms | undefined;
      try {
        const connect = (): UnixSocket => UnixSocket.connect(path, { maxQueuedFds: COMPOSITOR_FDS });
        programs = new XPrograms({ directory, connect, scale, log, trace: tracing(trace) });
        process.exitCode = await (app.length === 0 ? untilSignal(programs) : runApp(app, programs));
      } finally {
        programs?.close();
        rmSync(directory, { recursive: true, force: true });
      }
      // What is written last may still be on its way, and the server has a moment to leave.
      setTimeout(() => process.exit(), 1_500).unref();
    });
  addOptions(x11, OPTIONS);
}

/** @throws Error where there is no Xwayland: better told now than to the first X11 program */
function findServer(): void {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(directory, 'Xwayland'), constants.X_OK);
      return;
    } catch {
      // The next one may have it.
    }
  }
  throw new Error('there is no Xwayland in PATH, which shows X11 programs: install it (Debian: apt install xwayland)');
}

async function untilSignal(programs: XPrograms): Promise<number> {
  const signals = new EndSignals();
  const { DISPLAY, XAUTHORITY } = programs.environment;
  process.stdout.write(`DISPLAY=${DISPLAY}\nXAUTHORITY=${XAUTHORITY}\n`);
  await once(signals.signal, 'abort');
  signals.close();
  return 0;
}

/** Runs the application, and serves until it has ended and the last X11 program has left. Returns its exit status. */
async function runApp(command: readonly string[], programs: XPrograms): Promise<number> {
  const signals = new EndSignals(signal => application.pass(signal));
  const application = new Application(command, { ...process.env, ...programs.environment }, log);
  const status = await application.ended;
  if (programs.running && !signals.signal.aborted) {
    await new Promise<void>(resolve => {
      programs.once('idle', resolve);
      signals.signal.addEventListener('abort', () => resolve());
    });
  }
  signals.close();
  return status;
}
