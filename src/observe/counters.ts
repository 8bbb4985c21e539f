/**
 * What our processes can be asked for in numbers: every counter and every gauge that there is, each named once, with
 * what it counts. A process provides those that it has, by functions that read them; the answer to SIGUSR2 (and later
 * metrics) reads them by these names. Nothing is counted here.
 */

/** A counter only grows, from 0 at the start of the process; a gauge is what is there at the moment. */
export type Kind = 'counter' | 'gauge';

export interface Description {
  readonly kind: Kind;
  readonly help: string;
  readonly unit?: 'bytes' | 'nanoseconds';
  /** Read as one number for each of these, by its name. */
  readonly by?: 'vm';
}

const gauge = (help: string, more: Pick<Description, 'unit' | 'by'> = {}): Description => ({
  kind: 'gauge',
  help,
  ...more,
});
const counter = (help: string, more: Pick<Description, 'unit' | 'by'> = {}): Description => ({
  kind: 'counter',
  help,
  ...more,
});
const BYTES = { unit: 'bytes' } as const;

/** Every one there is. Dots divide the name as they divide the object that status answers are. */
const DESCRIPTIONS = {
  // virtwl broker
  waiting: gauge('clients that wait for a compositor'),
  links: gauge('connections of the compositor VM that can be given clients'),
  relayed: gauge('clients whose bytes pass through the broker'),
  registered: gauge('virtual machines whose host process is registered'),

  // virtwl host, virtwl allocator
  'allocator.budget': gauge('most memory that the allocator may have out', BYTES),
  'allocator.used': gauge('memory that the allocator has out', BYTES),
  'allocator.pieces': gauge('pieces of memory that the allocator has out'),
  'allocator.connections': gauge('connections to the allocator'),
  'allocator.granted': counter('requests to the allocator that were granted'),
  'allocator.refused': counter('requests to the allocator that were refused'),
  'device.connected': gauge('whether a VMM is connected to the wl device, 0 or 1'),
  'device.vfds': gauge('virtual descriptors that the guest has open'),
  'device.connections': gauge('connections to servers that the guest has open'),
  'device.pipes': gauge('pipes that the guest has open'),
  'device.mappings': gauge('pieces of memory that are mapped into the guest'),
  'device.queuedBytes': gauge('bytes that wait for the guest to read', BYTES),
  'device.receivedBytes': gauge('memory of servers that the guest has open', BYTES),
  'device.allocBytes': gauge('memory that the guest made itself', BYTES),
  'device.kicks': counter('wake-ups of the wl device by its driver in the guest'),
  'device.interrupts': counter('interrupts that the wl device asked for'),
  'gpu.connected': gauge('whether a VMM is connected to the gpu device, 0 or 1'),
  'gpu.contexts': gauge('contexts of the gpu device that the guest has open'),
  'gpu.resources': gauge('resources of the gpu device that the guest has'),
  'gpu.connections': gauge('connections to servers that the guest has open by the gpu device'),
  'gpu.pipes': gauge('pipes that the guest has open by the gpu device'),
  'gpu.polls': gauge('contexts of the gpu device that wait for a message'),
  'gpu.mappings': gauge('pieces of memory that are mapped into the guest by the gpu device'),
  'gpu.queuedBytes': gauge('bytes that wait for the guest to read by the gpu device', BYTES),
  'gpu.receivedBytes': gauge('memory of servers that the guest has open, by any device', BYTES),
  'gpu.allocBytes': gauge('memory that the guest made itself, by any device', BYTES),
  'gpu.kicks': counter('wake-ups of the gpu device by its driver in the guest'),
  'gpu.interrupts': counter('interrupts that the gpu device asked for'),

  // virtwl compositor
  clients: gauge('clients of other virtual machines that are connected'),
  slabs: gauge('slabs on the account of a client virtual machine', { by: 'vm' }),
  bytes: gauge('memory on the account of a client virtual machine', { unit: 'bytes', by: 'vm' }),
  clientFrames: counter('commits of a client virtual machine that brought a buffer and were passed on', { by: 'vm' }),
  denied: counter('what a client virtual machine was refused, as its policy or the host has it', { by: 'vm' }),

  // virtwl run
  connections: gauge('applications that are connected'),
  frames: counter('commits that were copied to the link'),
  held: counter('commits that waited for the compositor to release a buffer'),
  bytesCopied: counter('bytes of pixels that were copied', BYTES),
  bytesNotCopied: counter('bytes of pixels of frames that had not changed, and were not copied', BYTES),
  'clock.error': gauge(
    'most by which times of frames are wrong that were told an application, since the two clocks are compared over the link',
    { unit: 'nanoseconds' },
  ),
  'memory.slabs': gauge('slabs that hold the buffers of all applications'),
  'memory.bytes': gauge('memory of those slabs', BYTES),
  'memory.givenUp': counter('memory of idle buffers that was given up for others', BYTES),

  // all
  'loop.turns': counter('turns of the event loop, each of which waits for events once'),

  // all: the native layer
  'native.mmap': counter('mappings made'),
  'native.munmap': counter('mappings ended'),
  'native.fdsOpened': counter('descriptors made or received by the native layer'),
  'native.fdsClosed': counter('descriptors closed by the native layer'),
  'native.copies': counter('rectangles copied'),
  'native.bytesCopied': counter('bytes of rectangles copied', BYTES),
  'native.sendmsg': counter('messages sent, attempts that would have blocked included'),
  'native.recvmsg': counter('messages received, attempts that would have blocked included'),
} satisfies Record<string, Description>;

export type CounterName = keyof typeof DESCRIPTIONS;
/** What a name is read as. A boolean is a gauge of 0 or 1, and told as what it is. */
export type Value = number | boolean | Readonly<Record<string, number>>;

export const COUNTERS: Readonly<Record<CounterName, Description>> = DESCRIPTIONS;

/** Names behind a prefix: those of `native` are `mmap`, `munmap` ... */
type Below<Prefix extends string> = CounterName extends infer Name
  ? Name extends `${Prefix}.${infer Rest}`
    ? Rest
    : never
  : never;

/** The counters that one process has. */
export class Counters {
  readonly #readers: (() => Partial<Record<CounterName, Value | undefined>>)[] = [];

  /** Adds some. `read` may leave out what is not there at the moment. */
  provide(read: () => Partial<Record<CounterName, Value | undefined>>): this {
    this.#readers.push(read);
    return this;
  }

  /** The same for names that have a prefix in common; undefined where there are none at the moment. */
  provideBelow<Prefix extends string>(
    prefix: Prefix,
    read: () => Readonly<Partial<Record<Below<Prefix>, Value | undefined>>> | undefined,
  ): this {
    return this.provide(() => {
      const values: [string, Value | undefined][] = Object.entries(read() ?? {});
      return Object.fromEntries(values.map(([name, value]) => [`${prefix}.${name}`, value]));
    });
  }

  /** Reads all that are there, by name. */
  read(): Map<CounterName, Value> {
    const found = new Map<CounterName, Value>();
    for (const reader of this.#readers) {
      for (const [name, value] of Object.entries(reader()) as [CounterName, Value | undefined][]) {
        if (!(name in COUNTERS)) throw new Error(`no counter has the name ${name as string}`);
        if (value !== undefined) found.set(name, value);
      }
    }
    return found;
  }

  /** The same as an object in which the dots of the names are levels. */
  tree(): Record<string, unknown> {
    const tree: Record<string, unknown> = {};
    for (const [name, value] of this.read()) {
      const path = name.split('.');
      const last = path.pop()!;
      let at = tree;
      for (const part of path) at = (at[part] ??= {}) as Record<string, unknown>;
      at[last] = value;
    }
    return tree;
  }
}
