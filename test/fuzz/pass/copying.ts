/**
 * Two proxies that serve the same application: one has its steady frames copied natively, the other is TypeScript alone.
 * Whatever the application draws, and whenever the compositor releases, both must say the same on, show the same pixels,
 * count the same and end for the same reason. The application is a real AppConnection's, and its pools are real memory,
 * which is written to, grown and cut off.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppConnection } from '../../../src/client/app-connection.js';
import { IdleBuffers } from '../../../src/client/idle-buffers.js';
import { Transfers } from '../../../src/relay/transfers.js';
import { SlabArena } from '../../../src/slabs/slab-arena.js';
import { OwnedFd } from '../../../src/system/fd.js';
import { native, type Mapping } from '../../../src/system/native.js';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import { openDevice, type Device } from '../../../src/virtwl/device.js';
import { SocketVfd } from '../../../src/virtwl/vfd.js';
import { interfaces } from '../../../src/wayland/protocols/index.js';
import { MessageWriter } from '../../../src/wayland/message-writer.js';
import { readOpcode, readSize, readUint, type WireValue } from '../../../src/wayland/wire.js';
import { FarEnd, nameOf } from '../../client/app-and-link.js';
import { Peer } from '../../relay/peer.js';
import { testNative } from '../../test-native.js';
import type { Random } from '../../wayland/random.js';
import { Difference, type Counts } from './duel.js';

/** Sides of buffers, their formats and bytes of a pixel: small ones that pass, and one that is too large to. */
const SIZES = [
  [64, 64],
  [64, 48],
  [160, 120],
] as const;
const FORMATS = [
  [0, 4],
  [1, 4],
  [0x36314752, 2], // RG16
] as const;
const POOL_BYTES = 1 << 20;
const MOST_POOL_BYTES = 4 << 20;
/** Bytes of a message, about. */
const MESSAGE_BYTES = 16;
/** Callbacks that the application waits for at most. */
const MOST_CALLBACKS = 12;

let device: Device | undefined;

/** A compositor that answers round trips at once, and all else when it is told to. */
class Compositor extends FarEnd {
  readonly callbacks: number[] = [];
  /** What it was told since it was compared. */
  told: string[] = [];

  constructor(peer: Peer) {
    super(peer);
    const receive = peer.answer;
    peer.answer = received => {
      this.told.push(`${received.id} ${received.name} ${JSON.stringify(received.args.map(plain))}`);
      peer.received.length = 0;
      if (received.name === 'wl_surface.frame') this.callbacks.push(received.args[0] as number);
      receive(received);
    };
  }
}

function plain(value: WireValue): unknown {
  return value instanceof OwnedFd ? 'fd' : value instanceof Uint8Array ? [...value] : value;
}

class Contestant {
  readonly app: OwnedFd;
  readonly far: Compositor;
  readonly connection: AppConnection;
  readonly #transfers: Transfers;
  readonly #idle: IdleBuffers;
  heard: Uint8Array = new Uint8Array(0);
  end: string | undefined;

  constructor(mode: 'typescript' | 'native') {
    device ??= openDevice({ loopback: mkdtempSync(join(tmpdir(), 'virtwl-fuzz-')) });
    const [a, b] = native.socketpair();
    const [c, d] = native.socketpair();
    this.far = new Compositor(new Peer('compositor', new OwnedFd(a)));
    this.app = new OwnedFd(c);
    this.#transfers = new Transfers(device);
    const arena = new SlabArena();
    this.#idle = new IdleBuffers(arena);
    const before = process.env.VIRTWL_RELAY;
    process.env.VIRTWL_RELAY = mode;
    this.connection = new AppConnection(new UnixSocket(new OwnedFd(d)), device.adopt(new SocketVfd(b)), {
      transfers: this.#transfers,
      arena,
      idle: this.#idle,
      allocator: () => {
        throw new Error('there is none');
      },
    });
    if (before === undefined) delete process.env.VIRTWL_RELAY;
    else process.env.VIRTWL_RELAY = before;
    this.connection.on('close', reason => (this.end = String(reason?.message)));
  }

  read(): void {
    const fds: number[] = [];
    try {
      for (;;) {
        const length = native.recv(this.app.fd, buffer, fds);
        if (length <= 0) break;
        this.heard = Buffer.concat([this.heard, buffer.subarray(0, length)]);
      }
    } catch {
      // It has left what was said to it.
    }
    for (const fd of fds) native.close(fd);
  }

  /** Memory is wanted elsewhere. */
  giveUp(): void {
    this.#idle.giveUp(1 << 20);
  }

  /** All pixels that the compositor could see. */
  pixels(): string {
    const all = [...this.far.buffers.keys()].map(id => [id, Buffer.from(this.far.pixels(id, 2)).toString('base64')]);
    return JSON.stringify(all);
  }

  close(): void {
    this.connection.close();
    this.#transfers.close();
    this.app.close();
    this.far.close();
  }
}

const buffer = new Uint8Array(256 * 1024);

interface DrawnBuffer {
  readonly id: number;
  readonly size: number;
  /** Whether it is drawn into for the first surface, or for the other one. */
  readonly first: boolean;
}

/** The application: what it says, of which objects. */
class App {
  readonly writer = new MessageWriter();
  readonly #free: number[] = [];
  #next = 2;
  readonly #file = new OwnedFd(native.memfd('fuzz', POOL_BYTES, 0));
  #mapping: Mapping = native.map(this.#file.fd, 0, POOL_BYTES, true);
  #bytes = POOL_BYTES;
  readonly #types = new Map<number, string>([[1, 'wl_display']]);
  readonly #buffers: DrawnBuffer[] = [];
  readonly #surfaces: number[] = [];
  readonly #viewports = new Map<number, number>();
  readonly #format: (typeof FORMATS)[number];
  readonly #version: number;
  /** How rarely it does what is not a frame like those before. */
  readonly #calm: number;
  #registry = 0;
  #compositor = 0;
  #shm = 0;
  #pool = 0;
  #viewporter = 0;
  #callbacks = 0;

  constructor(private readonly random: Random) {
    this.#format = random.pick(FORMATS);
    this.#version = random.pick([4, 6]);
    this.#calm = random.pick([1, 10, 40]);
  }

  /** What the link announces is known when it has been asked for. */
  hello(): void {
    this.#registry = this.#make('wl_registry');
    this.#say(1, 'get_registry', [this.#registry]);
  }

  begin(): void {
    const registry = this.#registry;
    const bind = (name: string, version: number): number => {
      const id = this.#make(name);
      this.#say(registry, 'bind', [nameOf(name), { interface: name, version, id }]);
      return id;
    };
    this.#compositor = bind('wl_compositor', this.#version);
    this.#shm = bind('wl_shm', 1);
    this.#viewporter = bind('wp_viewporter', 1);
    this.#pool = this.#make('wl_shm_pool');
    this.#say(this.#shm, 'create_pool', [this.#pool, new OwnedFd(native.dup(this.#file.fd)), POOL_BYTES]);
    for (let i = 0; i < 8; i++) this.#newBuffer(i < 5 ? 0 : i < 7 ? 1 : 2, i % 2 === 0);
    for (let i = 0; i < 2; i++) this.#newSurface();
  }

  /** Draws, somewhere; what is not damaged as well. */
  draw(): void {
    const { random } = this;
    const bytes = new Uint8Array(this.#mapping.buffer);
    const at = random.below(300_000);
    bytes.fill(random.below(256), at, at + random.below(20_000));
  }

  say(): void {
    const { random } = this;
    const surface = random.below(6) === 0 ? this.#surfaces[1]! : this.#surfaces[0]!;
    if (random.below(25 * this.#calm) === 0) this.#change(surface);
    else this.#frame(surface);
  }

  hear(bytes: Uint8Array): void {
    for (let at = 0; bytes.length - at >= 8; at += readSize(bytes, at)) {
      if (readUint(bytes, at) !== 1 || readOpcode(bytes, at) !== 1) continue;
      const id = readUint(bytes, at + 8);
      if (this.#types.get(id) === 'wl_callback') this.#callbacks -= 1;
      this.#types.delete(id);
      this.#free.push(id);
    }
  }

  close(): void {
    this.#mapping.unmap();
    this.#file.close();
  }

  #frame(surface: number): void {
    const { random } = this;
    const odd = random.below(15 * this.#calm) === 0;
    const size = odd ? random.below(3) : 0;
    const first = surface === this.#surfaces[0];
    const alike = this.#buffers.filter(each => each.size === size && (odd || each.first === first));
    const place = odd && random.below(6) === 0 && this.#version < 5 ? 1 : 0;
    const attach = (): void => {
      if (odd && random.below(8) === 0) this.#say(surface, 'attach', [undefined, 0, 0]);
      else if (alike.length > 0 && !(odd && random.below(4) === 0))
        this.#say(surface, 'attach', [random.pick(alike).id, place, 0]);
    };
    const early = random.below(2) === 0;
    if (early) attach();
    const many = odd && random.below(3) === 0 ? 70 : 4;
    for (let n = Math.max(random.below(many), random.below(10) > 0 ? 1 : 0); n > 0; n--) {
      const request = random.below(4) === 0 ? 'damage' : 'damage_buffer';
      const [x, y] = odd ? [random.below(100) - 50, random.below(90)] : [random.below(60), random.below(60)];
      const side = random.below(odd ? 3 : 60) + (odd ? -1 : 1);
      const width = random.below(20 * this.#calm) === 0 ? random.pick([0x7fffffff, 40_000, 32_768]) : side;
      this.#say(surface, request, [x, y, width, 1 + random.below(40)]);
    }
    if (this.#callbacks < MOST_CALLBACKS && random.below(3) === 0) this.#say(surface, 'frame', [this.#callback()]);
    if (!early) attach();
    if (random.below(40 * this.#calm) === 0) this.#destroyBuffer();
    if (!odd || random.below(3) > 0) this.#say(surface, 'commit');
    if (this.#callbacks < MOST_CALLBACKS && random.below(2) === 0) this.#say(1, 'sync', [this.#callback()]);
  }

  #change(surface: number): void {
    const { random } = this;
    switch (random.below(13)) {
      case 0:
        this.#say(surface, 'set_buffer_scale', [1 + (random.below(3) === 0 ? 1 : 0)]);
        break;
      case 1:
        this.#say(surface, 'set_buffer_transform', [random.below(3) === 0 ? random.below(8) : 0]);
        break;
      case 2:
        if (this.#version >= 5) this.#say(surface, 'offset', [random.below(2), 0]);
        break;
      case 3: {
        const had = this.#viewports.get(surface);
        if (had !== undefined) {
          this.#say(had, 'destroy');
          this.#viewports.delete(surface);
          break;
        }
        const viewport = this.#make('wp_viewport');
        this.#viewports.set(surface, viewport);
        this.#say(this.#viewporter, 'get_viewport', [viewport, surface]);
        this.#say(viewport, 'set_destination', [32, 32]);
        break;
      }
      case 4:
      case 5:
        this.#destroyBuffer();
        break;
      case 6: {
        if (this.#bytes >= MOST_POOL_BYTES) break;
        this.#bytes += 1 << 18;
        testNative.truncate(this.#file.fd, this.#bytes);
        this.#mapping.unmap();
        this.#mapping = native.map(this.#file.fd, 0, this.#bytes, true);
        this.#say(this.#pool, 'resize', [this.#bytes]);
        break;
      }
      case 7: {
        if (this.#viewports.has(surface)) break;
        this.#say(surface, 'destroy');
        this.#surfaces.splice(this.#surfaces.indexOf(surface), 1);
        this.#newSurface();
        break;
      }
      case 8:
        this.#say(surface, 'commit');
        break;
      case 9:
        this.#newBuffer(random.below(3), random.below(2) === 0);
        break;
      default:
        // Its file is cut off: what is drawn from there ends the connection.
        if (random.below(2) === 0) testNative.truncate(this.#file.fd, random.below(300_000));
        else this.#say(surface, 'set_buffer_scale', [1]);
    }
  }

  #destroyBuffer(): void {
    const { random } = this;
    const which = random.below(this.#buffers.length);
    const [{ id, size, first }] = this.#buffers.splice(which, 1) as [DrawnBuffer];
    this.#say(id, 'destroy');
    this.#newBuffer(size, first);
  }

  #newBuffer(size: number, first: boolean): void {
    const { random } = this;
    if (this.#buffers.length > 11) return;
    const [width, height] = SIZES[size]!;
    const [format, bytes] = this.#format;
    const id = this.#make('wl_buffer');
    const stride = width * bytes + random.pick([0, 0, 64, -4]);
    this.#say(this.#pool, 'create_buffer', [id, 4 * random.below(50_000), width, height, stride, format]);
    this.#buffers.push({ id, size, first });
  }

  #newSurface(): void {
    const surface = this.#make('wl_surface');
    this.#surfaces.push(surface);
    this.#say(this.#compositor, 'create_surface', [surface]);
  }

  #callback(): number {
    this.#callbacks += 1;
    return this.#make('wl_callback');
  }

  #make(iface: string): number {
    const id = this.#free.pop() ?? this.#next++;
    this.#types.set(id, iface);
    return id;
  }

  #say(id: number, name: string, args: readonly WireValue[] = []): void {
    const message = interfaces.get(this.#types.get(id)!)!.requests.find(each => each.name === name)!;
    this.writer.write(id, message, args);
  }
}

/** One connection, of `most` messages or until it breaks. */
export async function copyingDuel(random: Random, most: number, counts: Counts): Promise<void> {
  const one = new Contestant('typescript');
  const other = new Contestant('native');
  const both = [one, other] as const;
  const app = new App(random);
  let pending: Uint8Array = new Uint8Array(0);
  /** How prompt the compositor is. */
  const pace = random.pick([1, 1, 1, 2, 4]);
  /** How much the application says at once, at most. */
  const busy = random.pick([[2], [2, 3], [2, 3, 8]]);
  try {
    app.hello();
    for (const { app: end } of both) sendAll(end, app.writer.bytes, []);
    app.writer.reset();
    await turns(8);
    app.begin();
    for (let said = 0; said < most && one.end === undefined;) {
      const before = app.writer.length;
      for (let n = random.below(random.pick(busy)); n > 0; n--) app.say();
      const more = Math.ceil((app.writer.length - before) / MESSAGE_BYTES);
      said += more;
      counts.messages += more;
      if (random.below(2) === 0) app.draw();
      const { fds } = app.writer;
      pending = Buffer.concat([pending, app.writer.bytes]);
      const cut = random.below(10) === 0 && fds.length === 0 ? random.below(pending.length + 1) : pending.length;
      for (const { app: end } of both) {
        if (cut > 0) sendAll(end, pending.subarray(0, cut), fds);
      }
      for (const fd of fds) fd.close();
      app.writer.reset();
      pending = pending.slice(cut);
      const [releases, answers] = [random.below(pace) === 0, random.below(pace) === 0];
      const [backwards, short, late] = [random.below(8) === 0, random.below(300) === 0, random.below(3) === 0];
      if (late) await turns(2);
      for (const contestant of both) {
        const { far } = contestant;
        if (short) contestant.giveUp();
        if (releases) for (const id of backwards ? far.held.slice().reverse() : far.held.slice(0, -1)) far.release(id);
        if (!answers) continue;
        for (const id of far.callbacks.splice(0)) {
          far.peer.say(id, 'done', [1]);
          far.peer.say(1, 'delete_id', [id]);
        }
      }
      await turns(1 + random.below(6));
      compare(one, other, random.below(4) === 0);
      app.hear(one.heard);
      one.heard = other.heard = new Uint8Array(0);
    }
    await turns(8);
    compare(one, other, true);
  } finally {
    counts.connections += 1;
    counts.batches += other.connection.passedFrames;
    counts.frames += other.connection.passedFrames;
    if (one.end !== undefined) counts.broken += 1;
    for (const contestant of both) contestant.close();
    app.close();
    await turns(4);
  }
}

function sendAll(end: OwnedFd, bytes: Uint8Array, fds: readonly OwnedFd[]): void {
  try {
    for (let at = 0; at < bytes.length;) {
      const sent = native.send(end.fd, bytes, at, bytes.length - at, at === 0 ? fds.map(fd => fd.fd) : []);
      if (sent <= 0) return;
      at += sent;
    }
  } catch {
    // It is gone.
  }
}

function compare(one: Contestant, other: Contestant, pixels: boolean): void {
  for (const each of [one, other]) each.read();
  same('the requests', one.far.told, other.far.told);
  same('the events', Buffer.from(one.heard).toString('hex'), Buffer.from(other.heard).toString('hex'));
  same('the end', one.end, other.end);
  same('what is counted', one.connection.counters, other.connection.counters);
  same('faults', [one.far.mistakes, one.far.peer.faults], [other.far.mistakes, other.far.peer.faults]);
  if (pixels) same('the pixels', one.pixels(), other.pixels());
  one.far.told = [];
  other.far.told = [];
}

function same(what: string, one: unknown, other: unknown): void {
  const [a, b] = [JSON.stringify(one) ?? '', JSON.stringify(other) ?? ''];
  if (a === b) return;
  let at = 0;
  while (a[at] === b[at]) at += 1;
  const shown = (text: string): string => text.slice(Math.max(0, at - 200), at + 300);
  throw new Difference(`copying: ${what}: ${shown(a)}\n  natively: ${shown(b)}`);
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve));
}
