/**
 * A real sway, an Xwayland of ours on it, and programs of both kinds: what tests of selections begin with. An xterm has the
 * keyboard, since only who has it may exchange selections.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { SILENT } from '../../../src/observe/log.js';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import { Display } from '../../../src/wayland-client/display.js';
import { VirtualKeyboard } from '../../../src/wayland-client/virtual-keyboard.js';
import { XConnection, type Setup } from '../../../src/x11/connection.js';
import { XPrograms } from '../../../src/x11/x-programs.js';
import { startSway } from '../../compositors.js';
import { eventually } from '../../eventually.js';
import { quietEnvironment, run, type Application } from '../../loopback/applications.js';

/** The first window of an Xwayland, on a machine that is busy, in milliseconds. */
const START_MS = 60_000;

export interface XDesk {
  readonly programs: XPrograms;
  /** Runs a program of either kind. `input`: all that it can read. */
  start(command: readonly string[], input?: string | Buffer): Application;
  /** Runs it until it has ended; what it has written. */
  output(command: readonly string[]): Promise<Buffer>;
  /** The user presses a key in the X window. */
  press(): Promise<void>;
  /** An X client of the test's own. */
  client(): Promise<{ readonly x: XConnection; readonly setup: Setup }>;
}

export async function startDesk(t: Test, transferIdleMs?: number): Promise<XDesk> {
  const sway = await startSway(t);
  const display = await Display.connect(sway.display);
  t.teardown(() => display.close());
  const keyboard = new VirtualKeyboard(display);
  await display.roundtrip();
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-x11-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const connect = (): UnixSocket => UnixSocket.connect(sway.display);
  const programs = new XPrograms({ directory, connect, scale: 1, log: SILENT, transferIdleMs });
  t.teardown(() => programs.close());
  const env = {
    ...quietEnvironment(t),
    ...programs.environment,
    XDG_RUNTIME_DIR: sway.runtimeDir,
    WAYLAND_DISPLAY: sway.display,
  };
  const start = (command: readonly string[], input?: string | Buffer): Application => {
    const application = run(t, command, env);
    application.process.stdin!.end(input ?? '');
    return application;
  };
  start(['xterm', '-e', 'sleep', 'infinity']);
  await eventually('an X window is shown', () => programs.windowCount === 1, START_MS);
  return {
    programs,
    start,
    async output(command) {
      const application = start(command);
      await application.ended;
      return application.output();
    },
    press: () => keyboard.type('a'),
    async client() {
      const x = new XConnection(UnixSocket.connect(programs.display.path), programs.display.cookie);
      t.teardown(() => x.close());
      const setup = await new Promise<Setup>((resolve, reject) => {
        x.on('ready', resolve);
        x.on('close', reason => reject(reason ?? new Error('the X server has left')));
        x.start();
      });
      return { x, setup };
    },
  };
}

/** Until `expected` is what comes, which another program is just copying; what came last. */
export async function comes(what: () => Promise<Buffer>, expected: Buffer, timeoutMs = 30_000): Promise<Buffer> {
  for (const end = Date.now() + timeoutMs; ; await new Promise(resolve => setTimeout(resolve, 100))) {
    const got = await what();
    if (got.equals(expected) || Date.now() > end) return got;
  }
}
