/**
 * Starts real compositors for tests: headless, drawn by pixman, without GPU, seat or Xwayland, each in a runtime directory
 * of its own that goes with the test. wlroots' compositors refuse to run as root, so for root they run in a user
 * namespace as another user; the files they make are root's all the same.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Test } from 'tap';

/** Milliseconds until a compositor must be ready. It takes a fraction of a second; this is for a machine that is busy. */
const START_TIMEOUT_MS = 30_000;
/** Milliseconds that a compositor has for leaving by itself. */
const STOP_TIMEOUT_MS = 3_000;
/** What is kept of a compositor's output, for the error when it does not start. */
const LOG_CHARACTERS = 20_000;

export interface Compositor {
  /** Absolute path of its Wayland socket: a value for WAYLAND_DISPLAY. */
  readonly display: string;
  /** Its XDG_RUNTIME_DIR, mode 0700. Gone after `stop`. */
  readonly runtimeDir: string;
  /** The compositor itself. */
  readonly process: ChildProcess;
  /** What it has written to its standard error so far, at most the last 20,000 characters. */
  log(): string;
  /** Environment in which a Wayland application finds it. */
  environment(): NodeJS.ProcessEnv;
  /** Ends it and removes its directory. Idempotent; called at the end of the test in any case. */
  stop(): Promise<void>;
  /** Kills it without warning, as in a crash, and waits until it is gone. */
  kill(): Promise<void>;
}

export interface Sway extends Compositor {
  /** Runs a sway command through its IPC, as `swaymsg` does; resolves to its JSON answer. */
  message(...args: string[]): Promise<unknown>;
}

/**
 * sway shows a layout when all windows have drawn it, or after 200 ms by itself; a picture of before that comes then is taken for a
 * wish of the window. On a busy machine tests give it longer.
 */
export const PATIENT_LAYOUTS = '-Dtxn-timeout=3000';

export interface SwayOptions {
  /** Size of its one output, HEADLESS-1, in pixels; default 800×600. */
  readonly width?: number;
  readonly height?: number;
  /** Lines of configuration after the ones this file writes: one output, no borders. The background is sway's own grey. */
  readonly config?: string;
  /** Whether X11 programs find an Xwayland of its own, by the display in its file `x11`. Default: there is none. */
  readonly xwayland?: boolean;
  /** Environment beside what a headless compositor needs. */
  readonly env?: NodeJS.ProcessEnv;
  /** More of sway's own arguments, `-Dtxn-timeout=20` say. */
  readonly flags?: readonly string[];
}

type Teardown = Pick<Test, 'teardown'>;

/** Runs in the compositor once it serves clients, and leaves the name of its socket where we look for it. */
const ANNOUNCE =
  'echo "$WAYLAND_DISPLAY" > "$XDG_RUNTIME_DIR/ready.new" && mv "$XDG_RUNTIME_DIR/ready.new" "$XDG_RUNTIME_DIR/ready"';

/** Starts sway, and resolves when it serves clients and has read its configuration. */
export async function startSway(t: Teardown, options: SwayOptions = {}): Promise<Sway> {
  const { width = 800, height = 600 } = options;
  const runtimeDir = makeRuntimeDir();
  const config = join(runtimeDir, 'sway.config');
  writeFileSync(
    config,
    [
      ...(options.xwayland === true
        ? ['xwayland enable', 'exec echo "$DISPLAY" > "$XDG_RUNTIME_DIR/x11"']
        : ['xwayland disable']),
      `output HEADLESS-1 mode ${width}x${height}@60Hz position 0 0 scale 1`,
      'default_border none',
      'default_floating_border none',
      'focus_follows_mouse no',
      options.config ?? '',
      `exec ${ANNOUNCE}`,
      '',
    ].join('\n'),
  );
  const compositor = await start(t, ['sway', ...(options.flags ?? []), '-c', config], runtimeDir, options.env);
  return {
    ...compositor,
    async message(...args) {
      const socket = readdirSync(runtimeDir).find(name => name.startsWith('sway-ipc.'));
      if (socket === undefined) throw new Error('sway has no IPC socket');
      const { stdout } = await promisify(execFile)('swaymsg', ['-r', '-s', join(runtimeDir, socket), ...args]);
      return JSON.parse(stdout);
    },
  };
}

export interface CageOptions {
  /** The one application that cage shows; when it ends, so does cage. Default: something invisible that stays. */
  readonly command?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts cage with an application. Its output is 1280×720, wlroots' default for a headless one. */
export async function startCage(t: Teardown, options: CageOptions = {}): Promise<Compositor> {
  const { command = ['sleep', 'infinity'] } = options;
  const script = `${ANNOUNCE}; exec "$@"`;
  // cage insists on an Xwayland, though it starts it only for an X11 client: any program does.
  const env = { WLR_XWAYLAND: '/bin/false', ...options.env };
  return start(t, ['cage', '--', 'sh', '-c', script, 'sh', ...command], makeRuntimeDir(), env);
}

/**
 * What labwc is told: no decorations where nobody asks for them, every window as large as the output, and a pointer that
 * gives windows the focus and does nothing else, so that no drag puts one in another's place.
 */
const LABWC_CONFIG = `<?xml version="1.0"?>
<labwc_config>
  <core><decoration>client</decoration></core>
  <windowRules>
    <windowRule identifier="*" serverDecoration="no"><action name="Maximize"/></windowRule>
  </windowRules>
  <keyboard><keybind key="W-F12"><action name="None"/></keybind></keyboard>
  <mouse>
    <context name="Client">
      <mousebind button="Left" action="Press"><action name="Focus"/><action name="Raise"/></mousebind>
    </context>
  </mouse>
</labwc_config>
`;

export interface LabwcOptions {
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts labwc. Its output is 1280×720, wlroots' default for a headless one, and each window fills it. */
export async function startLabwc(t: Teardown, options: LabwcOptions = {}): Promise<Compositor> {
  const runtimeDir = makeRuntimeDir();
  writeFileSync(join(runtimeDir, 'rc.xml'), LABWC_CONFIG);
  // It has no switch against Xwayland, but starts it only for an X11 client: any program does.
  const env = { WLR_XWAYLAND: '/bin/false', ...options.env };
  return start(t, ['labwc', '-C', runtimeDir, '-s', `sh -c '${ANNOUNCE}'`], runtimeDir, env);
}

/** Whether the search path has a program of that name. */
export function installed(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some(directory => existsSync(join(directory, program)));
}

/** Starts any other compositor by its command line. It is ready as soon as it listens at a Wayland socket. */
export async function startCommand(
  t: Teardown,
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Compositor> {
  return start(t, command, makeRuntimeDir(), env, directory =>
    readdirSync(directory).find(name => /^wayland-\d+$/.test(name) && listens(join(directory, name))),
  );
}

/** A socket is there before its owner listens: that has the kernel's flag __SO_ACCEPTCON. */
function listens(path: string): boolean {
  const sockets = readFileSync('/proc/net/unix', 'utf8').split('\n');
  return sockets.some(line => line.includes(' 00010000 ') && line.endsWith(` ${path}`));
}

/** What {@link ANNOUNCE} left. */
function announced(directory: string): string | undefined {
  const ready = join(directory, 'ready');
  return existsSync(ready) ? readFileSync(ready, 'utf8').trim() : undefined;
}

function makeRuntimeDir(): string {
  return mkdtempSync(join(tmpdir(), 'virtwl-compositor-')); // mkdtemp gives mode 0700
}

function pause(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 10));
}

async function start(
  t: Teardown,
  command: readonly string[],
  runtimeDir: string,
  env: NodeJS.ProcessEnv = {},
  /** The name of its socket, once it is ready. */
  socketOf: (runtimeDir: string) => string | undefined = announced,
): Promise<Compositor> {
  // Both exec what follows them, so that the child is the compositor itself and dies with the test.
  // A user with a name, as every Debian has it: an Xwayland without one lets nobody in, not even its compositor.
  const asOther = ['unshare', '--user', '--map-user=1', '--map-group=1'];
  const withUs = ['setpriv', '--pdeathsig', 'KILL'];
  const [program, ...args] = [...(process.getuid?.() === 0 ? asOther : []), ...withUs, ...command];
  const child = spawn(program!, args, {
    env: {
      PATH: process.env.PATH,
      HOME: runtimeDir,
      LANG: 'C.UTF-8',
      XDG_RUNTIME_DIR: runtimeDir,
      WLR_BACKENDS: 'headless',
      WLR_RENDERER: 'pixman',
      WLR_LIBINPUT_NO_DEVICES: '1',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true, // a group of its own, so that stopping reaches what it started
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-LOG_CHARACTERS)));
  let running = true;
  const exited = new Promise<void>(resolve => {
    child.once('exit', () => resolve());
    child.once('error', error => {
      log += error.message;
      resolve();
    });
  });
  void exited.then(() => (running = false));

  /** Signals the whole group, as long as its leader, whose pid names it, is ours. */
  function signal(name: NodeJS.Signals): void {
    if (running && child.pid !== undefined) process.kill(-child.pid, name);
  }
  async function kill(): Promise<void> {
    signal('SIGKILL');
    await exited;
  }
  async function stop(): Promise<void> {
    signal('SIGTERM');
    const timer = setTimeout(() => signal('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
    rmSync(runtimeDir, { recursive: true, force: true });
  }
  t.teardown(stop);

  let socket: string | undefined;
  for (const deadline = Date.now() + START_TIMEOUT_MS; (socket = socketOf(runtimeDir)) === undefined;) {
    if (!running || Date.now() > deadline) {
      await stop();
      throw new Error(`${command[0]} did not start:\n${log}`);
    }
    await pause();
  }
  const display = join(runtimeDir, socket);
  return {
    display,
    runtimeDir,
    process: child,
    log: () => log,
    environment: () => ({ ...process.env, LANG: 'C.UTF-8', XDG_RUNTIME_DIR: runtimeDir, WAYLAND_DISPLAY: display }),
    stop,
    kill,
  };
}
