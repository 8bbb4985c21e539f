/**
 * Windows get another size from the compositor. A client that understands `_NET_WM_SYNC_REQUEST` is told a number before it is
 * told of the size, and counts up to it when it has drawn itself anew; until then Xwayland shows nothing of the window
 * (`_XWAYLAND_ALLOW_COMMITS`), so that the first picture of the new size, which acknowledges it, is a finished one.
 *
 * Of any client the picture is awaited before its window gets another size. Pictures of several sizes that were asked for at
 * once could not be told from each other: a compositor that sees one that is out of date takes its size for a wish.
 *
 * Clients may lie, hang and die: each of the two waits, for the number and for the picture after it, has an end. A size that
 * comes meanwhile is the next one, and of several the last: pictures are shown while a window is drawn larger all the time.
 */
import type { Atoms } from './atoms.js';
import type { XConnection } from './connection.js';
import { alarmNotify, clientMessage, type Geometry, type XEvent } from './events.js';
import type { Extension } from './replies.js';
import { changeWords, configureWindow, CURRENT_TIME, sendEvent, sync } from './requests.js';
import { sameSize, type Size } from './surfaces.js';
import type { XWindow } from './window.js';

/**
 * How long a window may keep what it shows because its client has not drawn the new size, in milliseconds, and how long the
 * picture may then take. Less than the 200 after which sway goes on without it: it takes a size that comes later for a wish
 * of the client's, and forgets its own.
 */
export const SYNC_MS = 150;

/** The second event of the extension. */
const ALARM_NOTIFY = 1;

interface Waiting {
  readonly place: Geometry;
  /** What the client is to count to, and the number of the alarm that tells that it has; undefined: it does not count. */
  readonly value: number;
  readonly alarm: number | undefined;
  timer: NodeJS.Timeout;
  /** The client has drawn, or has not in time: its picture is awaited. */
  drawn: boolean;
  /** The size that it is to have next. */
  next: Geometry | undefined;
}

export interface ResizingOptions {
  readonly x: Pick<XConnection, 'send' | 'newId'>;
  readonly atoms: Atoms;
  /** The extension SYNC; undefined: the server does not have it, and nobody is waited for. */
  readonly extension: Extension | undefined;
  /** Default: {@link SYNC_MS}. */
  readonly syncMs?: number;
}

export class Resizing {
  readonly #options: ResizingOptions;
  readonly #waiting = new Map<XWindow, Waiting>();
  readonly #byAlarm = new Map<number, XWindow>();
  /** Numbers of alarms that are gone. */
  readonly #alarms: number[] = [];
  /** The last number that any client was told: what it counts on from is never more. */
  #value = 0;

  constructor(options: ResizingOptions) {
    this.#options = options;
  }

  /** Gives the window a size that the compositor has chosen. */
  resize(window: XWindow, place: Geometry): void {
    const waiting = this.#waiting.get(window);
    if (waiting !== undefined) waiting.next = sameSize(place, waiting.place) ? undefined : place;
    else if (!sameSize(place, window.geometry)) this.#give(window, place);
  }

  /** Whether a picture may come of another size than the last that it was to have. */
  isChanging(window: XWindow): boolean {
    return this.#waiting.has(window);
  }

  /** An event of the extension, perhaps. */
  event(event: XEvent): void {
    const { extension } = this.#options;
    if (event.is !== 'Other' || event.sent || event.code !== (extension?.firstEvent ?? 0) + ALARM_NOTIFY) return;
    const { alarm, value } = alarmNotify(event.bytes);
    const window = this.#byAlarm.get(alarm);
    const waiting = window === undefined ? undefined : this.#waiting.get(window);
    // One that was under way when its alarm was taken back has a smaller number.
    if (waiting !== undefined && value >= waiting.value) this.#drawn(window!, waiting);
  }

  /** A picture of the window goes to the compositor. */
  shown(window: XWindow, size: Size | undefined): void {
    const waiting = this.#waiting.get(window);
    if (waiting?.drawn !== true || size === undefined) return;
    // One of the size before may have been on its way.
    if (sameSize(size, waiting.place)) this.#end(window, waiting);
  }

  /** The window is not shown any more. */
  forget(window: XWindow): void {
    const waiting = this.#waiting.get(window);
    if (waiting === undefined) return;
    waiting.next = undefined;
    if (!waiting.drawn) this.#drawn(window, waiting);
    this.#end(window, waiting);
  }

  #give(window: XWindow, place: Geometry): void {
    // At once: the server tells of it later, and another size may be asked for by then.
    window.geometry = place;
    if (window.toplevel?.shown !== true) this.#options.x.send(configureWindow(window.id, { ...place }));
    else if (this.#understands(window)) this.#ask(window, place);
    else {
      this.#wait(window, { place, alarm: undefined, value: 0, drawn: true });
      this.#options.x.send(configureWindow(window.id, { ...place }));
    }
  }

  #understands(window: XWindow): boolean {
    const { extension, atoms } = this.#options;
    const { protocols, syncCounter } = window.properties;
    return extension !== undefined && syncCounter !== 0 && protocols.includes(atoms._NET_WM_SYNC_REQUEST);
  }

  #ask(window: XWindow, place: Geometry): void {
    const { x, atoms, extension } = this.#options;
    const { id } = window;
    const alarm = this.#alarms.pop() ?? x.newId();
    this.#value = (this.#value + 1) % 0x7fffffff;
    const value = this.#value;
    this.#wait(window, { place, alarm, value, drawn: false });
    this.#byAlarm.set(alarm, window);
    this.#allowPictures(window, false);
    x.send(sync.createAlarm(extension!.opcode, alarm, window.properties.syncCounter, value));
    const words = [atoms._NET_WM_SYNC_REQUEST, CURRENT_TIME, value, 0];
    x.send(sendEvent(id, clientMessage(id, atoms.WM_PROTOCOLS, words)));
    x.send(configureWindow(id, { ...place }));
  }

  #wait(window: XWindow, what: Pick<Waiting, 'place' | 'alarm' | 'value' | 'drawn'>): void {
    const over = (): void => (waiting.drawn ? this.#end(window, waiting) : this.#drawn(window, waiting));
    const timer = setTimeout(over, this.#options.syncMs ?? SYNC_MS);
    const waiting: Waiting = { ...what, timer, next: undefined };
    this.#waiting.set(window, waiting);
  }

  /** The client has drawn, or was waited for long enough. */
  #drawn(window: XWindow, waiting: Waiting): void {
    if (waiting.drawn || waiting.alarm === undefined) return;
    const { x, extension, syncMs = SYNC_MS } = this.#options;
    waiting.drawn = true;
    this.#byAlarm.delete(waiting.alarm);
    this.#alarms.push(waiting.alarm);
    x.send(sync.destroyAlarm(extension!.opcode, waiting.alarm));
    this.#allowPictures(window, true);
    clearTimeout(waiting.timer);
    waiting.timer = setTimeout(() => this.#end(window, waiting), syncMs);
  }

  #end(window: XWindow, waiting: Waiting): void {
    clearTimeout(waiting.timer);
    this.#waiting.delete(window);
    if (waiting.next !== undefined) this.#give(window, waiting.next);
  }

  #allowPictures(window: XWindow, allowed: boolean): void {
    const { x, atoms } = this.#options;
    x.send(changeWords(window.id, atoms._XWAYLAND_ALLOW_COMMITS, atoms.CARDINAL, [allowed ? 1 : 0]));
  }
}
