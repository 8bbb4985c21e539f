/**
 * The demonstration: the whole path of virtwl on one machine, to be seen. It brings up the stack of `loopback-stack.ts`
 * with a headless sway, starts an unmodified terminal in one client VM and the frame checker in another, makes a
 * picture of the compositor's own output while both run, and proves that both windows are on it. Says each step as it
 * is done.
 */
import { execFile, type ChildProcess } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { encodePng, pictureOf, type Picture } from '../frames/picture.js';
import type { DeviceKind } from '../host/guest/vmm-arguments.js';
import type { ReportJson } from '../frames/report.js';
import { Capturer } from '../wayland-client/capture.js';
import { Display } from '../wayland-client/display.js';
import type { Rect } from '../wayland/rect.js';
import { LoopbackStack, VIRTWL } from './loopback-stack.js';
import {
  APPLICATION_VM,
  FRAMES,
  FRAMES_VM,
  LOOKED_AT_TEXT,
  LOOPBACK_TEXT,
  OUTPUT,
  statusCommand,
  swayConfig,
  terminalCommand,
} from './demo-desktop.js';
import {
  findWindow,
  framesWindow,
  showsFrames,
  showsTerminal,
  statusWindow,
  terminalWindow,
  type TreeNode,
} from './demo-picture.js';

/** How long a window may take to be on the picture, in milliseconds: a cold start on a slow, busy machine. */
const WINDOW_TIMEOUT_MS = 60_000;
/** How long the frame checker may take until its report, in milliseconds: it starts, and each frame takes its time. */
const FRAMES_TIMEOUT_MS = 60_000;
const FRAME_TIMEOUT_MS = 1_000;
/** How often it is checked whether what is awaited is there, in milliseconds. */
const LOOK_INTERVAL_MS = 50;
/** Lines of a program's errors that are shown when it fails. */
const KEPT_LINES = 12;

export interface DemoOptions {
  /** Where the picture goes. */
  readonly output: string;
  /** Of real VMs: what carries messages and memory. Default: wl. */
  readonly transport?: DeviceKind;
  /** How many frames are drawn and checked. */
  readonly frames: number;
  /** Gets every line that is meant for people. */
  readonly say: (line: string) => void;
  /** Gets what the parts print; nobody by default. */
  readonly log?: ((part: string, line: string) => void) | undefined;
  /** Where the desktop is shown by VNC, `ADDRESS:PORT`; it stays up then until `signal`. */
  readonly vnc?: string | undefined;
  /** Ends it early, everything taken down; where it is only looked at, that is no error. */
  readonly signal?: AbortSignal;
}

/** Runs the demonstration. Takes everything down in any case; throws an error that says what failed and what to do. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const began = Date.now();
  const output = resolve(options.output);
  requirePrograms();
  requireDirectory(dirname(output));
  const { say } = options;
  const demo = new Demo(options);
  try {
    await demo.startStack();
    await demo.startTerminal();
    const frames = demo.startFrames();
    const picture = await demo.takePicture(frames);
    writeFileSync(output, encodePng(picture));
    say(`picture: ${output}, ${picture.width}x${picture.height}, ${statSync(output).size} bytes, both windows on it`);
    await demo.finishFrames(frames);
    if (options.vnc !== undefined) await demo.stayUp(options.vnc);
  } catch (error) {
    // The interruption itself has made something fail.
    throw options.signal?.aborted === true ? new Error('interrupted; everything is taken down again') : error;
  } finally {
    await demo.stop();
  }
  say(`all of it worked, and is taken down again: ${((Date.now() - began) / 1000).toFixed(1)} s`);
}

/** A program that runs in a client VM. */
interface Running {
  readonly name: string;
  readonly process: ChildProcess;
  readonly ended: Promise<string>;
  /** How it ended; undefined while it runs. */
  status: string | undefined;
  output: string;
  readonly errors: string[];
}

class Demo {
  readonly #options: DemoOptions;
  readonly #running: Running[] = [];
  #stack: LoopbackStack | undefined;

  constructor(options: DemoOptions) {
    this.#options = options;
  }

  async startStack(): Promise<void> {
    const { say, log, vnc } = this.#options;
    say('in loopback, so directories of Unix sockets stand for the virtio_wl devices of VMs:');
    say('host: a broker, and a host process each for three VMs; the compositor VM may have 1 GiB of memory');
    const directory = LoopbackStack.makeDirectory();
    const config = join(directory, 'sway.config');
    writeFileSync(config, swayConfig());
    this.#stack = await LoopbackStack.start({
      directory,
      clients: [APPLICATION_VM, FRAMES_VM],
      compositor: { command: ['sway', '-c', config], headless: true },
      // What "virtwl status" shows is this stack alone.
      env: { VIRTWL_STATUS_DIR: join(directory, 'status') },
      // It is for looking at: a terminal starts a shell for who types there, and this port has no password.
      ...(vnc === undefined ? {} : { compositorArguments: ['--vnc', vnc, '--vnc-view-only'] }),
      ...(log === undefined ? {} : { log }),
    });
    say(
      `VM "compositor": sway, unmodified, ${OUTPUT.width}x${OUTPUT.height}, no GPU, and the glue that serves other VMs`,
    );
    this.#checkInterrupted();
  }

  async startTerminal(): Promise<void> {
    const { say, vnc } = this.#options;
    const text = vnc === undefined ? LOOPBACK_TEXT : LOOKED_AT_TEXT;
    const terminal = this.#run(APPLICATION_VM, 'foot', ['run', '--', ...terminalCommand(text)]);
    say(
      `VM "${APPLICATION_VM}": foot, unmodified, on a Wayland socket of "virtwl run", which copies what it draws, once`,
    );
    await this.#until('the window of foot', terminal, async () => (await this.#window(terminalWindow)) !== undefined);
  }

  startFrames(): Running {
    const { say, frames } = this.#options;
    const running = this.#run(FRAMES_VM, 'virtwl frames', [
      ...['frames', '--frames', String(frames), '--size', `${FRAMES.width}x${FRAMES.height}`],
      ...['--capture', this.#display, '--json'],
    ]);
    say(`VM "${FRAMES_VM}": virtwl frames, ${frames} frames drawn straight into shared memory, every pixel checked`);
    return running;
  }

  /** Captures the compositor's output until both windows are on it. */
  async takePicture(frames: Running): Promise<Picture> {
    const display = await Display.connect(this.#display);
    try {
      const capturer = await Capturer.open(display);
      let picture: Picture | undefined;
      await this.#until('a picture with both windows on it', frames, async () => {
        picture = pictureOf(await capturer.capture());
        return this.#showsBoth(picture);
      });
      return picture!;
    } finally {
      display.close();
    }
  }

  async finishFrames(frames: Running): Promise<void> {
    const { say } = this.#options;
    const timeout = FRAMES_TIMEOUT_MS + this.#options.frames * FRAME_TIMEOUT_MS;
    await this.#until('the report of "virtwl frames"', undefined, () => frames.status !== undefined, timeout);
    tellReport(
      frames.output,
      `"virtwl frames" ${frames.status} and gave no report. It said:\n  ${frames.errors.join('\n  ')}`,
      say,
    );
  }

  /** Leaves everything up, with a second window that lives, until it is interrupted. Fails when a part of it ends. */
  async stayUp(vnc: string): Promise<void> {
    const { say, signal } = this.#options;
    const status = this.#run(FRAMES_VM, 'foot', ['run', '--', ...statusCommand([process.execPath, VIRTWL])]);
    await this.#until('the window of "virtwl status"', status, async () => {
      return (await this.#window(statusWindow)) !== undefined;
    });
    say(`look: vncviewer ${vnc.replace(/:(\d+)$/, '::$1')}; it is there until Ctrl-C`);
    const interrupted = new Promise<undefined>(resolve => {
      if (signal?.aborted === true) resolve(undefined);
      signal?.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    const parts = [...this.#stack!.parts.values()].map(async ({ name, ended }) => ended.then(() => name));
    const gone = await Promise.race([interrupted, ...parts]);
    if (gone !== undefined && signal?.aborted !== true)
      throw new Error(`the part "${gone}" has ended; --verbose tells more`);
  }

  async stop(): Promise<void> {
    for (const running of this.#running) running.process.kill('SIGTERM');
    for (const running of this.#running) {
      const timer = setTimeout(() => running.process.kill('SIGKILL'), 3_000);
      await running.ended;
      clearTimeout(timer);
    }
    await this.#stack?.stop();
  }

  get #display(): string {
    return this.#stack!.display;
  }

  #run(vm: string, name: string, args: readonly string[]): Running {
    const child = this.#stack!.virtwl(vm, args);
    const errors: string[] = [];
    const running: Running = {
      name,
      process: child,
      errors,
      output: '',
      status: undefined,
      ended: new Promise(done => {
        child.once('error', error => done(`could not be started: ${error.message}`));
        child.once('close', (code, signal) =>
          done(signal === null ? `ended with status ${code}` : `ended by ${signal}`),
        );
      }),
    };
    void running.ended.then(status => (running.status = status));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (running.output += text));
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', line => {
      this.#options.log?.(name, line);
      errors.push(line);
      if (errors.length > KEPT_LINES) errors.shift();
    });
    this.#running.push(running);
    return running;
  }

  /** Looks again and again, as long as `needs` runs. */
  async #until(
    what: string,
    needs: Running | undefined,
    condition: () => boolean | Promise<boolean>,
    timeoutMs = WINDOW_TIMEOUT_MS,
  ): Promise<void> {
    for (const end = Date.now() + timeoutMs; !(await condition());) {
      this.#checkInterrupted();
      if (needs?.status !== undefined) {
        throw new Error(
          [`${needs.name} ${needs.status} before there was ${what}. It said:`, ...needs.errors].join('\n  '),
        );
      }
      if (Date.now() > end) throw new Error(`${what} did not come within ${timeoutMs / 1000} s; --verbose tells more`);
      await new Promise(done => setTimeout(done, LOOK_INTERVAL_MS));
    }
  }

  #checkInterrupted(): void {
    if (this.#options.signal?.aborted === true) throw new Error('interrupted');
  }

  async #showsBoth(picture: Picture): Promise<boolean> {
    const terminal = await this.#window(terminalWindow);
    const frames = await this.#window(framesWindow);
    return (
      terminal !== undefined && frames !== undefined && showsTerminal(picture, terminal) && showsFrames(picture, frames)
    );
  }

  /** Where sway has put the contents of a window, if it is there and visible. */
  async #window(wanted: (appId: string) => boolean): Promise<Rect | undefined> {
    const { directory } = this.#stack!;
    const ipc = readdirSync(directory).find(name => name.startsWith('sway-ipc.'));
    if (ipc === undefined) return undefined;
    const { stdout } = await promisify(execFile)('swaymsg', ['-r', '-s', join(directory, ipc), '-t', 'get_tree']);
    return findWindow(JSON.parse(stdout) as TreeNode, wanted);
  }
}

/**
 * Tells what the frame checker found.
 * @param output what it printed, JSON
 * @param otherwise what is wrong where that is no report
 * @throws Error unless every frame was shown as drawn
 */
export function tellReport(output: string, otherwise: string, say: (line: string) => void): void {
  let report: ReportJson;
  try {
    report = JSON.parse(output) as ReportJson;
  } catch {
    throw new Error(otherwise);
  }
  const { sent, checked, shown, wrong, missing } = report.frames;
  const latency = report.latency.captured ?? report.latency.callback;
  const shownAfter = latency === undefined ? '' : `, on the output after ${latency.p50.toFixed(1)} ms (median)`;
  say(
    `frames: ${sent} sent, ${checked} checked, ${shown} shown as drawn, ${wrong} wrong, ${missing} missing${shownAfter}`,
  );
  if (report.pass) return;
  const why = report.error ?? report.failures[0]?.detail ?? 'no reason was given';
  throw new Error(`the frames did not come through as drawn: ${why}; "virtwl frames --help" tells how to look closer`);
}

function requirePrograms(): void {
  const needed = new Map([
    ['sway', 'sway'],
    ['swaymsg', 'sway'],
    ['foot', 'foot'],
    // sway refuses to run as root; bubblewrap runs it as another user.
    ...(process.getuid?.() === 0 ? ([['bwrap', 'bubblewrap']] as const) : []),
  ]);
  const missing = [...needed].filter(([program]) => !isInstalled(program));
  if (missing.length === 0) return;
  const programs = missing.map(([program]) => program).join(', ');
  throw new Error(
    `not installed here: ${programs}; apt-get install ${[...new Set(missing.map(([, from]) => from))].join(' ')}`,
  );
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some(directory => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The directory of the picture must be there, and be ours to write in. */
export function requireDirectory(directory: string): void {
  if (!existsSync(directory)) throw new Error(`the picture cannot be written: there is no directory ${directory}`);
  try {
    accessSync(directory, constants.W_OK);
  } catch {
    throw new Error(
      `the picture cannot be written: no right to write in ${directory}; name another place with --output`,
    );
  }
}
