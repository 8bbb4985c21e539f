/**
 * The ways from a client to the compositor that are compared. Each is started once, beside the same sway, and then
 * measured in turn with the others.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { NODE_FLAGS, VIRTWL, type LoopbackStack } from '../demo/loopback-stack.js';
import { clientArguments, measure, type Case, type Measurement, type Mode } from './measure.js';
import type { Placement } from './placement.js';
import { Running, waitFor } from './processes.js';
import type { SystemName } from './results.js';
import type { Places } from './steady.js';
import type { Sway } from './sway.js';

/** One way to the compositor. */
export interface System {
  readonly name: SystemName;
  /** Modes that mean nothing to it. */
  readonly without?: readonly Mode[];
  /** What a frame goes through that lives longer than a measurement. */
  readonly places: Places;
  /** For so many seconds it does what is measured then, where it says so: a process that rested gives memory back. */
  readonly settles?: (mode: Mode) => number;
  measure(what: Case, seconds: number): Promise<Measurement>;
  stop(): Promise<void>;
}

/** What all of them need. */
export interface Surroundings {
  readonly sway: Sway;
  readonly placement: Placement;
  /** The stack with its glue at that sway; started when it is asked for first. */
  readonly stack: () => Promise<LoopbackStack>;
  /** Makes a private directory for sockets. */
  readonly directory: (name: string) => string;
}

/** A server that we start shows its socket within this many milliseconds. */
const START_TIMEOUT_MS = 20_000;

/** How long the proxy that stays does each of some things before it is measured, in seconds. */
const WARM_UP_S = 0.7;
/**
 * How long it draws before its frames are measured, in seconds. While others had their turn it rested: V8 gives the young
 * generation's memory back then, and takes it again within 2,000 frames of those that it deals with in JavaScript.
 */
const SETTLE_S = 1.5;

const package_ = fileURLToPath(new URL('../../../', import.meta.url));
const client = join(package_, 'build/bench/client');
const relay = join(package_, 'build/bench/relay');
const drawingClient = join(package_, 'dist/src/bench/direct-client.js');
/** `virtwl`, as its first line has it started. */
const virtwl = [process.execPath, ...NODE_FLAGS, VIRTWL];

/** Starts the way of that name. */
export async function startSystem(name: SystemName, around: Surroundings): Promise<System> {
  const path = NEEDED[name].find(file => !existsSync(resolve(file)));
  if (path !== undefined) throw new Error(`${path} is not there`);
  return STARTERS[name](around);
}

const NEEDED: Record<SystemName, readonly string[]> = {
  direct: [client],
  floor: [client, relay],
  'one-relay': [client, relay],
  waypipe: [client],
  copy: [client],
  warm: [client],
  drawn: [drawingClient],
};

const STARTERS: Record<SystemName, (around: Surroundings) => Promise<System>> = {
  direct: startDirect,
  floor: startFloor,
  'one-relay': startOneRelay,
  waypipe: startWaypipe,
  copy: startCopy,
  warm: startWarm,
  drawn: startDrawn,
};

/** The plain client with that WAYLAND_DISPLAY. */
function plainClient(name: string, placement: Placement, display: string): System['measure'] {
  return (what, seconds) => {
    const command = placement.clientSide([client, ...clientArguments(what, seconds)]);
    return measure(name, command, { WAYLAND_DISPLAY: display }, seconds, what.clients);
  };
}

/** The plain client on the compositor's own socket. */
async function startDirect({ sway, placement }: Surroundings): Promise<System> {
  return {
    name: 'direct',
    places: { compositor: sway.pid },
    measure: plainClient('direct', placement, sway.display),
    stop: async () => undefined,
  };
}

async function startRelay(name: string, command: readonly string[]): Promise<Running> {
  const running = new Running(name, command, {});
  await waitFor(running, 'its socket', START_TIMEOUT_MS, () => running.stdout.includes('listening') || undefined);
  return running;
}

/** Two processes in a row that pass on bytes and descriptors, and do nothing else. */
async function startFloor({ sway, placement, directory }: Surroundings): Promise<System> {
  const [near, far] = ['near', 'far'].map(name => join(directory('floor'), name)) as [string, string];
  const second = await startRelay('far relay', [relay, far, sway.display]);
  const first = await startRelay('near relay', placement.clientSide([relay, near, far]));
  return {
    name: 'floor',
    places: { near: first.pid, far: second.pid, compositor: sway.pid },
    measure: plainClient('floor', placement, near),
    stop: async () => {
      await first.stop();
      await second.stop();
    },
  };
}

/** One such process, where the glue is: what a client of ours that draws directly goes through. */
async function startOneRelay({ sway, placement, directory }: Surroundings): Promise<System> {
  const display = join(directory('one-relay'), 'far');
  const only = await startRelay('relay', [relay, display, sway.display]);
  return {
    name: 'one-relay',
    // What is drawn directly is compared with it, and that is not measured in these.
    without: ['full', 'newpool', 'start', 'clients', 'flood'],
    places: { far: only.pid, compositor: sway.pid },
    measure: plainClient('one relay', placement, display),
    stop: () => only.stop(),
  };
}

/** waypipe with both its ends here, uncompressed: the two relays and the socket between them, and nothing else. */
async function startWaypipe({ sway, placement, directory }: Surroundings): Promise<System> {
  const own = directory('waypipe');
  const socket = join(own, 'waypipe');
  const options = ['--no-gpu', '-c', 'none', '-s', socket];
  const env = { WAYLAND_DISPLAY: sway.display, XDG_RUNTIME_DIR: own };
  const near = new Running('waypipe client', ['waypipe', ...options, 'client'], env);
  await waitFor(near, 'its socket', START_TIMEOUT_MS, () => existsSync(socket) || undefined);
  return {
    name: 'waypipe',
    // It starts two processes for each client.
    without: ['clients'],
    places: { compositor: sway.pid },
    measure: (what, seconds) => {
      const server = ['waypipe', ...options, 'server', '--', client, ...clientArguments(what, seconds)];
      const own_ = { XDG_RUNTIME_DIR: own, WAYLAND_DISPLAY: undefined };
      return measure('waypipe server', placement.clientSide(server), own_, seconds);
    },
    stop: () => near.stop(),
  };
}

/** A program in the client VM of the stack. Its sockets go where `directory` is, which must be private. */
const inClientVm = (stack: LoopbackStack, directory: string) => ({
  VIRTWL_LOOPBACK: stack.loopback('client'),
  XDG_RUNTIME_DIR: directory,
  WAYLAND_DISPLAY: undefined,
});

const glueOf = (stack: LoopbackStack): number => stack.parts.get('compositor')!.process.pid!;

/** Where clients failed, what proxy and glue said last is a part of the reason. */
function complaining(found: Measurement, stack: LoopbackStack, proxySaid = ''): Measurement {
  if (found.complaint === undefined) return found;
  const proxy = proxySaid.trim().split('\n').at(-1) ?? '';
  const glue = stack.parts.get('compositor')!.lines.at(-1) ?? '';
  const said = [found.complaint, proxy, glue].filter(line => line !== '');
  return { ...found, complaint: said.join('\n  ') };
}

/** The plain client under `virtwl run`: what is damaged is copied once, into memory that the compositor reads. */
async function startCopy({ sway, placement, stack, directory }: Surroundings): Promise<System> {
  const [running, own] = [await stack(), directory('copy')];
  return {
    name: 'copy',
    places: { far: glueOf(running), compositor: sway.pid },
    measure: async (what, seconds) => {
      const command = placement.clientSide([...virtwl, 'run', '--', client, ...clientArguments(what, seconds)]);
      return complaining(
        await measure('virtwl run', command, inClientVm(running, own), seconds, what.clients),
        running,
      );
    },
    stop: async () => undefined,
  };
}

/** The same through a `virtwl run` that stays, as in a session. */
async function startWarm({ sway, placement, stack, directory }: Surroundings): Promise<System> {
  const running = await stack();
  const env = inClientVm(running, directory('warm'));
  const proxy = new Running('virtwl run', placement.clientSide([...virtwl, 'run']), env);
  const display = await waitFor(
    proxy,
    'its socket',
    START_TIMEOUT_MS,
    () => /^WAYLAND_DISPLAY=(.*)$/m.exec(proxy.stdout)?.[1],
  );
  const measured = plainClient('client of virtwl run', placement, display);
  // What it compiles as it runs, it has then.
  for (const mode of ['sync', 'small', 'full'] as const) await measured({ mode, size: '640x480' }, WARM_UP_S);
  return {
    name: 'warm',
    places: { near: proxy.pid, far: glueOf(running), compositor: sway.pid },
    settles: mode => (mode === 'full' || mode === 'small' ? SETTLE_S : 0),
    measure: async (what, seconds) => complaining(await measured(what, seconds), running, proxy.stderr),
    stop: () => proxy.stop(),
  };
}

/** A client that knows us and draws straight into that memory. */
async function startDrawn({ sway, placement, stack, directory }: Surroundings): Promise<System> {
  const running = await stack();
  const env = inClientVm(running, directory('drawn'));
  return {
    name: 'drawn',
    without: ['start', 'clients', 'flood'],
    places: { far: glueOf(running), compositor: sway.pid },
    measure: (what, seconds) => {
      const command = placement.clientSide([process.execPath, drawingClient, ...clientArguments(what, seconds)]);
      return measure('drawing client', command, env, seconds);
    },
    stop: async () => undefined,
  };
}

/** The processor's name, for the report. */
export function processorName(): string {
  const found = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
  return found?.[1] ?? process.arch;
}
