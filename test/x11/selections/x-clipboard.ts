/** An X client of a test that owns a selection, or asks for one, in ways in which no program does. */
import type { XConnection, Setup } from '../../../src/x11/connection.js';
import { internAtoms } from '../../../src/x11/atoms.js';
import { selectionNotify, type SelectionTransfer, type XEvent } from '../../../src/x11/events.js';
import { property, type Property } from '../../../src/x11/replies.js';
import {
  changeWords,
  convertSelection,
  createWindow,
  deleteProperty,
  EventMask,
  getProperty,
  sendEvent,
  setSelectionOwner,
} from '../../../src/x11/requests.js';

const NAMES = [
  ...['ATOM', 'ATOM_PAIR', 'CLIPBOARD', 'INCR', 'MULTIPLE', 'PRIMARY', 'STRING', 'TARGETS', 'UTF8_STRING'],
  ...['application/octet-stream', 'FIRST', 'SECOND', 'THIRD'],
] as const;
export type TestAtoms = Readonly<Record<(typeof NAMES)[number], number>>;

export class XClipboardClient {
  readonly window: number;
  /** What was said to it and not waited for yet. */
  readonly events: XEvent[] = [];

  private constructor(
    readonly x: XConnection,
    readonly atoms: TestAtoms,
    root: number,
  ) {
    this.window = x.newId();
    x.send(createWindow(this.window, root, true, EventMask.propertyChange));
    x.on('event', event => this.events.push(event));
  }

  static async of({ x, setup }: { readonly x: XConnection; readonly setup: Setup }): Promise<XClipboardClient> {
    const atoms = await new Promise<TestAtoms>(resolve => internAtoms(x, NAMES, resolve));
    return new XClipboardClient(x, atoms, setup.root);
  }

  /** Takes the selection. Whoever asks for its targets is told `target`; for anything else, `convert` is called. */
  own(selection: number, target: number, convert: (request: SelectionTransfer) => void): void {
    this.x.on('event', event => {
      if (event.is !== 'SelectionRequest' || event.selection !== selection) return;
      if (event.target !== this.atoms.TARGETS) convert(event);
      else {
        this.x.send(changeWords(event.requestor, event.property, this.atoms.ATOM, [this.atoms.TARGETS, target]));
        this.notify(event);
      }
    });
    this.x.send(setSelectionOwner(this.window, selection));
  }

  /** Tells a requestor that its property is there. */
  notify(request: SelectionTransfer): void {
    this.x.send(sendEvent(request.requestor, selectionNotify(request)));
  }

  /** Asks for a selection. Resolves with the owner's answer; its property is 0 where it refuses. */
  async convert(selection: number, target: number, at: number): Promise<SelectionTransfer> {
    this.x.send(convertSelection(this.window, selection, target, at));
    const answer = await this.next(event => event.is === 'SelectionNotify' && event.target === target);
    return answer as XEvent & SelectionTransfer;
  }

  async property(at: number, maxBytes = 1 << 19): Promise<Property> {
    return new Promise((resolve, reject) => {
      const failed = (): void => reject(new Error('there is no such window'));
      this.x.ask(getProperty(this.window, at, maxBytes), reply => resolve(property(reply)), failed);
    });
  }

  delete(at: number): void {
    this.x.send(deleteProperty(this.window, at));
  }

  /** The next event that is meant; those before are forgotten. */
  async next(is: (event: XEvent) => boolean): Promise<XEvent> {
    for (;;) {
      const place = this.events.findIndex(is);
      if (place >= 0) return this.events.splice(0, place + 1).at(-1)!;
      await new Promise<void>((resolve, reject) => {
        this.x.once('event', () => resolve());
        this.x.once('close', () => reject(new Error('the X server has left')));
      });
    }
  }

  /** The owner has put the next part there. */
  async part(at: number): Promise<void> {
    await this.next(event => event.is === 'PropertyNotify' && event.atom === at && !event.deleted);
  }
}
