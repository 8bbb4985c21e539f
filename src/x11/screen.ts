/**
 * The X screen as its clients see it: that there is a window manager, what it can do, which windows there are and which of
 * them has the focus. All of it are properties of the root window and of one window of ours.
 */
import type { Atoms } from './atoms.js';
import type { Setup, XConnection } from './connection.js';
import type { Geometry } from './events.js';
import {
  changeProperty,
  changeWindowCursor,
  changeWords,
  createGlyphCursor,
  createWindow,
  openFont,
  setSelectionOwner,
} from './requests.js';
import type { Outputs } from './outputs.js';
import type { Size } from './surfaces.js';

/** What is told to be understood. */
const SUPPORTED = [
  ...['_NET_SUPPORTED', '_NET_SUPPORTING_WM_CHECK', '_NET_ACTIVE_WINDOW', '_NET_CLIENT_LIST', '_NET_CLOSE_WINDOW'],
  ...['_NET_WM_NAME', '_NET_WM_MOVERESIZE', '_NET_WM_PING', '_NET_WM_STATE', '_NET_WM_STATE_FULLSCREEN'],
  ...['_NET_WM_STATE_MAXIMIZED_HORZ', '_NET_WM_STATE_MAXIMIZED_VERT', '_NET_WM_STATE_HIDDEN', '_NET_WM_STATE_FOCUSED'],
  ...['_NET_WM_STATE_MODAL', '_NET_WM_STATE_DEMANDS_ATTENTION', '_NET_FRAME_EXTENTS', '_NET_WM_WINDOW_TYPE'],
  ...['_NET_WM_SYNC_REQUEST', '_NET_REQUEST_FRAME_EXTENTS', '_NET_WM_ICON'],
] as const;

/** `XC_left_ptr` of the font of cursors. Without it, the pointer would be a cross. */
const LEFT_ARROW = 68;

export class XScreen {
  /** A window of ours that is never shown. */
  readonly own: number;
  readonly #others = new Set<number>();
  #size: Size;

  constructor(
    private readonly x: XConnection,
    private readonly atoms: Atoms,
    private readonly setup: Setup,
    private readonly outputs: Outputs,
    /** X pixels of one of the compositor's. */
    private readonly scale: number,
  ) {
    this.#size = setup;
    this.own = x.newId();
    x.send(createWindow(this.own, setup.root, true));
  }

  /** In X pixels. It is that of all outputs together, and changes with them. */
  get size(): Size {
    return this.#size;
  }

  /** The outputs, in X pixels. */
  get monitors(): readonly Geometry[] {
    return this.outputs.monitors(this.#size, this.scale);
  }

  /** Another window of ours is about to be made, by another connection of ours. */
  owns(window: number): void {
    this.#others.add(window);
  }

  /** Whether the window is none of a client. */
  isOwn(window: number): boolean {
    return window === this.own || this.#others.has(window);
  }

  /** Announces us. The server lets clients in once there is an owner of this selection. */
  announce(): void {
    const { x, atoms, setup, own } = this;
    const { root } = setup;
    for (const window of [root, own]) {
      x.send(changeWords(window, atoms._NET_SUPPORTING_WM_CHECK, atoms.WINDOW, [own]));
    }
    x.send(changeProperty(own, atoms._NET_WM_NAME, atoms.UTF8_STRING, 8, Buffer.from('virtwl')));
    x.send(
      changeWords(
        root,
        atoms._NET_SUPPORTED,
        atoms.ATOM,
        SUPPORTED.map(name => atoms[name]),
      ),
    );
    x.send(changeWords(root, atoms._NET_NUMBER_OF_DESKTOPS, atoms.CARDINAL, [1]));
    x.send(changeWords(root, atoms._NET_CURRENT_DESKTOP, atoms.CARDINAL, [0]));
    x.send(changeWords(root, atoms._NET_DESKTOP_VIEWPORT, atoms.CARDINAL, [0, 0]));
    this.resized(this.#size);
    this.active(0);
    this.clients([]);
    const [font, arrow] = [x.newId(), x.newId()];
    x.send(openFont(font, 'cursor'));
    x.send(createGlyphCursor(arrow, font, LEFT_ARROW));
    x.send(changeWindowCursor(root, arrow));
    // Toolkits draw shadows and round corners only where they see that somebody shows windows that are translucent.
    x.send(setSelectionOwner(own, atoms._NET_WM_CM_S0));
    x.send(setSelectionOwner(own, atoms.WM_S0));
  }

  resized({ width, height }: Size): void {
    const { x, atoms, setup } = this;
    this.#size = { width, height };
    x.send(changeWords(setup.root, atoms._NET_DESKTOP_GEOMETRY, atoms.CARDINAL, [width, height]));
    x.send(changeWords(setup.root, atoms._NET_WORKAREA, atoms.CARDINAL, [0, 0, width, height]));
  }

  /** The window with the focus; 0: none of them. */
  active(window: number): void {
    this.x.send(changeWords(this.setup.root, this.atoms._NET_ACTIVE_WINDOW, this.atoms.WINDOW, [window]));
  }

  /** The windows that are managed, the oldest first. */
  clients(windows: readonly number[]): void {
    this.x.send(changeWords(this.setup.root, this.atoms._NET_CLIENT_LIST, this.atoms.WINDOW, windows));
  }

  /** What programs that ask the server are to know of fonts and cursors: `dpi` in dots an inch. */
  resources(text: string): void {
    const { x, atoms, setup } = this;
    x.send(changeProperty(setup.root, atoms.RESOURCE_MANAGER, atoms.STRING, 8, Buffer.from(text, 'latin1')));
  }
}
