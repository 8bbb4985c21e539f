/**
 * Frames of one application for which there is no memory. The commit is held, with what the application says of that
 * surface behind it (`held-requests.ts`), so its window keeps the picture that it has, and everything else goes on. Where
 * something is said that must not wait, a new title or the end of the window, the commit is left out: what it said
 * is a part of the surface's next one, the application's buffer stays with us, and it is made up for when there is memory.
 */
import { ProtocolError, Verdict, type Call } from '../relay/call.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import type { LinkMemory } from '../slabs/link-memory.js';
import { NoMemory } from '../slabs/memory-source.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import type { AppSurface } from './app-surface.js';
import type { HeldRequests } from './held-requests.js';
import { MemoryShortage } from './memory-shortage.js';

type Surface = RelayObject<'wl_surface'>;

export interface WaitingFramesOptions {
  readonly relay: () => Relay;
  readonly held: () => HeldRequests;
  readonly memory: () => LinkMemory;
  readonly surfaceOf: (object: Surface) => AppSurface;
  /** Makes what a commit says a part of the surface's next one. */
  readonly merge: (object: Surface) => void;
  /** Is told, for people, that frames wait or do not wait any more. */
  readonly tell: (text: string) => void;
}

export class WaitingFrames {
  readonly #options: WaitingFramesOptions;
  readonly #shortage: MemoryShortage;
  /** Surfaces of which a commit was left out. */
  readonly #owed = new Set<Surface>();

  constructor(options: WaitingFramesOptions) {
    this.#options = options;
    this.#shortage = new MemoryShortage({ retry: () => this.retry(), tell: options.tell });
  }

  /** Memory was refused, and is not to be asked for again yet. */
  get pausing(): boolean {
    return this.#shortage.pausing;
  }

  /** Since when frames wait for memory, of `performance.now()`; undefined where none does. */
  get since(): number | undefined {
    return this.#shortage.since;
  }

  /** There is no memory for the commit at hand. Returns what becomes of it. */
  refused(call: Call<'wl_surface'>, error: NoMemory): Verdict {
    const { object } = call;
    const held = this.#options.held();
    this.#isShort(object, error);
    if (held.pressed) {
      this.#options.merge(object);
      this.#owed.add(object);
      return Verdict.Drop;
    }
    if (held.replaying) return Verdict.Stall;
    held.begin(call);
    return Verdict.Drop;
  }

  /** The surface has its frame, or is gone. */
  settled(object: Surface): void {
    this.#shortage.over(object);
    this.#owed.delete(object);
  }

  /** The compositor has released a buffer. Not from within the handling of that: what waits for one goes on a little later. */
  released(): void {
    this.#options.held().changed();
    if (this.#owed.size > 0) setImmediate(() => this.#makeUp());
  }

  /** There may be memory now. */
  retry(): void {
    this.#makeUp();
    this.#options.held().changed();
    this.#options.relay().resume('requests');
  }

  close(): void {
    this.#shortage.close();
    this.#owed.clear();
  }

  #makeUp(): void {
    const relay = this.#options.relay();
    for (const object of this.#owed) {
      if (relay.closed) return;
      try {
        if (this.#options.surfaceOf(object).commit(object, false) !== 'done') continue;
      } catch (error) {
        if (error instanceof NoMemory) {
          this.#isShort(object, error);
          continue;
        }
        const mistake = new ProtocolError(1, WlDisplayError.no_memory, `virtwl: ${(error as Error).message}`);
        relay.fail(error instanceof ProtocolError ? error : mistake);
        return;
      }
      relay.request(object, 'commit', {});
      relay.flush();
      this.settled(object);
    }
  }

  #isShort(object: Surface, { message }: NoMemory): void {
    const { slabCount, slabBytes } = this.#options.memory();
    const held = `; this program has a part in ${slabCount} slabs of ${slabBytes} bytes`;
    this.#shortage.refused(object, this.#options.surfaceOf(object).nextSize, message + held);
  }
}
