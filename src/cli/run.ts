/** `virtwl run`: runs an unmodified Wayland application of this VM on the compositor of another. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { lookForServer } from '../broker/availability.js';
import { DEFAULT_MAX_POOLS } from '../client/app-pool.js';
import { ClientProxy } from '../client/proxy.js';
import { makeRoom, socketPath } from '../client/socket-place.js';
import { untilNobodyIsLeft } from '../client/stay.js';
import { processCounters } from '../observe/native-counters.js';
import { passesByDefault } from '../relay/pass.js';
import { processLog } from '../observe/process-log.js';
import type { OwnedFd } from '../system/fd.js';
import { makeRuntimeDirectory } from '../system/runtime-directory.js';
import { givenSockets, tellServiceManager } from '../system/service-manager.js';
import { isNoSuchServer, openDevice, type Device } from '../virtwl/device.js';
import { answerFor } from './answers.js';
import { Application, applicationEnvironment, EndSignals } from './application.js';
import { DEVICE_OPTIONS } from './device-options.js';
import { addOptions, COUNT, flag, optional, TEXT, withDefault, type Values } from './option.js';
import { TRACE_OPTION, tracing } from './trace-option.js';
import { Waiting } from './waiting.js';
import { withX11, X11_SCALE, X11_SCALE_HELP } from './x11-option.js';

const OPTIONS = {
  server: withDefault(
    '--server <name>',
    'the host server to connect to: "wayland" for the compositor VM, "display" for the host\'s own',
    TEXT,
    'wayland',
  ),
  socket: optional(
    '--socket <where>',
    'the Wayland socket to make: a name in XDG_RUNTIME_DIR (wayland-0), or a path. A socket that a service manager gives ' +
      '(LISTEN_FDS) is taken as that one. Default: one in a directory of its own',
    TEXT,
  ),
  timeout: optional(
    '--timeout <seconds>',
    'end with status 124 where no compositor has answered for so long; not any more once one has',
    COUNT,
  ),
  maxPools: withDefault(
    '--max-pools <n>',
    'most wl_shm pools of all applications, each of which is a mapping; one may have half of them',
    COUNT,
    DEFAULT_MAX_POOLS,
  ),
  x11: flag('--x11', 'the application may be an X11 program, or start some: it gets a DISPLAY of its own, too'),
  x11Scale: withDefault('--x11-scale <n>', `with --x11: ${X11_SCALE_HELP}`, X11_SCALE, 1),
  ...DEVICE_OPTIONS,
  ...TRACE_OPTION,
} as const;

type RunOptions = Values<typeof OPTIONS>;

/** After how long it is said that clients are left, in milliseconds: the program's own connection ends with it. */
const TELL_MS = 500;

const log = processLog.log('run');

export function register(program: Command): void {
  const run = program
    .command('run')
    .summary('run a Wayland application on the compositor of another VM')
    .description(
      'Runs APP with a WAYLAND_DISPLAY of its own, whose windows appear on the compositor of another VM. Without APP, only ' +
        'the socket is made, and its path is printed.',
    )
    .argument('[app...]', 'the application and its arguments, after --')
    .action(async (app: string[], options: RunOptions) => {
      passesByDefault();
      const device = openDevice(options);
      try {
        findServer(device, options.server);
      } catch (error) {
        device.close();
        throw error;
      }
      const directory = makeRuntimeDirectory('run');
      let place: Place;
      try {
        place = placeOf(options.socket, directory);
      } catch (error) {
        device.close();
        rmSync(directory, { recursive: true, force: true });
        throw error;
      }
      const proxy = new ClientProxy({
        device,
        ...place,
        server: options.server,
        maxPools: options.maxPools,
        trace: tracing(options.trace),
      });
      proxy.on('problem', (error, client) => log.client(client).warning(error.message));
      proxy.on('shortage', (text, client) => log.client(client).warning(text));
      const counters = processCounters()
        .provideBelow('memory', () => proxy.memory)
        .provideBelow('clock', () => proxy.clock);
      const waiting = new Waiting(device, proxy, options, log);
      answerFor(
        'run',
        counters.provide(() => ({ connections: proxy.connectionCount, ...proxy.counters })),
        () => {
          const report = proxy.report();
          return { state: waiting.state, ...report, programs: waiting.explained(report.programs) };
        },
      );
      try {
        process.exitCode = await (app.length === 0
          ? untilSignal(proxy.path, waiting)
          : runApp(options.x11 ? withX11(app, options.x11Scale) : app, proxy, directory, waiting));
      } finally {
        waiting.close();
        proxy.close();
        device.close();
        rmSync(directory, { recursive: true, force: true });
      }
      // What an application wrote last may still be on its way, for a second at most.
      setTimeout(() => process.exit(), 1_500).unref();
    });
  addOptions(run, OPTIONS);
}

/**
 * Looks whether the server is there, once: a name that is wrong, or a server that is off, is better told now than to the
 * first application. One that is only not there at the moment may come back.
 *
 * @throws Error where the host offers no such server
 */
function findServer(device: Device, server: string): void {
  try {
    lookForServer(device, server);
  } catch (error) {
    if (isNoSuchServer(error)) throw error;
    log.warning(`${(error as Error).message}; applications cannot connect until that has changed`);
  }
}

interface Place {
  readonly path: string;
  readonly listening?: OwnedFd;
}

/** Where the socket is, and the socket itself where it was given. */
function placeOf(where: string | undefined, directory: string): Place {
  const given = givenSockets();
  const [first, ...more] = given;
  const path = where === undefined ? join(directory, 'wayland-0') : socketPath(where);
  if (first !== undefined && (more.length > 0 || where === undefined)) {
    for (const { socket } of given) socket.close();
    const why = more.length > 0 ? 'it takes one' : 'its place has to be said as well: --socket PATH';
    throw new Error(
      `the service manager gives ${given.length === 1 ? 'a socket' : `${given.length} sockets`} (LISTEN_FDS): ${why}`,
    );
  }
  if (first !== undefined) return { path, listening: first.socket };
  if (where !== undefined) makeRoom(path);
  return { path };
}

/** Says where the socket is and serves it until a signal comes, or no compositor. */
async function untilSignal(path: string, waiting: Waiting): Promise<number> {
  const signals = new EndSignals();
  process.stdout.write(`WAYLAND_DISPLAY=${path}\n`);
  tellServiceManager('READY=1', `STATUS=serving ${path}`);
  const status = await Promise.race([waiting.givenUp, once(signals.signal, 'abort').then(() => 0)]);
  tellServiceManager('STOPPING=1');
  signals.close();
  return status;
}

/**
 * Runs the application, and serves until it and all that it started have left. Returns its exit status, or another one
 * where no compositor came.
 */
async function runApp(
  command: readonly string[],
  proxy: ClientProxy,
  directory: string,
  waiting: Waiting,
): Promise<number> {
  let failed: number | undefined;
  // In this order: the application may have us signalled at once.
  const signals = new EndSignals(signal => application.pass(signal));
  const application = new Application(command, applicationEnvironment(proxy.path, directory), log);
  void waiting.givenUp.then(status => {
    failed = status;
    signals.end('SIGTERM');
  });
  const status = await application.ended;
  if (!signals.signal.aborted) {
    const stop = tellWhoStays(proxy, `${command[0]!} has ended with status ${status}`);
    await untilNobodyIsLeft(proxy, signals.signal);
    stop();
  }
  signals.close();
  return failed ?? status;
}

/** Says once which clients keep it running, now or when one connects. Call what is returned when that is over. */
function tellWhoStays(proxy: ClientProxy, ended: string): () => void {
  let timer: NodeJS.Timeout | undefined;
  const tell = (): void => {
    const { connectionCount: clients, transferCount } = proxy;
    if (clients + transferCount === 0) return;
    proxy.off('connection', later);
    const connected = `${clients} ${clients === 1 ? 'client is' : 'clients are'} still connected`;
    const who = clients === 0 ? 'a transfer of its data still runs' : connected;
    log.info(`${ended}; ${who}: virtwl run stays until that is over, or a signal comes`);
  };
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(tell, TELL_MS);
  };
  proxy.on('connection', later);
  later();
  return () => {
    clearTimeout(timer);
    proxy.off('connection', later);
  };
}
