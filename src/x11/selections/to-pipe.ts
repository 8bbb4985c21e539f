/**
 * One conversion of an X client's selection into a pipe of a Wayland program. The owner writes a property of a window of
 * ours, whole or in parts (INCR); it is read piece by piece, and the next piece, or part, is asked for when the pipe has
 * taken the one before. So it waits where the reader does: in the X server, or with the owner.
 *
 * Where the reader goes, the parts that are left are thrown away unread. To take the window away instead would end owners like
 * xclip, which write to it without looking. For the same reason the X server is asked whose answer is awaited: who had the
 * selection by what we knew may have lost it, and when that one goes, another may be about to write.
 */
import type { OwnedFd } from '../../system/fd.js';
import type { SelectionTransfer, XEvent } from '../events.js';
import { property, window as windowIn } from '../replies.js';
import {
  convertSelection,
  createWindow,
  deleteProperty,
  destroyWindow,
  EventMask,
  getProperty,
  getSelectionOwner,
} from '../requests.js';
import { CHUNK_BYTES } from './limits.js';
import { PipeWriter } from './pipe-ends.js';
import { latin1ToUtf8 } from './targets.js';
import type { XSide } from './x-side.js';

export interface ToPipeOptions {
  readonly selection: number;
  readonly target: number;
  /** Of the X server's, which an owner may know what is meant by; undefined: what it has now. */
  readonly time?: number | undefined;
  /** Becomes this object's. */
  readonly sink: OwnedFd;
  /** Called once; undefined: all was written. */
  readonly ended: (why: string | undefined) => void;
}

export class ToPipe {
  /** The owner writes its property. */
  readonly window: number;
  readonly #pipe: PipeWriter;
  #timer: NodeJS.Timeout;
  /** Whoever answers is watched since the X server has said who that is. */
  #forget: (() => void) | undefined;
  #state: 'asked' | 'whole' | 'parts' = 'asked';
  /** Bytes of this part that were read. */
  #offset = 0;
  /** A part is being read. */
  #busy = false;
  /** The X server was asked for it. */
  #asking = false;
  /** Why the rest is thrown away; undefined: it is not. */
  #thrown: string | undefined;
  #over = false;

  constructor(
    private readonly side: XSide,
    private readonly options: ToPipeOptions,
  ) {
    const { x, root, atoms, idleMs, guarded } = side;
    const { selection, target, time, sink } = options;
    this.#pipe = new PipeWriter(
      sink,
      guarded(() => this.#throwAway('the reader has gone')),
      () => this.#timer.refresh(),
    );
    const standsStill = guarded(() => {
      const why = `nothing moved for ${idleMs / 1000} s`;
      // Only where a part waits for the reader is it the reader's fault.
      if (this.#state === 'parts' && this.#busy) this.#throwAway(why);
      else this.close(why);
    });
    this.#timer = setTimeout(standsStill, idleMs);
    this.window = x.newId();
    x.send(createWindow(this.window, root, true, EventMask.propertyChange));
    x.send(convertSelection(this.window, selection, target, atoms._VIRTWL_SELECTION, time));
    x.ask(getSelectionOwner(selection), reply => this.#watch(windowIn(reply)));
  }

  /** 0: there is none, and the X server answers. */
  #watch(owner: number): void {
    if (this.#over || owner === 0) return;
    this.#forget = this.side.watch.add(owner, { destroyed: () => this.close('the owner has gone') });
  }

  /** The owner answers. */
  answered({ property: at, selection, target }: SelectionTransfer): void {
    const { atoms } = this.side;
    // Qt refuses without a target.
    const wanted = target === this.options.target || (target === 0 && at === 0);
    if (this.#state !== 'asked' || selection !== this.options.selection || !wanted) return;
    if (at !== atoms._VIRTWL_SELECTION) {
      this.close('the owner does not convert it');
      return;
    }
    this.#state = 'whole';
    this.#read();
  }

  /** Its property has changed. */
  event(event: XEvent): void {
    if (event.is !== 'PropertyNotify' || event.deleted || this.#state !== 'parts') return;
    if (event.atom !== this.side.atoms._VIRTWL_SELECTION) return;
    // The next part comes after this one was deleted; what an owner adds before is read with it.
    if (!this.#busy) this.#read();
  }

  #read(): void {
    const { x, atoms } = this.side;
    this.#busy = this.#asking = true;
    x.ask(
      getProperty(this.window, atoms._VIRTWL_SELECTION, this.#thrown === undefined ? CHUNK_BYTES : 0, {
        offset: this.#offset,
      }),
      reply => {
        this.#asking = false;
        if (!this.#over) this.#come(property(reply));
      },
      () => this.close('the X server does not give its property'),
    );
  }

  #come({ type, format, left, value }: ReturnType<typeof property>): void {
    const { atoms } = this.side;
    if (this.#thrown === undefined) this.#timer.refresh();
    if (this.#state === 'whole' && type === atoms.INCR && this.#offset === 0) {
      this.#state = 'parts';
      this.#next();
      return;
    }
    if (type === 0) {
      this.close('the owner has taken it back');
      return;
    }
    // The last part is an empty one.
    if (this.#state === 'parts' && value.length === 0 && left === 0) {
      this.close(this.#thrown);
      return;
    }
    if (this.#thrown !== undefined) {
      if (this.#state === 'parts') this.#next();
      else this.close(this.#thrown);
      return;
    }
    this.#offset += value.length;
    const text = type === atoms.STRING && format === 8;
    const written = this.side.guarded(() => {
      if (left > 0) this.#read();
      else if (this.#state === 'whole') this.close(undefined);
      else this.#next();
    });
    this.#pipe.write(text ? latin1ToUtf8(value) : value, written);
  }

  /** Asks for the next part, by deleting this one. */
  #next(): void {
    const { x, atoms } = this.side;
    this.#offset = 0;
    this.#busy = false;
    x.send(deleteProperty(this.window, atoms._VIRTWL_SELECTION));
  }

  /** Nobody reads any more. The owner has so long to come to its end. */
  #throwAway(why: string): void {
    const { idleMs, guarded } = this.side;
    this.#pipe.close();
    if (this.#state === 'whole') {
      this.close(why);
      return;
    }
    this.#thrown = why;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      guarded(() => this.close(why)),
      idleMs,
    );
    // The part at hand waited for the reader; one that is being asked for comes.
    if (this.#state === 'parts' && this.#busy && !this.#asking) this.#next();
    this.side.x.flush();
  }

  /** `why`: undefined where all was written. Idempotent. */
  close(why: string | undefined): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#forget?.();
    this.#pipe.close();
    this.side.x.send(destroyWindow(this.window));
    this.side.x.freeId(this.window);
    this.options.ended(why);
  }
}
