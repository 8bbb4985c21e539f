/** `virtwl run`: runs an unmodified Wayland application of this VM on the compositor of another. */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { ClientProxy } from '../client/proxy.js';
import { processCounters } from '../observe/native-counters.js';
import { processLog } from '../observe/process-log.js';
import { answerStatus } from '../observe/status.js';
import { makeRuntimeDirectory } from '../system/runtime-directory.js';
import { openDevice, type Device } from '../virtwl/device.js';
import { DEVICE_OPTIONS } from './device-options.js';
import { addOptions, TEXT, withDefault, type Values } from './option.js';
import { TRACE_OPTION, tracing } from './trace-option.js';

const OPTIONS = {
  server: withDefault(
    '--server <name>',
    'the host server to connect to: "wayland" for the compositor VM, "display" for the host\'s own',
    TEXT,
    'wayland',
  ),
  ...DEVICE_OPTIONS,
  ...TRACE_OPTION,
} as const;

type RunOptions = Values<typeof OPTIONS>;

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
      const device = openDevice(options);
      try {
        lookForServer(device, options.server);
      } catch (error) {
        device.close();
        throw error;
      }
      const runtimeDir = process.env.XDG_RUNTIME_DIR;
      const directory = makeRuntimeDirectory('run');
      const proxy = new ClientProxy({
        device,
        path: join(directory, 'wayland-0'),
        server: options.server,
        trace: tracing(options.trace),
      });
      proxy.on('problem', (error, client) => log.client(client).warning(error.message));
      answerStatus(processCounters().provide(() => ({ connections: proxy.connectionCount, ...proxy.counters })));
      try {
        process.exitCode = await (app.length === 0
          ? untilSignal(proxy.path)
          : runApp(app, { WAYLAND_DISPLAY: proxy.path, XDG_RUNTIME_DIR: runtimeDir ?? directory }));
      } finally {
        proxy.close();
        device.close();
        rmSync(directory, { recursive: true, force: true });
      }
      // What an application wrote last may still be on its way, for a second at most.
      setTimeout(() => process.exit(), 1_500).unref();
    });
  addOptions(run, OPTIONS);
}

/** What connecting fails with where the host offers this VM no such server: in loopback, and by the driver. */
const NO_SUCH_SERVER: readonly (string | undefined)[] = ['ENOENT', 'ENODEV', 'EINVAL'];

/**
 * Connects to the server once, and no more: a name that is wrong, or a server that is off, is better told now than to the
 * first application. One that is only not there at the moment may come back.
 *
 * @throws Error where the host offers no such server
 */
function lookForServer(device: Device, server: string): void {
  try {
    device.connect(server).close();
  } catch (error) {
    if (NO_SUCH_SERVER.includes((error as NodeJS.ErrnoException).code)) throw error;
    log.warning(`${(error as Error).message}; applications cannot connect until that has changed`);
  }
}

async function untilSignal(path: string): Promise<number> {
  process.stdout.write(`WAYLAND_DISPLAY=${path}\n`);
  await new Promise<void>(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  return 0;
}

/** Runs the application to its end and returns its exit status; signals that we get are passed on. */
function runApp(app: readonly string[], env: Record<string, string>): Promise<number> {
  const child = spawn(app[0]!, app.slice(1), { stdio: 'inherit', env: { ...process.env, ...env } });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise(resolve => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'there is no such program here' : error.message;
      log.error(`${app[0]!}: ${why}`);
      resolve(error.code === 'ENOENT' ? 127 : 126);
    });
    child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal!] ?? 0)));
  });
}
