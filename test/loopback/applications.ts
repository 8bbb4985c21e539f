/**
 * Real applications as tests run them, unmodified: with a home of their own, without a session bus, and made to keep
 * still, so that what they show depends on nothing but the compositor.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { VIRTWL, type LoopbackStack } from '../../src/demo/loopback-stack.js';

/** How long an application may take to leave after SIGTERM, in milliseconds. */
const STOP_TIMEOUT_MS = 3_000;

/** How long its output is waited for when it has left, in milliseconds: what it has started may hold it. */
const HELD_OUTPUT_MS = 1_000;

export interface Application {
  readonly process: ChildProcess;
  /** Exit status, or the signal that ended it; once what it has written was read. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** What it has written so far. */
  output(): Buffer;
  stderr: string;
  /** Ends it and all that it started. Idempotent; called at the end of the test in any case. */
  stop(): Promise<void>;
}

/** Environment in which applications draw the same each time. Its directory, a new one by default, goes with the test. */
export function quietEnvironment(
  t: Pick<Test, 'teardown'>,
  home = mkdtempSync(join(tmpdir(), 'virtwl-home-')),
): Record<string, string> {
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  // GTK takes these from GSettings where their schema is installed, and from its own file elsewhere.
  const gsettings = join(home, 'config', 'glib-2.0', 'settings');
  mkdirSync(gsettings, { recursive: true });
  writeFileSync(
    join(gsettings, 'keyfile'),
    "[org/gnome/desktop/interface]\nenable-animations=false\ncursor-blink=false\nfont-name='DejaVu Sans 10'\n",
  );
  const settings = '[Settings]\ngtk-enable-animations=0\ngtk-cursor-blink=0\ngtk-font-name=DejaVu Sans 10\n';
  for (const version of ['gtk-3.0', 'gtk-4.0']) {
    mkdirSync(join(home, 'config', version), { recursive: true });
    writeFileSync(join(home, 'config', version, 'settings.ini'), settings);
  }
  return {
    PATH: process.env.PATH ?? '',
    HOME: home,
    XDG_CONFIG_HOME: join(home, 'config'),
    LANG: 'C.UTF-8',
    SHELL: '/bin/sh',
    PS1: '$ ',
    GDK_BACKEND: 'wayland',
    GSETTINGS_BACKEND: 'keyfile',
    NO_AT_BRIDGE: '1',
    GTK_A11Y: 'none',
    // Without a bus of its own an application looks for one, and may start it.
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(home, 'no-bus')}`,
  };
}

/** Runs a program with nothing in its environment but `env`. */
export function run(
  t: Pick<Test, 'teardown'>,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Application {
  const [program, ...args] = command;
  const child = spawn(program!, args, { env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const output: Buffer[] = [];
  let running = true;
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  void exited.then(() => (running = false));
  const ended = new Promise<number | NodeJS.Signals>(resolve => {
    child.once('error', () => resolve(127));
    child.once('exit', (code, signal) => {
      const timer = setTimeout(() => resolve(code ?? signal!), HELD_OUTPUT_MS);
      child.once('close', () => {
        clearTimeout(timer);
        resolve(code ?? signal!);
      });
    });
  });
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(-child.pid!, name);
    } catch {
      // all of its group are gone
    }
  };
  const application: Application = {
    process: child,
    ended,
    output: () => Buffer.concat(output),
    stderr: '',
    async stop() {
      // The leader first: "virtwl run" tells its application.
      if (running) child.kill('SIGTERM');
      const timer = setTimeout(() => signal('SIGKILL'), STOP_TIMEOUT_MS);
      await Promise.race([exited, ended]);
      clearTimeout(timer);
      signal('SIGKILL');
    },
  };
  child.stdin.on('error', () => {}); // it may leave before it has read everything
  child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (application.stderr += text));
  t.teardown(() => application.stop());
  return application;
}

/** Runs a program in a client VM, under `virtwl run`. */
export function runIn(
  t: Pick<Test, 'teardown'>,
  stack: LoopbackStack,
  vm: string,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  options: readonly string[] = [],
): Application {
  return run(t, [process.execPath, VIRTWL, 'run', ...options, '--', ...command], {
    ...env,
    XDG_RUNTIME_DIR: stack.directory,
    VIRTWL_LOOPBACK: stack.loopback(vm),
  });
}

/** foot without the user's configuration. */
export function foot(...command: string[]): string[] {
  return ['foot', '--config=/dev/null', '--override=cursor.blink=no', ...command];
}
