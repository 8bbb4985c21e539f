/**
 * wayvnc beside the compositor: whoever connects by VNC sees its output, and types. It is a Wayland client like any
 * other, of the compositor's user; it ends with us, and what it prints becomes our log.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '../src/observe/log.js';
import { bounded } from '../src/observe/printable.js';
import { asOrdinaryUser, endGroup, endingWithUs, endOf, requireProgram } from './ordinary-user.js';

/** How long it may take until it answers, in milliseconds: a cold start in an emulated VM takes some seconds. */
export const VNC_START_TIMEOUT_MS = 30_000;
/** How often it is tried whether it answers, in milliseconds. */
const LOOK_INTERVAL_MS = 50;
/** How long one such attempt waits for its first word, in milliseconds. */
const GREETING_TIMEOUT_MS = 2_000;
/** What a VNC server says first, "RFB 003.008" and the end of the line: so many bytes. */
const GREETING_BYTES = 12;
/** Lines of its own that the error has when it does not start. */
const KEPT_LINES = 4;

/** Where VNC is served. */
export interface VncPlace {
  /** An IPv4 or IPv6 address, without brackets. */
  readonly address: string;
  readonly port: number;
}

export interface VncServerOptions {
  readonly place: VncPlace;
  /** The compositor's Wayland socket, an absolute path. */
  readonly display: string;
  /** wayvnc's configuration; without it the one that its user has, if any. */
  readonly config?: string | undefined;
  /** What is typed and pointed at by VNC is left out. */
  readonly viewOnly?: boolean | undefined;
  readonly log: Log;
  readonly startTimeoutMs?: number;
}

export interface VncServer {
  /** Resolves when it has ended, with its exit code: it does so by itself when the compositor goes. */
  readonly ended: Promise<number>;
  /** Ends it. Idempotent. */
  stop(): Promise<void>;
}

/** @throws Error with the code ENOENT that names the package, where there is no wayvnc. To be asked before anything starts. */
export function requireVncServer(): void {
  requireProgram('wayvnc', 'it serves VNC for wlroots compositors: apt-get install wayvnc');
}

/** `127.0.0.1:5900`, `[::1]:5900` */
export function showPlace({ address, port }: VncPlace): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/**
 * Starts wayvnc, and resolves when it answers.
 * @throws Error where the place is another's or not ours to have, and where wayvnc ends or does not answer
 */
export async function startVncServer(options: VncServerOptions): Promise<VncServer> {
  requireVncServer();
  await requireFree(options.place);
  const { place, display, log } = options;
  const runtimeDir = dirname(display);
  const command = endingWithUs(asOrdinaryUser(['wayvnc', ...wayvncArguments(options, runtimeDir)]));
  const child = spawn(command[0]!, command.slice(1), {
    env: { ...process.env, XDG_RUNTIME_DIR: runtimeDir, WAYLAND_DISPLAY: display },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own, to end all of it
  });
  const ended = endOf(child);
  const said: string[] = [];
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output as NodeJS.ReadableStream }).on('line', line => {
      said.push(bounded(line));
      if (said.length > KEPT_LINES) said.shift();
      const level = /^\W*(error|warning)\b/i.exec(line)?.[1]?.toLowerCase();
      log.write(level === 'error' || level === 'warning' ? level : 'info', `wayvnc: ${bounded(line)}`);
    });
  }
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= endGroup(child, ended));
  try {
    await answers(child, place, ended, options.startTimeoutMs ?? VNC_START_TIMEOUT_MS);
  } catch (error) {
    await stop();
    const words = said.length === 0 ? '' : `; it said: ${said.join(' | ')}`;
    throw new Error(`VNC cannot be served at ${showPlace(place)}: ${(error as Error).message}${words}`, {
      cause: error,
    });
  }
  return { ended, stop };
}

function wayvncArguments({ place, config, viewOnly }: VncServerOptions, runtimeDir: string): string[] {
  // From 0.6 on it has a control socket, of which there is one in a runtime directory unless it is named.
  const { stdout: help } = spawnSync('wayvnc', ['--help'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  // wayvnc 0.5 ends where it cannot find out where its configuration would be.
  const homeless = process.env.HOME === undefined && process.env.XDG_CONFIG_HOME === undefined;
  const settings = config ?? (homeless ? '/dev/null' : undefined);
  const control = join(runtimeDir, `virtwl-wayvnc-${place.port}`);
  return [
    ...(help.includes('--socket=') ? [`--socket=${control}`] : []),
    ...(settings === undefined ? [] : [`--config=${settings}`]),
    ...(viewOnly === true ? ['--disable-input'] : []),
    // From 0.8 on a viewer that is resized resizes a headless output.
    ...(viewOnly === true && help.includes('--disable-resizing') ? ['--disable-resizing'] : []),
    place.address,
    String(place.port),
  ];
}

/** wayvnc's own word would be that binding has failed; here it is said why, and nobody else is taken for it. */
function requireFree(place: VncPlace): Promise<void> {
  const advice: Record<string, string> = {
    EADDRINUSE: 'another program has that port: name another one, --vnc 127.0.0.1:5901 say',
    EADDRNOTAVAIL: 'this machine has no such address: "ip address" has those that it has',
    EACCES: 'ports below 1024 are for root: name a higher one',
  };
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = advice[error.code ?? ''];
      const message = why === undefined ? error.message : `${error.code}: ${why}`;
      reject(new Error(`VNC cannot be served at ${showPlace(place)}: ${message}`, { cause: error }));
    });
    server.listen(place.port, place.address, () => server.close(() => resolve()));
  });
}

async function answers(child: ChildProcess, place: VncPlace, ended: Promise<number>, timeoutMs: number): Promise<void> {
  let status: number | undefined;
  void ended.then(code => (status = code));
  for (const end = Date.now() + timeoutMs; Date.now() < end; await pause(LOOK_INTERVAL_MS)) {
    if (status !== undefined) throw new Error(`wayvnc ended with status ${status}`);
    if (await greets(place)) return;
  }
  throw new Error(`wayvnc (process ${child.pid}) does not answer there after ${timeoutMs / 1000} s`);
}

/** Whether a VNC server answers. */
function greets({ address, port }: VncPlace): Promise<boolean> {
  return new Promise(resolve => {
    let received = Buffer.alloc(0);
    const socket = connect({ host: address, port });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(GREETING_TIMEOUT_MS, () => finish(false));
    socket.on('error', () => finish(false));
    socket.on('close', () => finish(false));
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= GREETING_BYTES) finish(received.toString('latin1').startsWith('RFB '));
    });
  });
}
