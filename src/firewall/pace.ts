/**
 * How far the clients of one VM may be ahead of the compositor. What was passed on is counted, by what it costs the
 * compositor, and the relays' own `wl_display.sync` tells when it has been dealt with. Above the bound, this VM's requests
 * wait in its own links, so a VM that floods makes the compositor late by what the bound holds and no more, and takes our
 * own time in small slices.
 */
import type { RelayObject } from '../relay/object-map.js';
import type { Pace, Relay } from '../relay/relay.js';
import type { Message } from '../wayland/interface.js';

/**
 * Cost that one VM may have before the compositor. A request is 1: some microseconds. 128 are a few frames of a busy
 * window, and less than a millisecond of wlroots' time.
 */
export const VM_WINDOW = 128;
/** After how much cost of one connection the compositor is asked whether it has got there. */
const SYNC_EVERY = 32;

/** What costs more than a request, by interface and message. */
const COSTS: Readonly<Record<string, number>> = {
  // Pixels are read, damage is worked out for each output.
  'wl_surface.commit': 4,
  // A mapping is made or made anew.
  'wl_shm.create_pool': 16,
  'wl_shm_pool.resize': 16,
  // Every global is told.
  'wl_display.get_registry': 16,
  'wl_registry.bind': 4,
  // A screen is copied.
  'zwlr_screencopy_frame_v1.copy': 32,
  'zwlr_screencopy_frame_v1.copy_with_damage': 32,
};

const costs = new WeakMap<Message, number>();

/** All connections of one VM. */
export class VmPace {
  readonly #connections = new Set<ConnectionPace>();
  #ahead = 0;

  constructor(readonly window = VM_WINDOW) {}

  /** Cost before the compositor. */
  get ahead(): number {
    return this.#ahead;
  }

  /** For one more connection. */
  connect(): ConnectionPace {
    const connection = new ConnectionPace(this);
    this.#connections.add(connection);
    return connection;
  }

  /** @internal */
  spend(cost: number): void {
    this.#ahead += cost;
  }

  /** The compositor has got so far. @internal */
  earn(cost: number): void {
    this.#ahead -= cost;
    for (const connection of [...this.#connections]) {
      if (this.#ahead >= this.window) return;
      if (!connection.waiting) continue;
      // Who has had its turn is the last for the next one.
      this.#connections.delete(connection);
      this.#connections.add(connection);
      connection.go();
    }
  }

  /** Nothing more may go on: every connection is to tell when the compositor has got there. @internal */
  ask(): void {
    for (const connection of this.#connections) connection.sync();
  }

  /** @internal */
  disconnect(connection: ConnectionPace): void {
    this.#connections.delete(connection);
  }
}

/** One connection's part. */
export class ConnectionPace implements Pace {
  #relay: Relay | undefined;
  /** Passed on, and the compositor not asked about it yet. */
  #unasked = 0;
  /** Asked about. */
  #asked = 0;
  /** Its requests wait. @internal */
  waiting = false;

  /** @internal */
  constructor(private readonly vm: VmPace) {}

  /** The relay that asks; before its first request. */
  attach(relay: Relay): void {
    this.#relay = relay;
  }

  admit(): boolean {
    if (this.vm.ahead < this.vm.window) return true;
    this.waiting = true;
    this.vm.ask();
    return false;
  }

  passed(object: RelayObject, message: Message): void {
    let cost = costs.get(message);
    if (cost === undefined) {
      cost = COSTS[`${object.interface.name}.${message.name}`] ?? 1;
      costs.set(message, cost);
    }
    this.charge(cost);
  }

  /** What a handler has said to the compositor beyond the request itself. */
  charge(cost: number): void {
    this.#unasked += cost;
    this.vm.spend(cost);
    if (this.#unasked >= SYNC_EVERY) this.sync();
  }

  /** @internal */
  sync(): void {
    const relay = this.#relay;
    if (this.#unasked === 0 || relay === undefined || relay.closed) return;
    const cost = this.#unasked;
    relay.sync(() => {
      this.#asked -= cost;
      this.vm.earn(cost);
    });
    this.#asked += cost;
    this.#unasked = 0;
    // The question leaves with the batch; where it is asked on account of another connection, there is none.
    queueMicrotask(() => relay.flush());
  }

  /** @internal */
  go(): void {
    this.waiting = false;
    this.#relay?.resume('requests');
  }

  /** The connection is over: nobody answers any more. */
  close(): void {
    this.vm.disconnect(this);
    this.vm.earn(this.#unasked + this.#asked);
    this.#unasked = this.#asked = 0;
  }
}
