/**
 * `virtwl frames`: whether the compositor shows every pixel that a client draws.
 */
import { InvalidArgumentError, type Command } from 'commander';
import { DEFAULT_SERVER, DirectClient } from '../direct/direct.js';
import { connectDisplay, DEFAULT_CONNECT_TIMEOUT_MS } from '../wayland-client/connect.js';
import { DEFAULT_BUFFERS } from '../direct/shared-surface.js';
import { openDevice } from '../virtwl/device.js';
import { CAPTURE_PROTOCOLS, Capturer } from '../wayland-client/capture.js';
import type { Display, MessageTrace } from '../wayland-client/display.js';
import { UnixSocket } from '../system/unix-socket.js';
import { prepareBugReport, writeBugReport, writeTrace } from '../frames/bug-report.js';
import { toJunit, toTap } from '../frames/cases.js';
import { FAULT_KINDS, parseFault, type Fault } from '../frames/faults.js';
import { MAX_SIDE, MIN_SIDE } from '../frames/pattern.js';
import { KeptTrace } from '../frames/kept-trace.js';
import { pictureOf } from '../frames/picture.js';
import { RunReport } from '../frames/report.js';
import { DEFAULT_FRAME_TIMEOUT_MS, runFrames, within } from '../frames/run.js';
import { TraceOutput } from '../relay/trace.js';
import { DEVICE_OPTIONS } from './device-options.js';
import { packageVersion } from './package-version.js';
import { addOptions, COUNT, flag, oneOf, optional, TEXT, withDefault, type Kind, type Values } from './option.js';

/** `512x384`, in pixels. */
const SIZE: Kind<{ width: number; height: number }> = {
  parse: text => {
    const [, width, height] = (/^(\d+)x(\d+)$/.exec(text) ?? []).map(Number);
    for (const side of [width, height]) {
      if (side === undefined || side < MIN_SIDE || side > MAX_SIDE) {
        throw new InvalidArgumentError(`give WIDTHxHEIGHT, each from ${MIN_SIDE} to ${MAX_SIDE}.`);
      }
    }
    return { width: width!, height: height! };
  },
};

const OPTIONS = {
  frames: withDefault('--frames <n>', 'how many frames', COUNT, 60),
  every: withDefault('--every <n>', 'capture each n-th frame', COUNT, 1),
  size: optional('--size <wxh>', 'size of the window in pixels (default: fullscreen)', SIZE),
  damage: withDefault(
    '--damage <mode>',
    'redraw all of each frame, or some blocks that are damaged alone',
    oneOf(['full', 'block']),
    'full',
  ),
  buffers: withDefault('--buffers <n>', 'buffers at most', COUNT, DEFAULT_BUFFERS),
  display: optional('--display <path>', 'draw through this Wayland socket instead of the device', TEXT),
  server: withDefault('--server <name>', 'the host server to draw through', TEXT, DEFAULT_SERVER),
  ...DEVICE_OPTIONS,
  captureProtocol: optional(
    '--capture-protocol <name>',
    'how to capture (default: the first of these that the compositor offers)',
    oneOf(CAPTURE_PROTOCOLS),
  ),
  output: optional('--output <name>', 'the output to capture (default: the first)', TEXT),
  inject: optional(
    '--inject <fault>',
    `put a fault in, to see it caught: ${FAULT_KINDS.join(', ')}, each with @FRAME or without`,
    TEXT,
  ),
  strict: flag('--strict', 'count what others show above the window, a cursor or an overlay, as wrong'),
  out: optional('--out <dir>', 'write frame.png, captured.png and, when they differ, difference.png', TEXT),
  timeout: withDefault(
    '--timeout <ms>',
    'how long each frame may take, in milliseconds',
    COUNT,
    DEFAULT_FRAME_TIMEOUT_MS,
  ),
  connectTimeout: withDefault(
    '--connect-timeout <ms>',
    'how long a compositor may take to answer, in milliseconds',
    COUNT,
    DEFAULT_CONNECT_TIMEOUT_MS,
  ),
  format: withDefault('--format <form>', 'how the report is printed', oneOf(['text', 'json', 'tap', 'junit']), 'text'),
  json: flag('--json', 'the same as --format json'),
  report: optional(
    '--report <dir>',
    'write what a bug report needs (reports, pictures, Wayland messages, versions) to a directory that is new or empty',
    TEXT,
  ),
} as const;

/** False: `--no-capture`. */
type Options = Values<typeof OPTIONS> & { capture?: string | false };

export function register(program: Command): void {
  const command = program
    .command('frames')
    .summary('check that every pixel drawn is shown')
    .description(
      'Draws numbered frames of a pattern that differs in every block and every frame, straight into memory that the ' +
        "compositor reads, has the output captured on the compositor's side, and compares every pixel. The exit status " +
        'is 0 when every frame was shown as drawn, 1 when not. SIGINT or SIGTERM ends the run with its report. ' +
        'It draws through the virtio_wl device, or with --display through any Wayland socket. Through the device it can ' +
        'capture where the policy of its VM says "capture yes"; else --capture names a socket that it can reach.',
    )
    .option(
      '--capture <path>',
      "the compositor's own Wayland socket, where its output is captured (default: where it draws)",
    )
    .option('--no-capture', 'only draw; such a run cannot pass')
    .action(async (options: Options, command: Command) => {
      const usage = (text: string): never => command.error(`error: ${text}`, { exitCode: 2 });
      if (options.display !== undefined && (options.device ?? options.loopback) !== undefined) {
        usage('--display goes past the device: leave --device and --loopback out');
      }
      let fault: Fault | undefined;
      try {
        if (options.inject !== undefined) fault = parseFault(options.inject, options.frames, options.every);
      } catch (error) {
        usage((error as Error).message);
      }
      if (options.every > options.frames) usage(`--every ${options.every} captures none of ${options.frames} frames`);
      if (options.report !== undefined) {
        if (options.out !== undefined) usage('--report has the pictures in it: leave --out out');
        prepareBugReport(options.report);
      }
      const report = await checkWithTrace(options, fault);
      process.stdout.write(inForm(report, options.json ? 'json' : options.format));
      if (!report.pass) process.exitCode = 1;
    });
  addOptions(command, OPTIONS);
}

/** The report as it is printed. */
function inForm(report: RunReport, form: Options['format']): string {
  const json = report.toJSON();
  switch (form) {
    case 'text':
      return report.toText();
    case 'json':
      return `${JSON.stringify(json, undefined, 2)}\n`;
    case 'tap':
      return toTap(json, report.toText());
    case 'junit':
      return toJunit(json, report.toText());
  }
}

/** The same as {@link check}, with the messages for `--report`, also where it throws. */
async function checkWithTrace(options: Options, fault: Fault | undefined): Promise<RunReport> {
  const directory = options.report;
  if (directory === undefined) return check(options, fault, () => undefined);
  const kept = new KeptTrace();
  const output = new TraceOutput(line => kept.add(line));
  try {
    return await check(options, fault, connection => output.connection(connection, 1));
  } finally {
    writeTrace(directory, kept);
  }
}

/**
 * Connects, runs, disconnects. Errors before the first frame are thrown, later ones are in the report.
 * @param trace who is told the messages of a connection
 */
async function check(
  options: Options,
  fault: Fault | undefined,
  trace: (connection: 'draw' | 'capture') => MessageTrace | undefined,
): Promise<RunReport> {
  const { size, timeout } = options;
  const client = await connect(options, trace('draw'));
  let screen: Display | undefined;
  try {
    const { capture, output } = options;
    const which = {
      ...(output !== undefined && { output }),
      ...(options.captureProtocol !== undefined && { protocol: options.captureProtocol }),
    };
    let capturer: Capturer | undefined;
    if (typeof capture === 'string') {
      screen = await named('--capture', capture, async () =>
        connectDisplay(UnixSocket.connect(capture), options.connectTimeout, trace('capture')),
      );
      capturer = await Capturer.open(screen, which);
    } else if (capture !== false) {
      const { display, source } = client;
      capturer = await Capturer.open(display, { ...which, memory: bytes => source.allocate(bytes) });
    }
    const window = await within(
      timeout,
      'configure of the window',
      client.createWindow({
        title: 'virtwl frames',
        appId: 'virtwl-frames',
        buffers: options.buffers,
        ...(size === undefined ? { fullscreen: true } : { size, fixedSize: true }),
      }),
    );
    const report = new RunReport({
      frames: options.frames,
      width: window.width,
      height: window.height,
      display: options.display ?? 'virtio_wl',
      memory: client.source.name,
      buffers: options.buffers,
      damage: options.damage,
      ...(options.strict && { strict: true }),
      ...(fault !== undefined && { injected: `${fault.kind}@${fault.frame}` }),
    });
    const stop = new AbortController();
    // A second one kills as usual.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
    try {
      await runFrames(
        window,
        capturer === undefined ? undefined : async () => pictureOf(await capturer.capture()),
        { ...options, fault, out: options.report ?? options.out, timeoutMs: timeout, stop: stop.signal },
        report,
      );
    } catch (error) {
      report.error = (error as Error).message;
    }
    if (options.report !== undefined) {
      writeBugReport(options.report, report, {
        command: process.argv.slice(2),
        version: packageVersion(),
        drawn: client.display.globals,
        captured: screen?.globals ?? [],
        peer: peerOf(typeof capture === 'string' ? capture : options.display),
        env: process.env,
      });
    }
    return report;
  } finally {
    screen?.close();
    client.close();
  }
}

/** The process that listens at a Wayland socket; undefined where the kernel does not tell, or nobody listens any more. */
function peerOf(path: string | undefined): { pid: number; uid: number } | undefined {
  if (path === undefined) return undefined;
  try {
    const socket = UnixSocket.connect(path);
    const { pid, uid } = socket.peerCredentials();
    socket.close();
    return pid === 0 ? undefined : { pid, uid };
  } catch {
    return undefined;
  }
}

async function connect(options: Options, trace: MessageTrace | undefined): Promise<DirectClient> {
  const { display } = options;
  if (display !== undefined) {
    return named('--display', display, () => DirectClient.overSocket(display, options.connectTimeout, trace));
  }
  const device = openDevice(options);
  try {
    return await DirectClient.overDevice(device, options.server, options.connectTimeout, trace);
  } finally {
    device.close();
  }
}

/** Has what fails say which option named the socket. */
async function named<T>(option: string, path: string, connecting: () => Promise<T>): Promise<T> {
  try {
    return await connecting();
  } catch (error) {
    throw new Error(
      `cannot connect to the compositor at ${path} (${option}): ${(error as Error).message}; is this its Wayland socket, and ` +
        'does it run?',
      { cause: error },
    );
  }
}
