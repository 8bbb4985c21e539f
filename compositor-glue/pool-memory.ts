/**
 * Memory that the compositor has mapped for a client. A `wl_shm_pool` keeps it there, and after that every buffer that was
 * made of the pool: destroying the pool, or the slab under it, gives nothing back while there is one.
 */
import { ProtocolError, Verdict } from '../src/relay/call.js';
import { FIREWALL } from '../src/firewall/firewall.js';
import type { Concern } from '../src/relay/chain.js';
import { ConnectionNote } from '../src/relay/note.js';
import type { RelayObject } from '../src/relay/object-map.js';
import { WlShmError } from '../src/wayland/protocols/wayland.js';

/** `data` of a `wl_shm_pool`, and of every `wl_buffer` made of it. */
export class PoolMemory {
  /** The pool, and its buffers. */
  #users = 1;

  /** `gone` is called once, when nothing of the client's keeps the memory in the compositor any more. */
  constructor(
    /** Of the pool, in bytes. */
    public size: number,
    /** The client's own memory may grow, a slab may not. */
    readonly resizable: boolean,
    private readonly gone: () => void,
    /** Of the pool that the compositor has, in bytes: memory that it can map only as a whole is larger. */
    public mapped = size,
  ) {}

  retain(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.gone();
  }
}

/** What the compositor told a client of pixel formats. */
interface Formats {
  readonly told: Set<number>;
  /** How many callbacks the compositor had called when it told the first of them: it tells all before the next. */
  readonly answersBefore: number;
}

const formatsOf = new ConnectionNote<Formats>();

/** Follows pools and buffers from their making to their end, and looks at buffers as a compositor does: for all connections. */
export function poolConcern(): Concern {
  return {
    name: 'pools',
    after: FIREWALL,
    made: {
      wl_buffer: (buffer, { object: pool }) => {
        const memory = memoryOf(pool);
        memory?.retain();
        buffer.data = memory;
      },
    },
    gone: {
      wl_shm_pool: pool => memoryOf(pool)?.release(),
      wl_buffer: buffer => memoryOf(buffer)?.release(),
    },
    requests: {
      wl_shm_pool: {
        create_buffer: ({ relay, object, args: { offset, width, height, stride, format } }) => {
          const formats = formatsOf.get(relay);
          if (formats !== undefined && relay.answers > formats.answersBefore && !formats.told.has(format)) {
            const text = `invalid format 0x${format.toString(16)}`;
            throw new ProtocolError(object.clientId, WlShmError.invalid_format, text);
          }
          // Of the numbers themselves the firewall knows that they are right (`values.ts`).
          if (offset + stride * height <= (memoryOf(object)?.size ?? Infinity)) return Verdict.Forward;
          const text = `invalid width, height or stride (${width}x${height}, ${stride}) at ${offset}`;
          throw new ProtocolError(object.clientId, WlShmError.invalid_stride, text);
        },
        resize: ({ object, args: { size } }) => {
          const memory = memoryOf(object);
          if (memory?.resizable === true) {
            if (size < memory.size) {
              const text = `a pool of ${memory.size} bytes cannot shrink to ${size}`;
              throw new ProtocolError(object.clientId, WlShmError.invalid_fd, text);
            }
            memory.size = size;
            if (size <= memory.mapped) return Verdict.Drop;
            memory.mapped = size;
            return Verdict.Forward;
          }
          throw new ProtocolError(object.clientId, WlShmError.invalid_fd, 'a pool over a slab cannot be resized');
        },
      },
    },
    events: {
      wl_shm: {
        format: ({ relay, args }) => {
          const { told } =
            formatsOf.get(relay) ?? formatsOf.set(relay, { told: new Set(), answersBefore: relay.answers });
          told.add(args.format);
          return Verdict.Forward;
        },
      },
    },
  };
}

/** Buffers that are no memory (wp_single_pixel_buffer) have none. */
function memoryOf(object: RelayObject): PoolMemory | undefined {
  return object.data instanceof PoolMemory ? object.data : undefined;
}
