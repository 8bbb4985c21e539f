/**
 * Wayland connections through the client proxy and through the glue, each with one end that does anything and one that is
 * honest. The honest one never gets what the protocol forbids; both channels are closed in the end; nothing is held.
 */
import type { Loan } from '../../../src/allocator/client.js';
import { tmpdir } from 'node:os';
import { RemoteClient } from '../../../compositor-glue/remote-client.js';
import { SharedFirewall } from '../../../src/firewall/firewall.js';
import { DEFAULT_POLICY, type VmPolicy } from '../../../compositor-glue/policy.js';
import { VmAccount } from '../../../compositor-glue/vm-account.js';
import type { AllocatorClient } from '../../../src/allocator/client.js';
import { AppConnection } from '../../../src/client/app-connection.js';
import { IdleBuffers } from '../../../src/client/idle-buffers.js';
import { MappedSlab, MIN_SLAB_BYTES, SlabArena } from '../../../src/slabs/slab-arena.js';
import { native } from '../../../src/system/native.js';
import { LoopbackDevice } from '../../../src/virtwl/loopback.js';
import { Memory } from '../../../src/virtwl/vfd.js';
import { ProtocolError } from '../../../src/relay/call.js';
import { Transfers } from '../../../src/relay/transfers.js';
import { REMOTE_GLOBALS } from '../../../src/relay/globals.js';

import { WireError } from '../../../src/wayland/wire.js';
import { Draw } from '../draw.js';
import { drawFd } from '../draw-fd.js';
import { turn } from '../held.js';
import type { Target } from '../target.js';
import { TestChannel } from '../test-channel.js';
import { WaylandSide, type Received } from '../wayland-side.js';

/** What is tested, between two channels. */
interface Between {
  /** Whether it has closed both. */
  readonly closed: () => boolean;
  /** Why, in a few words; once it has. */
  readonly why: () => string;
  close(): void;
  /** Ends what outlives the connection. */
  end(): void;
}

/** Largest memory that is granted, in bytes. Nothing of it exists before it is touched. */
const MOST_MEMORY = 64 << 20;

const device = new LoopbackDevice(tmpdir());

/** Globals of the compositor, most of the time: those that are handled here, those that bring descriptors, one that must not pass. */
const GLOBALS: readonly (readonly [string, number])[] = [
  ...[...REMOTE_GLOBALS].filter(([name]) =>
    /^(wl_|xdg_wm_base|xdg_activation|wp_(viewporter|single)|zwp_(primary|tablet|text)|zxdg_exporter_v2)/.test(name),
  ),
  ['zwlr_screencopy_manager_v1', 3],
];
/** Those that every client binds (see `begin`), and a few more. To tell of globals takes much of the time that an input takes. */
const FEW_GLOBALS = GLOBALS.filter(([name]) => /^(wl_|xdg_wm_base|wp_viewporter|zwlr)/.test(name));
/** All that can pass. */
const ALL_GLOBALS: readonly (readonly [string, number])[] = [...REMOTE_GLOBALS];
const STRICT: VmPolicy = {
  ...DEFAULT_POLICY,
  readClipboard: false,
  writeClipboard: false,
  fullscreen: false,
  memory: 4 << 20,
};

/** Memory of `bytes` bytes, or a refusal, at once or later: the input says which. */
function allocator(draw: Draw): (bytes: number) => Promise<Memory> {
  return async bytes => {
    const how = draw.byte() % 8;
    if (how === 7) await turn();
    if (how === 6 || bytes > MOST_MEMORY) throw new Error('refused');
    return new Memory(native.memfd('fuzz', bytes, 0), bytes);
  };
}

/** A proxy, and what another of its connections has. */
function proxy(app: TestChannel, link: TestChannel, draw: Draw): Between {
  const transfers = new Transfers(device);
  const arena = new SlabArena();
  const memory = new Memory(native.memfd('fuzz', MIN_SLAB_BYTES, 0), MIN_SLAB_BYTES);
  const slab = new MappedSlab(memory.map(MIN_SLAB_BYTES, true), MIN_SLAB_BYTES, 'key of another', false);
  memory.close();
  arena.add(slab);
  const connection = new AppConnection(app, link, {
    transfers,
    arena,
    idle: new IdleBuffers(arena),
    allocator: () => ({ allocate: allocator(draw) }) as unknown as AllocatorClient,
  });
  let why: string | undefined;
  connection.on('close', reason => (why = brief(reason)));
  return {
    closed: () => why !== undefined,
    why: () => why ?? '',
    close: () => connection.close(),
    end: () => {
      transfers.close();
      arena.leave(slab);
      if (arena.slabCount > 0) throw new Error(`${arena.slabCount} slabs are mapped after the end`);
    },
  };
}

function glue(link: TestChannel, compositor: TestChannel, draw: Draw): Between {
  const policy = draw.oneIn(3) ? STRICT : DEFAULT_POLICY;
  const account = new VmAccount('vm', policy.memory, new Transfers(device));
  const give = allocator(draw);
  const allocate = async (bytes: number): Promise<Loan> => ({ memory: await give(bytes), gone: undefined });
  const client = new RemoteClient(link, compositor, {
    account,
    policy,
    device,
    shared: new SharedFirewall(),
    allocate,
    refused: () => undefined,
    deny: () => undefined,
  });
  let why: string | undefined;
  client.relay.on('close', reason => (why = brief(reason)));
  return {
    closed: () => client.relay.closed,
    why: () => why ?? '',
    close: () => client.relay.close(undefined),
    end: () => {
      account.close();
      if (why === undefined) throw new Error('nobody was told of the end');
    },
  };
}

/** The kind of an end, without what differs from one input to the next. */
function brief(reason: Error | undefined): string {
  if (reason === undefined) return 'in order';
  if (reason instanceof ProtocolError) return `protocol error ${Math.min(reason.code, 16)}`;
  if (reason instanceof WireError) return `wire error ${reason.kind}`;
  return reason.message.split(' ').slice(0, 3).join(' ');
}

/** What every compositor answers by itself. `memory`: it is a glue, and has memory to give. */
function answersBasics(side: WaylandSide, draw: Draw, memory: boolean): void {
  const byte = draw.byte();
  const few = byte % 16;
  const newest = byte & 16 ? 1 : 2;
  const globals = few === 15 ? ALL_GLOBALS : few > 11 ? GLOBALS : FEW_GLOBALS;
  const own = memory && !draw.oneIn(4) ? ([['virtwl_memory_v1', newest]] as const) : [];
  [...globals, ...own].forEach(([type, version], i) => side.globals.set(i + 1, { type, version }));
  side.answer = ({ name, args }: Received) => {
    switch (name) {
      case 'wl_display.get_registry':
        for (const [number, { type, version }] of side.globals)
          side.say(args[0] as number, 'global', [number, type, version]);
        break;
      case 'wl_display.sync':
        side.say(args[0] as number, 'done', [0]);
        break;
      case 'virtwl_memory_v1.allocate': {
        const [slab, size] = args as [number, number];
        if (size === 0 || size > MOST_MEMORY || draw.oneIn(8)) side.say(slab, 'refused', [1, 'no']);
        else {
          if (side.objects.get(slab)!.version >= 2) side.say(slab, 'key', [`key ${slab}`]);
          side.say(slab, 'memory', [new Memory(native.memfd('fuzz', size, 0), size), size]);
        }
        break;
      }
      case 'virtwl_memory_v1.join':
        if (draw.oneIn(8)) side.say(args[0] as number, 'refused', [4, 'no']);
        else side.say(args[0] as number, 'joined', []);
        break;
      case 'wl_surface.attach':
        // It shows nothing for long.
        if (typeof args[0] === 'number' && draw.oneIn(2) && side.objects.has(args[0])) side.say(args[0], 'release', []);
        break;
    }
  };
}

function target(name: string, hostile: 'client' | 'compositor', between: 'proxy' | 'glue'): Target {
  return {
    name,
    maxBytes: 1024,
    seeds: SEEDS,
    async run(input) {
      const draw = new Draw(input);
      const channels = [
        new TestChannel(between === 'proxy' ? 'socket' : 'link'),
        new TestChannel(between === 'proxy' ? 'link' : 'socket'),
      ] as const;
      const client = new WaylandSide('client', channels[0], hostile === 'client');
      const compositor = new WaylandSide('compositor', channels[1], hostile === 'compositor');
      const tested = (between === 'proxy' ? proxy : glue)(channels[0], channels[1], draw);
      answersBasics(compositor, draw, between === 'proxy');
      const bad = hostile === 'client' ? client : compositor;
      const exchange = (): void => {
        for (const side of [client, compositor]) side.push();
        for (const side of [client, compositor]) if (!side.failed) side.listen();
      };
      try {
        begin(client, exchange);
        while (!draw.done && !tested.closed()) {
          switch (draw.below(12)) {
            case 0:
            case 1:
            case 2:
            case 3:
            case 4:
              client.speak(draw);
              break;
            case 5:
            case 6:
              compositor.speak(draw);
              break;
            case 7:
              client.push(draw.byte());
              break;
            case 8:
              compositor.push(draw.byte());
              break;
            case 9:
              await turn();
              break;
            case 10:
              exchange();
              break;
            default:
              misbehave(draw, bad);
          }
        }
        // What is under way arrives; what waits for memory gets it.
        for (let round = 0; round < 4; round++) {
          exchange();
          await turn();
        }
      } finally {
        if (draw.oneIn(3)) client.channel.end();
        else if (draw.oneIn(2)) compositor.channel.end();
        if (!tested.closed()) tested.close();
        for (const side of [client, compositor]) if (!side.failed) side.listen();
      }
      await turn();
      try {
        if (!channels.every(({ closed }) => closed)) throw new Error('a channel is open after the end');
        (hostile === 'client' ? compositor : client).checkEnd();
        tested.end();
      } finally {
        client.close();
        compositor.close();
      }
      await turn();
      return [...client.words, ...compositor.words, tested.why()];
    },
  };
}

/** Every client begins like this. */
function begin(client: WaylandSide, exchange: () => void): void {
  client.say(1, 'get_registry', [client.newId()]);
  for (let round = 0; round < 3; round++) exchange();
  for (const wanted of [
    'wl_compositor',
    'wl_shm',
    'xdg_wm_base',
    'wl_seat',
    'wl_data_device_manager',
    'virtwl_memory_v1',
    'wp_viewporter',
  ]) {
    const global = [...client.globals].find(([, { type }]) => type === wanted);
    if (global === undefined) continue;
    const [name, { type, version }] = global;
    client.say(2, 'bind', [name, { interface: type, version, id: client.newId() }]);
  }
  for (let round = 0; round < 2; round++) exchange();
}

/** What no honest side does. */
function misbehave(draw: Draw, side: WaylandSide): void {
  switch (draw.below(5)) {
    case 0:
      side.raw(draw.take(1 + draw.byte()));
      break;
    case 1: {
      const fds = Array.from({ length: draw.oneIn(4) ? draw.below(29) : draw.below(4) }, () => drawFd(draw));
      side.raw(Uint8Array.of(1), fds);
      break;
    }
    case 2:
      // It does not read, or reads again.
      side.channel.highWater = draw.oneIn(2) ? 0 : Infinity;
      break;
    case 3: {
      const words = Uint32Array.from({ length: 2 + draw.below(4) }, () => draw.word());
      words[1] = ((4 * words.length) << 16) | draw.below(20);
      words[0] = draw.pick([...side.objects.keys()]);
      side.raw(new Uint8Array(words.buffer));
      break;
    }
    default:
      side.channel.end();
  }
}

/** Bytes that make the two talk for a while. */
const SEEDS: readonly Uint8Array[] = [
  new Uint8Array(0),
  Uint8Array.from({ length: 200 }, (_, i) => (i * 37) % 251),
  Uint8Array.from({ length: 600 }, (_, i) => (i * i * 7 + (i >> 3)) % 256),
  Uint8Array.from({ length: 900 }, (_, i) => (i * 101 + (i >> 2) * 13) % 253),
];

export const waylandTargets: readonly Target[] = [
  target('client-to-proxy', 'client', 'proxy'),
  target('link-to-proxy', 'compositor', 'proxy'),
  target('link-to-glue', 'client', 'glue'),
  target('compositor-to-glue', 'compositor', 'glue'),
];
