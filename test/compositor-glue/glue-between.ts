/**
 * A glue between its three neighbours, all of which do only what a test tells them: remote clients, a compositor, and the
 * host's allocator.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Glue, type Entrances } from '../../compositor-glue/glue.js';
import { DEFAULT_POLICY, Policies, type VmPolicy } from '../../compositor-glue/policy.js';
import { encodeNotice, Status } from '../../src/allocator/protocol.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { openDevice, type Device } from '../../src/virtwl/device.js';
import { SocketVfd } from '../../src/virtwl/vfd.js';
import { Manners } from '../relay/manners.js';
import { Peer, settle, type Received } from '../relay/peer.js';

/** What the compositor announces, by name from 1. */
export const GLOBALS: readonly (readonly [string, number])[] = [
  ['wl_compositor', 6],
  ['wl_shm', 1],
  ['wl_seat', 8],
  ['wl_data_device_manager', 3],
  ['zwlr_screencopy_manager_v1', 3],
  ['zwlr_layer_shell_v1', 4],
  ['wl_output', 4],
  ['zwlr_data_control_manager_v1', 2],
];

export function nameOf(iface: string): number {
  return GLOBALS.findIndex(([name]) => name === iface) + 1;
}

/** The host's allocator: grants, refuses, or lets wait. */
export class FakeAllocator {
  mode: 'grant' | 'refuse' | 'wait' = 'grant';
  /** Whether it tells what is gone: by {@link tellGone}. */
  notices = false;
  readonly #granted: { readonly socket: UnixSocket; readonly id: bigint }[] = [];
  /** Sizes that were asked for. */
  readonly asked: number[] = [];
  readonly #sockets = new Set<UnixSocket>();
  #waiting: (() => void)[] = [];
  readonly #listener: UnixListener;

  constructor(path: string) {
    this.#listener = UnixListener.listen(path);
    this.#listener.on('connection', socket => {
      this.#sockets.add(socket);
      let rest = Buffer.alloc(0);
      socket.on('data', bytes => {
        rest = Buffer.concat([rest, bytes]);
        for (; rest.length >= 16; rest = rest.subarray(16))
          this.#answer(socket, rest.readBigUInt64LE(0), Number(rest.readBigUInt64LE(8)));
      });
      socket.on('end', () => this.#drop(socket));
      socket.start();
    });
  }

  get connections(): number {
    return this.#sockets.size;
  }

  #answer(socket: UnixSocket, id: bigint, size: number): void {
    if (size === 0) {
      socket.send(Uint8Array.of(this.notices ? Status.Notices : Status.BadSize));
      return;
    }
    this.#granted.push({ socket, id });
    this.asked.push(size);
    const grant = (): void => {
      if (!socket.closed)
        socket.send(Uint8Array.of(Status.Ok), [new OwnedFd(native.memfd('virtwl-allocator', size, 0))]);
    };
    if (this.mode === 'grant') grant();
    else if (this.mode === 'refuse') socket.send(Uint8Array.of(Status.OverBudget));
    else this.#waiting.push(grant);
  }

  /** Says of the oldest memory that nobody holds it any more. */
  tellGone(): void {
    const { socket, id } = this.#granted.shift()!;
    socket.send(encodeNotice(id));
  }

  /** Grants what waits. */
  release(): void {
    for (const grant of this.#waiting.splice(0)) grant();
  }

  #drop(socket: UnixSocket): void {
    socket.close();
    this.#sockets.delete(socket);
  }

  /** Hangs up on everybody, and goes on listening. */
  hangUp(): void {
    for (const socket of [...this.#sockets]) this.#drop(socket);
    this.#waiting = [];
  }

  close(): void {
    this.hangUp();
    this.#listener.close();
  }
}

/** One remote client, with the compositor's end of its connection. */
export interface Remote {
  readonly client: Peer;
  readonly compositor: Peer;
  readonly registry: number;
  /** The name of the memory extension in its registry. */
  readonly memoryName: number;
}

export class GlueBetween {
  readonly directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  readonly device: Device;
  readonly allocator: FakeAllocator | undefined;
  readonly glue: Glue;
  /** VM and reason of every client that left or was refused. */
  readonly left: { vm: string; reason: Error | undefined }[] = [];
  /** Why clients were refused memory. */
  readonly refused: { vm: string; reason: string }[] = [];
  readonly #listener: UnixListener;
  readonly #peers: Peer[] = [];
  readonly #arrived: Peer[] = [];
  /** Whether a new client's registry is answered with {@link GLOBALS}. */
  announcing = true;

  constructor(
    options: {
      readonly policy?: Partial<VmPolicy>;
      readonly withoutAllocator?: boolean;
      readonly globals?: typeof GLOBALS;
      /** Where outputs are: clients come in by security contexts then. */
      readonly outputs?: Entrances['outputs'];
    } = {},
  ) {
    this.allocator = options.withoutAllocator ? undefined : new FakeAllocator(join(this.directory, 'allocator'));
    this.device = openDevice({ loopback: this.directory });
    this.#listener = UnixListener.listen(join(this.directory, 'compositor'));
    this.#listener.on('connection', socket => {
      const peer = new Peer('compositor', socket);
      const manners = new Manners(peer);
      peer.answer = received => {
        this.#answer(peer, received, options.globals ?? GLOBALS);
        manners.answer(received);
      };
      this.#peers.push(peer);
      this.#arrived.push(peer);
    });
    const display = join(this.directory, 'compositor');
    const { outputs } = options;
    this.glue = new Glue({
      device: this.device,
      display,
      contexts: outputs && { outputs, create: () => Promise.resolve({ path: display, close: () => undefined }) },
      // However busy the machine is, nobody is made to pause for it.
      clock: {
        now: () => 0,
        after: (milliseconds, act) => void setTimeout(act, milliseconds),
        soon: act => void setImmediate(act),
      },
      policies: Policies.uniform({ ...DEFAULT_POLICY, prefixTitles: false, ...options.policy }),
    });
    this.glue.on('left', (vm, reason) => this.left.push({ vm, reason }));
    this.glue.on('refused', (vm, reason) => this.refused.push({ vm, reason }));
  }

  #answer(peer: Peer, received: Received, globals: typeof GLOBALS): void {
    peer.answerBasics(received);
    if (received.name === 'wl_display.get_registry' && this.announcing)
      this.announce(peer, received.args[0] as number, globals);
  }

  announce(peer: Peer, registry: number, globals = GLOBALS): void {
    globals.forEach(([iface, version], i) => peer.say(registry, 'global', [i + 1, iface, version]));
  }

  /** A client arrives, and asks for the registry. */
  async arrive(vm: string): Promise<Remote> {
    const client = this.knock(vm);
    const registry = client.make(1, 'get_registry');
    await settle(16);
    const memory = client.all('wl_registry.global').find(({ args }) => args[1] === 'virtwl_memory_v1');
    return { client, compositor: this.#arrived.shift()!, registry, memoryName: memory?.args[0] as number };
  }

  /** Only the connection. */
  knock(vm: string): Peer {
    const [a, b] = native.socketpair();
    const client = new Peer('client', new OwnedFd(a));
    this.#peers.push(client);
    this.glue.serve(vm, this.device.adopt(new SocketVfd(b)));
    return client;
  }

  /** The compositor hangs up, and listens no more. */
  stopCompositor(): void {
    this.#listener.close();
    for (const peer of this.#peers) if (peer.role === 'compositor') peer.close();
  }

  close(): void {
    this.glue.close();
    for (const peer of this.#peers) peer.close();
    this.#listener.close();
    this.allocator?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
