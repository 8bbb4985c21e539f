/**
 * Lends a surface to the native pass (`relay/pass.ts`), which copies its frames then and tells nobody. That is worth it where
 * frames are alike: a buffer of the same size, damage, a callback, a commit. The surface is lent after some of those, with
 * all that is known of its link buffers, and taken back before anybody looks at them or says anything else of it. So the
 * state is in one place at a time, and what is decided here and there is the same.
 */
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import type { Mapping } from '../system/native.js';
import { MAX_RECTS } from '../wayland/region.js';
import type { AppBuffer, BufferBorrower } from './app-pool.js';
import type { CopyTally } from './copy-tally.js';
import { fits, type LinkBuffer } from './link-buffer.js';
import type { Attached } from './pixel-copy.js';

/** Link buffers that a surface may have there: kMostLinks of `bindings/frame_copies.h`. */
const MOST_LINKS = 6;
/** Buffers of the application that are remembered: kMostBuffers there. */
const MOST_KNOWN = 16;
/** Frames that are alike before a surface is lent. */
const FIRST_PATIENCE = 2;
/** The same, of one that was lent in vain again and again: to lend it and to take it back costs some 3 us. */
const MOST_PATIENCE = 16;

/** Room for all that is said of a surface. */
const words = new Int32Array(8 + MOST_LINKS * (5 + 4 * MAX_RECTS) + 3 * MOST_KNOWN);

export class LentFrames implements BufferBorrower {
  readonly #relay: Relay;
  /** Buffers that the application has committed, and that were read. */
  readonly #known: Attached[] = [];
  #surface: RelayObject<'wl_surface'> | undefined;
  /** The link buffers that were lent. */
  #links: readonly LinkBuffer[] = [];
  /** Frames that were alike so far, and that are to be. */
  #alike = 0;
  #patience = FIRST_PATIENCE;

  /** `showing` is told the link buffer that is shown, when a surface is taken back. */
  constructor(
    relay: Relay,
    private readonly tally: CopyTally,
    private readonly showing: (current: LinkBuffer | undefined) => void,
  ) {
    this.#relay = relay;
  }

  get surface(): RelayObject<'wl_surface'> | undefined {
    return this.#surface;
  }

  /** A frame was shown. `alike`: as those that the pass takes. */
  shown(attached: Attached, alike: boolean): void {
    if (this.#relay.pass === undefined) return;
    this.#alike = alike ? this.#alike + 1 : 0;
    const known = this.#known.findIndex(({ buffer }) => buffer === attached.buffer);
    if (known >= 0 || attached.object.destroyed) return;
    if (this.#known.length === MOST_KNOWN) this.#known.shift();
    this.#known.push(attached);
    attached.buffer.lendTo(this);
  }

  /** Lends what is shown, unless that was to no avail before. `plain`: damage of the surface is that of its buffer. */
  lend(surface: RelayObject<'wl_surface'>, links: readonly LinkBuffer[], current: LinkBuffer, plain: boolean): void {
    if (this.#alike < this.#patience || links.length > MOST_LINKS || surface.destroyed) return;
    const known = this.#known.filter(({ buffer }) => fits(current, buffer) && hasRowsApart(buffer));
    if (known.length === 0 || links.some(link => link.width !== current.width || link.height !== current.height))
      return;
    const { width, height } = current;
    const { bytesPerPixel } = known[0]!.buffer;
    let at = 0;
    const put = (word: number): void => void (words[at++] = word);
    for (const word of [surface.clientId, width, height, bytesPerPixel, Number(plain)]) put(word);
    for (const word of [links.indexOf(current), links.length, known.length]) put(word);
    for (const { object, part, stride, busy, given, stale } of links) {
      // Of one that was given here it is here that the time until its release is taken.
      const held = busy ? (given > 0 ? 2 : 1) : 0;
      for (const word of [object.serverId, part.offset, stride, held, stale.rects.length]) put(word);
      for (const { x1, y1, x2, y2 } of stale.rects) {
        put(x1);
        put(y1);
        put(x2);
        put(y2);
      }
    }
    for (const { object, buffer } of known) {
      put(object.clientId);
      put(buffer.offset);
      put(buffer.stride);
    }
    const mappings: Mapping[] = [
      ...links.map(({ part }) => part.mapping),
      ...known.map(({ buffer }) => buffer.pool.mapping),
    ];
    if (!this.#relay.pass!.lend(surface, words, at, mappings, links.length)) return;
    this.#surface = surface;
    this.#links = links.slice();
  }

  /**
   * Takes the surface back, where it is lent: its link buffers are as they have become. `inVain`: that no frame has passed
   * meanwhile says that none will.
   */
  takeBack(inVain = true): void {
    const surface = this.#surface;
    if (surface === undefined) return;
    this.#surface = undefined;
    // Of a connection that is over nobody needs to know more.
    if (this.#relay.pass!.takeBack(surface, words) === 0) return;
    let at = 0;
    const frames = words[at++]!;
    const current = words[at++]!;
    if (frames > 0) this.#patience = FIRST_PATIENCE;
    else if (inVain) {
      this.#patience = Math.min(MOST_PATIENCE, 2 * this.#patience);
      this.#alike = 0;
    }
    for (const link of this.#links) {
      link.busy = words[at++] === 1;
      const ago = words[at++]!;
      if (ago >= 0) {
        link.used = this.tally.uses[0]! - ago;
        link.given = 0;
      }
      link.stale.clear();
      for (let count = words[at++]!; count > 0; count--, at += 4) {
        link.stale.add({ x1: words[at]!, y1: words[at + 1]!, x2: words[at + 2]!, y2: words[at + 3]! });
      }
    }
    this.showing(this.#links[current]);
  }

  /** The application destroys a buffer, or shows it in another surface. */
  forget(buffer: AppBuffer): void {
    this.takeBack();
    const known = this.#known.findIndex(each => each.buffer === buffer);
    if (known >= 0) this.#known.splice(known, 1);
  }

  /** The surface is gone. */
  end(): void {
    this.takeBack();
    this.#known.length = 0;
  }
}

/** Whether its rows do not overlap, as the copy of a rectangle needs it. */
function hasRowsApart({ stride, width, bytesPerPixel }: AppBuffer): boolean {
  return stride >= width * bytesPerPixel;
}
