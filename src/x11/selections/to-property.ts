/**
 * What a Wayland program writes into a pipe, into a property of an X client that has asked for it: at once where it is
 * little, else in parts (INCR), each when the client has taken the one before. So the pipe is read as fast as the client reads.
 */
import type { OwnedFd } from '../../system/fd.js';
import { changeProperty, changeWords } from '../requests.js';
import { CHUNK_BYTES } from './limits.js';
import { PipeReader } from './pipe-ends.js';
import { Utf8ToLatin1 } from './targets.js';
import type { XSide } from './x-side.js';

export interface ToPropertyOptions {
  /** The client's window. */
  readonly requestor: number;
  readonly property: number;
  /** Of the property. For STRING, text is converted from UTF-8. */
  readonly type: number;
  /** Read end; becomes this object's. */
  readonly source: OwnedFd;
  /** The client can be told: all is there, or the first part is about to be; false: nothing will come. Called once. */
  readonly answered: (there: boolean) => void;
  /** Called once, after `answered`; undefined: all was taken. */
  readonly ended: (why: string | undefined) => void;
}

export class ToProperty {
  readonly #pipe: PipeReader;
  readonly #timer: NodeJS.Timeout;
  readonly #forget: () => void;
  readonly #buffer = new Uint8Array(CHUNK_BYTES);
  readonly #latin1: Utf8ToLatin1 | undefined;
  /** What was read and not put yet: from here to there. */
  #start = 0;
  #length = 0;
  /** The pipe has ended. */
  #complete = false;
  /** `first`: nobody was told yet; `taken`: the client waits for the next part; `put`: we wait for the client. */
  #state: 'first' | 'put' | 'taken' = 'first';
  #reading = false;
  #over = false;

  constructor(
    private readonly side: XSide,
    private readonly options: ToPropertyOptions,
  ) {
    const { watch, atoms, idleMs, guarded } = side;
    if (options.type === atoms.STRING) this.#latin1 = new Utf8ToLatin1();
    this.#pipe = new PipeReader(options.source);
    const standsStill = guarded(() => this.close(`nothing moved for ${idleMs / 1000} s`));
    this.#timer = setTimeout(standsStill, idleMs);
    this.#forget = watch.add(options.requestor, {
      deleted: atom => {
        if (atom === options.property && this.#state === 'put') this.#taken();
      },
      destroyed: () => this.close('the X client has gone'),
    });
    this.#read();
  }

  #read(): void {
    if (this.#reading || this.#complete) return;
    if (this.#start === this.#length) this.#start = this.#length = 0;
    if (this.#length === CHUNK_BYTES) return;
    this.#reading = true;
    const come = this.side.guarded((length: number) => {
      this.#reading = false;
      this.#timer.refresh();
      this.#length += length;
      if (length === 0) this.#complete = true;
      if (this.#state === 'first') this.#begin();
      else if (this.#state === 'taken') this.#put();
      this.#read();
    });
    this.#pipe.read(this.#buffer.subarray(this.#length), come);
  }

  #begin(): void {
    const { x, atoms } = this.side;
    const { requestor, property, answered } = this.options;
    if (this.#complete) {
      this.#change();
      this.#state = 'put';
      answered(true);
      this.close(undefined);
    } else if (this.#length === CHUNK_BYTES) {
      // At least so many bytes are to come.
      x.send(changeWords(requestor, property, atoms.INCR, [CHUNK_BYTES]));
      this.#state = 'put';
      answered(true);
    }
  }

  #taken(): void {
    this.#timer.refresh();
    this.#state = 'taken';
    if (this.#length > this.#start || this.#complete) this.#put();
    this.#read();
  }

  #put(): void {
    const length = this.#change();
    // Of text, the first bytes of a letter may be there alone; an empty part would be the last one.
    if (length === 0 && !this.#complete) return;
    this.#state = 'put';
    if (length === 0) this.close(undefined);
  }

  /** Puts what there is. Its length, in bytes. */
  #change(): number {
    const { requestor, property, type } = this.options;
    const bytes = this.#buffer.subarray(this.#start, this.#length);
    const value = this.#latin1?.convert(bytes, this.#complete) ?? bytes;
    // What is being read meanwhile comes behind it, to the place that it was asked to.
    this.#start = this.#length;
    if (value.length > 0 || this.#complete) this.side.x.send(changeProperty(requestor, property, type, 8, value));
    return value.length;
  }

  /** `why`: undefined where all was taken. Idempotent. */
  close(why: string | undefined): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#pipe.close();
    if (this.#state === 'first') this.options.answered(false);
    this.#forget();
    this.options.ended(why);
  }
}
