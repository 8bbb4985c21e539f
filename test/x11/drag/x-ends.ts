/** X clients of tests that drag and are dropped on, by XDND: each does what it is told, and notes what it is told. */
import { internAtoms } from '../../../src/x11/atoms.js';
import type { Setup, XConnection } from '../../../src/x11/connection.js';
import { clientMessage, selectionNotify, type SelectionTransfer, type XEvent } from '../../../src/x11/events.js';
import { geometry, property } from '../../../src/x11/replies.js';
import {
  changeProperty,
  changeWindowEvents,
  changeWords,
  convertSelection,
  getGeometry,
  getProperty,
  mapWindow,
  sendEvent,
  setSelectionOwner,
} from '../../../src/x11/requests.js';
import { request, u16, u32, wordsOf, XReader } from '../../../src/x11/wire.js';
import { makeWindow, type WindowLook } from '../x-client.js';

const NAMES = [
  ...['XdndAware', 'XdndEnter', 'XdndPosition', 'XdndStatus', 'XdndDrop', 'XdndFinished', 'XdndLeave', 'XdndProxy'],
  ...['XdndSelection', 'XdndTypeList', 'XdndActionList', 'XdndActionCopy', 'XdndActionMove', 'XdndActionAsk'],
  ...['text/uri-list', 'UTF8_STRING', 'ATOM', 'TAKEN', 'WM_NAME', 'STRING', 'TARGETS', 'DELETE', 'INCR'],
] as const;
export type DragNames = Readonly<Record<(typeof NAMES)[number], number>>;

export const dragNames = (x: XConnection): Promise<DragNames> => new Promise(known => internAtoms(x, NAMES, known));

/** Presses, releases and motion with a button held. */
const BUTTON_EVENTS = 0x4 | 0x8 | 0x2000;
const Code = { press: 4, release: 5, motion: 6 } as const;
/** Bits of what is held while the pointer moves. Once there was a finger, Xwayland tells of motion without them too. */
const BUTTONS = 0x1f00;

interface Client {
  readonly x: XConnection;
  readonly setup: Setup;
}

/** A window of that title, shown. */
function shown({ x, setup }: Client, atoms: DragNames, title: string, look: WindowLook): number {
  const window = makeWindow(x, setup.root, false, look);
  x.send(changeProperty(window, atoms.WM_NAME, atoms.STRING, 8, Buffer.from(title)));
  x.send(mapWindow(window));
  return window;
}

/** A window that things can be dropped on. */
export class XTarget {
  /** Messages, each once where several of one kind come. */
  readonly told: string[] = [];
  /** Kinds of data that it was told in XdndEnter. */
  types: readonly number[] = [];
  /** Root coordinates, and window, of the last position. */
  place = { x: 0, y: 0 };
  taken: Buffer | undefined;
  /** What it answers. */
  answers = true;
  accepts = true;
  finishes = true;
  action = 'XdndActionCopy' as keyof DragNames;
  /** What it asks for. */
  wants = 'text/uri-list' as keyof DragNames;
  source = 0;

  private constructor(
    readonly x: XConnection,
    readonly atoms: DragNames,
    readonly window: number,
    /** That it names in its answers. */
    readonly named: number,
  ) {
    x.on('event', event => this.#event(event));
  }

  /** `proxied`: it has its messages sent to another window of its own. */
  static async open(client: Client, title: string, look: WindowLook = {}, proxied = false): Promise<XTarget> {
    const atoms = await dragNames(client.x);
    const { x, setup } = client;
    const window = shown(client, atoms, title, look);
    const aware = proxied ? makeWindow(x, setup.root) : window;
    x.send(changeWords(aware, atoms.XdndAware, atoms.ATOM, [5]));
    if (proxied) for (const of of [window, aware]) x.send(changeWords(of, atoms.XdndProxy, atoms.ATOM, [aware]));
    return new XTarget(x, atoms, window, window);
  }

  status(accepts: boolean): void {
    this.#say('XdndStatus', [this.named, accepts ? 1 : 0, 0, 0, accepts ? this.atoms[this.action] : 0]);
  }

  finish(accepted = true): void {
    this.#say('XdndFinished', [this.named, accepted ? 1 : 0, accepted ? this.atoms[this.action] : 0, 0, 0]);
  }

  /** Asks for a kind of data and for no more; whether it was there. */
  convert(target: keyof DragNames): Promise<boolean> {
    const { x, atoms, window } = this;
    return new Promise(known => {
      const answered = (event: XEvent): void => {
        if (event.is !== 'SelectionNotify' || event.target !== atoms[target]) return;
        x.off('event', answered);
        known(event.property !== 0);
      };
      x.on('event', answered);
      x.send(convertSelection(window, atoms.XdndSelection, atoms[target], atoms.WM_NAME));
    });
  }

  /** Where it is in the X screen. */
  origin(): Promise<{ readonly x: number; readonly y: number }> {
    return new Promise(known => this.x.ask(getGeometry(this.window), reply => known(geometry(reply))));
  }

  #say(word: keyof DragNames, data: readonly number[]): void {
    this.x.send(sendEvent(this.source, clientMessage(this.source, this.atoms[word], data)));
  }

  #event(event: XEvent): void {
    const { x, atoms, window } = this;
    if (event.is === 'SelectionNotify' && event.target === atoms[this.wants]) {
      x.ask(getProperty(window, atoms.TAKEN, 1 << 16), reply => {
        this.taken = event.property === 0 ? Buffer.alloc(0) : Buffer.from(property(reply).value);
        if (this.finishes) this.finish();
      });
      return;
    }
    if (event.is !== 'ClientMessage') return;
    const word = NAMES.find(name => atoms[name] === event.type);
    if (word === undefined) return;
    if (this.told.at(-1) !== word) this.told.push(word);
    this.source = event.data[0]!;
    if (word === 'XdndEnter') {
      this.types = event.data.slice(2).filter(type => type !== 0);
      if ((event.data[1]! & 1) !== 0) {
        x.ask(
          getProperty(this.source, atoms.XdndTypeList, 4096),
          reply => (this.types = wordsOf(property(reply).value)),
        );
      }
    } else if (word === 'XdndPosition') {
      this.place = { x: event.data[2]! >>> 16, y: event.data[2]! & 0xffff };
      if (this.answers) this.status(this.accepts);
    } else if (word === 'XdndDrop')
      x.send(convertSelection(window, atoms.XdndSelection, atoms[this.wants], atoms.TAKEN));
  }
}

/** A window from which something is dragged, as soon as the pointer moves with a button held. */
export class XSource {
  /** What it was told, and has told. */
  readonly told: string[] = [];
  /** Window that it drags over, and what that has answered. */
  over = 0;
  accepted = false;
  action = 0;
  /** Tells windows that it drags over them. */
  enters = true;
  /** Whether it drags at all. */
  drags = true;
  /** Kinds of data that it names. */
  types: readonly (keyof DragNames)[] = ['text/uri-list'];
  data = Buffer.from('file:///tmp/one\r\n');
  /** Says its kinds of data in a property, as toolkits do, or when it is asked for them. */
  lists = true;
  /** Says them when it is asked for them; else only to a window that it drags over, as Qt does. */
  tellsTargets = true;
  /** Answers who asks for the data. */
  converts = true;
  /** Answers only who asks with the time that it has said last, and refuses others without a target, as Qt does. */
  minds = false;
  actions: readonly (keyof DragNames)[] = [];
  suggests = 'XdndActionCopy' as keyof DragNames;
  finished: { readonly accepted: boolean; readonly action: number } | undefined;
  #time = 0;
  /** The window that the pointer is over now. */
  #child = 0;
  #dragging = false;
  #waiting = false;
  #moved: { x: number; y: number } | undefined;
  #released = false;

  private constructor(
    readonly x: XConnection,
    readonly setup: Setup,
    readonly atoms: DragNames,
    readonly window: number,
  ) {
    x.on('event', event => this.#event(event));
  }

  static async open(client: Client, title: string, look: WindowLook = {}): Promise<XSource> {
    const atoms = await dragNames(client.x);
    const window = shown(client, atoms, title, look);
    client.x.send(changeWindowEvents(window, BUTTON_EVENTS));
    return new XSource(client.x, client.setup, atoms, window);
  }

  #note(word: string): void {
    if (this.told.at(-1) !== word) this.told.push(word);
  }

  #say(word: keyof DragNames, data: readonly number[]): void {
    this.#note(word);
    this.x.send(sendEvent(this.over, clientMessage(this.over, this.atoms[word], [this.window, ...data])));
  }

  #event(event: XEvent): void {
    const { atoms, window } = this;
    if (event.is === 'Other') {
      const at = new XReader(event.bytes);
      const held = (at.u16(28) & BUTTONS) !== 0;
      if (event.code === Code.motion && held && this.drags) this.#move(at.i16(20), at.i16(22));
      else if (event.code === Code.release) this.#release();
      else if (event.code === Code.press) this.#note('press');
    } else if (event.is === 'SelectionRequest') this.#convert(event);
    else if (event.is === 'ClientMessage' && event.type === atoms.XdndStatus && event.data[0] === this.over) {
      this.#waiting = false;
      this.accepted = (event.data[1]! & 1) !== 0;
      this.action = event.data[4]!;
      this.#note(this.accepted ? 'accepted' : 'refused');
      this.#advance();
    } else if (event.is === 'ClientMessage' && event.type === atoms.XdndFinished && event.window === window) {
      this.#note('XdndFinished');
      this.finished = { accepted: (event.data[1]! & 1) !== 0, action: event.data[2]! };
    }
  }

  /** What has become of the drag before. */
  forget(): void {
    this.accepted = false;
    this.finished = undefined;
  }

  #move(x: number, y: number): void {
    const { atoms } = this;
    if (!this.#dragging) {
      this.#dragging = true;
      this.#released = this.#waiting = false;
      this.over = 0;
      this.forget();
      const list = this.lists ? this.types.map(type => atoms[type]) : [];
      this.x.send(changeWords(this.window, atoms.XdndTypeList, atoms.ATOM, list));
      const actions = this.actions.map(name => atoms[name]);
      this.x.send(changeWords(this.window, atoms.XdndActionList, atoms.ATOM, actions));
      this.x.send(setSelectionOwner(this.window, atoms.XdndSelection));
    }
    this.#moved = { x, y };
    // The window under the pointer, of those right below the root.
    this.x.ask(request(40, 0, u32(this.setup.root), u32(this.setup.root), ...[x, y].map(u16)), reply => {
      this.#child = new XReader(reply).u32(8);
      if (this.#child === 0) this.#come(0, false);
      else {
        const child = this.#child;
        this.x.ask(getProperty(child, atoms.XdndAware, 4), found => {
          if (this.#child === child) this.#come(child, property(found).format === 32);
        });
      }
    });
  }

  #come(child: number, aware: boolean): void {
    if (!this.enters) return;
    const now = aware ? child : 0;
    if (now !== this.over) {
      if (this.over !== 0) this.#say('XdndLeave', [0, 0, 0, 0]);
      this.over = now;
      this.accepted = this.#waiting = false;
      const types = this.types.slice(0, 3).map(type => this.atoms[type]);
      if (now !== 0) this.#say('XdndEnter', [(5 << 24) | (this.types.length > 3 ? 1 : 0), ...types]);
    }
    this.#advance();
  }

  #advance(): void {
    if (this.over === 0 || this.#waiting) return;
    if (this.#moved !== undefined) {
      const { x, y } = this.#moved;
      this.#moved = undefined;
      this.#waiting = true;
      this.#say('XdndPosition', [0, ((x << 16) | y) >>> 0, (this.#time += 1), this.atoms[this.suggests]]);
    } else if (this.#released) this.#end();
  }

  #release(): void {
    this.#note('release');
    if (!this.#dragging) return;
    this.#released = true;
    if (!this.#waiting) this.#end();
  }

  #end(): void {
    this.#released = this.#dragging = false;
    if (this.over !== 0) this.#say(this.accepted ? 'XdndDrop' : 'XdndLeave', [0, (this.#time += 1), 0, 0]);
    if (!this.accepted) this.over = 0;
  }

  #convert(event: SelectionTransfer): void {
    const { x, atoms } = this;
    if (!this.converts) return;
    if (this.minds && event.time !== this.#time) {
      x.send(sendEvent(event.requestor, selectionNotify({ ...event, target: 0, property: 0 })));
      return;
    }
    const asked = event.target === atoms.TARGETS && this.tellsTargets;
    const known = this.types.some(type => atoms[type] === event.target);
    if (asked) {
      const all = this.types.map(type => atoms[type]);
      x.send(changeWords(event.requestor, event.property, atoms.ATOM, all));
    } else if (event.target === atoms.DELETE) this.#note('DELETE');
    else if (known) x.send(changeProperty(event.requestor, event.property, event.target, 8, this.data));
    const at = known || asked ? event.property : 0;
    x.send(sendEvent(event.requestor, selectionNotify({ ...event, property: at })));
  }
}
