/**
 * The X window manager: what the X server tells of its windows, and what X clients ask of them, on one side; toplevels and
 * popups of the compositor on the other. A window is shown when it is mapped, its properties have been read, and Xwayland
 * has said which surface is its picture; these come in any order.
 */
import type { Log } from '../observe/log.js';
import { Activation } from './activation.js';
import type { Answering } from './answering.js';
import type { Atoms } from './atoms.js';
import { Closing } from './closing.js';
import type { Setup, XConnection } from './connection.js';
import { configureAsked } from './configure-asked.js';
import { Dialogs } from './dialogs.js';
import type { Geometry, XEvent } from './events.js';
import { boundsOf } from './floating.js';
import { Focus } from './focus.js';
import { Icons } from './icons.js';
import { Mapping } from './mapping.js';
import { Popups } from './popups.js';
import { OwnSizes } from './own-sizes.js';
import { Population } from './population.js';
import { askedFor, inMiddle, sized } from './places.js';
import { fittingSize } from './properties.js';
import { PropertyReader } from './property-reader.js';
import type { Extension } from './replies.js';
import { Reparented } from './reparented.js';
import {
  changeWindowEvents,
  changeWords,
  configureWindow,
  deleteProperty,
  EventMask,
  getInputFocus,
  mapWindow,
} from './requests.js';
import { Resizing } from './resizing.js';
import { XScreen } from './screen.js';
import { Shapes } from './shapes.js';
import type { Shell } from './shell.js';
import { SurfaceIds } from './surface-ids.js';
import type { Size, Surface } from './surfaces.js';
import { TitleTexts, type TitleText } from './title-text.js';
import { Toplevel } from './toplevel.js';
import type { ToplevelStates } from './toplevel-states.js';
import type { Press } from './user-input.js';
import { NO_FRAME, WindowMessages } from './window-messages.js';
import { NORMAL_STATE, WindowStates } from './window-states.js';
import { XWindow } from './window.js';
import { moveWithin } from './within-screen.js';

export interface WindowManagerOptions {
  readonly x: XConnection;
  readonly atoms: Atoms;
  readonly setup: Setup;
  readonly shell: Shell;
  /** Of resizes; undefined: the server does not have it. */
  readonly sync: Extension | undefined;
  /** Of windows that are no rectangles; undefined: the same. */
  readonly shape: Extension | undefined;
  /** Looks whether the server answers; default: nobody does. */
  readonly answering?: Pick<Answering, 'look'>;
  /** X pixels of a pixel of the compositor's. */
  readonly scale: number;
  readonly log: Log;
}

export class WindowManager {
  readonly screen: XScreen;
  readonly focus: Focus;
  readonly #options: WindowManagerOptions;
  readonly #windows = new Map<number, XWindow>();
  readonly #surfaces: SurfaceIds;
  readonly #properties: PropertyReader;
  readonly #closing: Closing;
  readonly #resizing: Resizing;
  readonly #ownSizes: OwnSizes;
  readonly #activation: Activation;
  readonly #dialogs: Dialogs;
  readonly #messages: WindowMessages;
  readonly #popups: Popups;
  readonly #mapping: Mapping;
  readonly #shapes: Shapes;
  readonly #icons: Icons;
  readonly #titles: TitleTexts;
  readonly #states: WindowStates;
  readonly #reparented: Reparented;
  readonly #population: Population;

  constructor(options: WindowManagerOptions) {
    this.#options = options;
    const { x, atoms, setup, shell, sync } = options;
    this.screen = new XScreen(x, atoms, setup, shell.outputs, options.scale);
    this.focus = new Focus(x, atoms, this.screen, setup.idMask);
    const known = (window: XWindow): void => {
      this.#mapping.arrived(window);
      this.#update(window);
    };
    this.#surfaces = new SurfaceIds(known, then => x.ask(getInputFocus(), then));
    this.#population = new Population(options);
    this.#mapping = new Mapping({
      ...{ x, population: this.#population },
      awaitsSurface: window => this.#surfaces.awaits(window),
      map: window => this.#map(window),
    });
    this.#properties = new PropertyReader(x, atoms, window => this.#update(window));
    this.#closing = new Closing(options);
    this.#resizing = new Resizing({ x, atoms, extension: sync });
    this.#ownSizes = new OwnSizes(shell, this.#resizing, options.scale);
    this.#icons = new Icons(options);
    this.#titles = new TitleTexts(x, setup.root);
    this.#states = new WindowStates(x, atoms);
    this.#reparented = new Reparented(x, window => this.#update(window));
    const [windows, { shown }, { focus }] = [this.#windows, this.#population, this];
    this.#popups = new Popups({ ...options, windows, shown, focus, update: window => this.#update(window) });
    this.#dialogs = new Dialogs({ windows, shown, update: shell.guarded((window: XWindow) => this.#update(window)) });
    const windowOf = (id: number): XWindow | undefined => windows.get(id);
    this.#shapes = new Shapes({ ...options, extension: options.shape, windowOf });
    this.#activation = new Activation(shell, focus);
    const [closing, activation, states] = [this.#closing, this.#activation, this.#states];
    this.#messages = new WindowMessages({ x, atoms, shell, closing, activation, states, windowOf });
  }

  /** Windows that are shown. */
  get shown(): number {
    return this.#population.shown.size;
  }

  /** Takes the screen over. */
  begin(): void {
    const { x, setup } = this.#options;
    const { structureNotify, substructureNotify, substructureRedirect } = EventMask;
    x.send(changeWindowEvents(setup.root, structureNotify | substructureNotify | substructureRedirect));
    this.screen.announce();
  }

  // ---- Xwayland's surfaces -----------------------------------------------------------------------------------------

  /** Told before the surface's own request goes on: nothing can be made of it before that. */
  surfaceMade(surface: Surface): void {
    const made = this.#options.shell.guarded(() => {
      if (!surface.object.destroyed) this.#surfaces.made(surface);
    });
    queueMicrotask(made);
  }

  surfaceGone(surface: Surface): void {
    const window = this.#surfaces.gone(surface);
    if (window !== undefined) this.#hide(window);
  }

  /** What a surface is the picture of. */
  windowOf(surface: Surface): XWindow | undefined {
    return this.#surfaces.windowOf(surface);
  }

  /** The pointer has come to a surface. */
  pointed(surface: Surface): void {
    const window = this.#surfaces.windowOf(surface);
    if (window === undefined) return;
    this.focus.pointed = window;
    this.#popups.used(window);
    // The X server finds the window under the pointer by places, where windows of ours may lie above each other.
    this.#options.x.send(configureWindow(window.id, { stackMode: 0 }));
  }

  /** The user has pressed something there. */
  pressed(press: Press): void {
    this.#messages.press = press;
    this.#popups.used(this.focus.pointed);
  }

  /** The user has pressed or released a key. */
  typed(): void {
    this.#popups.used(this.focus.window);
  }

  // ---- what the X server tells -------------------------------------------------------------------------------------

  event(event: XEvent): void {
    const { x, atoms, setup } = this.#options;
    if (event.is === 'ClientMessage') {
      // What Xwayland says itself is no message of a client.
      const window = this.#windows.get(event.window);
      if (event.type === atoms.WL_SURFACE_ID && !event.sent && window !== undefined) {
        this.#surfaces.told(window, event.data[0]!, this.#options.shell.relay);
      } else if (event.format === 32) this.#messages.message(event.window, event.type, event.data);
      return;
    }
    if (event.sent) {
      // A client can send copies of all others, of which one is meant for us.
      if (event.is === 'UnmapNotify') this.#mapping.withdrawn(this.#windows.get(event.window));
      return;
    }
    if (event.is === 'CreateNotify') {
      if (event.parent === setup.root) this.#create(event.window, event, event.overrideRedirect);
      return;
    }
    this.#resizing.event(event);
    this.#shapes.event(event);
    if (!('window' in event)) return;
    const window = this.#windows.get(event.window);
    switch (event.is) {
      case 'ReparentNotify':
        if (window !== undefined && event.parent !== setup.root) this.#destroy(window);
        else if (window === undefined && event.parent === setup.root) {
          const made = this.#create(event.window, { ...event, width: 1, height: 1 }, event.overrideRedirect);
          if (made !== undefined) this.#reparented.came(made);
        }
        break;
      case 'DestroyNotify':
        if (window !== undefined) this.#destroy(window);
        break;
      case 'MapRequest':
        if (window !== undefined) this.#reparented.sized(window, () => this.#mapping.asked(window));
        break;
      case 'MapNotify':
        this.#population.mapped(event.window);
        if (window !== undefined) this.#mapped(window, event.overrideRedirect);
        break;
      case 'UnmapNotify':
        this.#population.unmapped(event.window);
        if (window !== undefined) this.#unmapped(window);
        break;
      case 'ConfigureRequest':
        if (window === undefined) x.send(configureWindow(event.window, askedFor(event, event.mask)));
        else configureAsked(window, event, event.mask, x, this.screen);
        break;
      case 'ConfigureNotify':
        if (event.window === setup.root) {
          this.screen.resized(event);
          moveWithin(this.screen.size, this.#population.shown, this.#popups, x);
        } else if (window !== undefined) this.#configured(window, event, event.overrideRedirect);
        break;
      case 'FocusIn':
        if (window?.mapped === true) this.focus.given(window, event.mode, event.detail);
        break;
      case 'PropertyNotify':
        if (window?.mapped !== true) break;
        this.#properties.changed(window, event.atom);
        this.#icons.changed(window, event.atom);
        break;
      default:
    }
  }

  /** Undefined: it is not one that is known. */
  #create(id: number, { x, y, width, height }: Geometry, overrideRedirect: boolean): XWindow | undefined {
    if (this.screen.isOwn(id) || !this.#population.made(id)) return undefined;
    const window = new XWindow(id, { x, y, width, height }, overrideRedirect);
    this.#windows.set(id, window);
    return window;
  }

  #destroy(window: XWindow): void {
    this.#reparented.forget(window);
    this.#unmapped(window);
    this.#windows.delete(window.id);
    this.#population.gone(window.id);
  }

  #map(window: XWindow): void {
    const { x, atoms } = this.#options;
    const { x: left, y: top } = (window.geometry = inMiddle(window.geometry, this.screen));
    x.send(configureWindow(window.id, { x: left, y: top, border: 0, ...this.focus.stacking(window) }));
    x.send(changeWords(window.id, atoms.WM_STATE, atoms.WM_STATE, [NORMAL_STATE, 0]));
    x.send(changeWords(window.id, atoms._NET_FRAME_EXTENTS, atoms.CARDINAL, NO_FRAME));
    x.send(mapWindow(window.id));
  }

  #mapped(window: XWindow, overrideRedirect: boolean): void {
    if (window.mapped || !this.#population.show(window, overrideRedirect)) return;
    window.mapped = true;
    window.overrideRedirect = overrideRedirect;
    const focus = overrideRedirect ? 0 : EventMask.focusChange;
    this.#options.x.send(changeWindowEvents(window.id, EventMask.propertyChange | focus));
    this.#properties.readAll(window);
    this.#shapes.begin(window);
    if (!overrideRedirect) this.#tellClients();
  }

  #unmapped(window: XWindow): void {
    this.#surfaces.forget(window);
    const { x, atoms } = this.#options;
    const { mapped } = window;
    window.mapped = false;
    this.#population.hide(window);
    this.#mapping.forget(window);
    if (!mapped) return;
    window.shape = undefined;
    this.#hide(window);
    this.focus.gone(window);
    if (window.overrideRedirect) return;
    x.send(deleteProperty(window.id, atoms.WM_STATE));
    x.send(deleteProperty(window.id, atoms._NET_WM_STATE));
    this.#tellClients();
  }

  #configured(window: XWindow, { x, y, width, height }: Geometry, overrideRedirect: boolean): void {
    const { geometry: before } = window;
    // Where a managed window is, we have said ourselves, and may have said something else since the server tells this.
    if (!overrideRedirect && window.toplevel !== undefined) return;
    window.geometry = { x, y, width, height };
    if (before.x !== x || before.y !== y) this.#popups.moved(window);
  }

  // ---- showing -----------------------------------------------------------------------------------------------------

  /** Shows the window as soon as it can be, and tells the compositor what has changed of it. */
  #update(window: XWindow): void {
    const { shell } = this.#options;
    if (!window.mapped || window.awaited > 0) return;
    if (window.toplevel !== undefined) this.#describe(window);
    else if (window.popup === undefined && window.surface !== undefined) this.#show(window, window.surface);
    shell.relay.flush();
  }

  #show(window: XWindow, surface: Surface): void {
    if (!window.overrideRedirect || !this.#popups.show(window, surface)) this.#showToplevel(window, surface);
    if (window.shape !== undefined) this.#shapes.tell(window);
  }

  #showToplevel(window: XWindow, surface: Surface): void {
    const { shell, scale, log } = this.#options;
    if (this.#dialogs.waits(window)) return;
    const owner = {
      configured: (size: Size | undefined, states: ToplevelStates) => this.#toplevelConfigured(window, size, states),
      closeAsked: () => this.#closing.close(window),
      isChanging: () => this.#resizing.isChanging(window),
      drawn: (drawn: Size | undefined, first: boolean) => {
        this.#resizing.shown(window, drawn);
        this.#ownSizes.drawn(window, drawn);
        if (!first) return;
        this.#activation.shown(window);
        this.#dialogs.shown(window);
        queueMicrotask(shell.guarded(() => this.#popups.showWaiting()));
        if (window.pinned) queueMicrotask(shell.guarded(() => this.#unpin(window, toplevel)));
      },
      drawTitle: (title: string, drawn: (text: TitleText) => void) => this.#titles.draw(title, drawn),
    };
    const toplevel = new Toplevel(shell, surface, owner, scale, log);
    window.toplevel = toplevel;
    this.#describe(window);
    this.#messages.wishedBefore(window);
    toplevel.commit();
    this.#icons.shown(window);
  }

  #describe(window: XWindow): void {
    const { toplevel, properties } = window;
    const bounds = boundsOf(window, this.#options.atoms);
    window.pinned = bounds !== properties;
    toplevel!.describe({ ...properties, ...bounds }, this.#dialogs.parentOf(window));
    if (properties.urgent && !window.urgent && !window.states.activated) this.#messages.demandAttention(window);
    window.urgent = properties.urgent;
  }

  /** Its first picture has gone to the compositor. */
  #unpin(window: XWindow, toplevel: Toplevel): void {
    if (window.toplevel !== toplevel || !toplevel.mapped) return;
    this.#describe(window);
    toplevel.commit();
  }

  #hide(window: XWindow): void {
    this.#resizing.forget(window);
    this.#popups.hide(window);
    const { toplevel } = window;
    window.toplevel = undefined;
    window.urgent = false;
    window.wishes.clear();
    for (const each of [this.#activation, this.#dialogs, this.#icons, this.#states]) each.forget(window);
    toplevel?.close();
    this.#options.shell.relay.flush();
  }

  #toplevelConfigured(window: XWindow, size: Size | undefined, states: ToplevelStates): Size | undefined {
    const { activated, fixed } = window.states;
    if (states.fixed && !fixed) window.ownSize = window.geometry;
    const given = this.#ownSizes.news(window, size, states) ?? (fixed && !states.fixed ? window.ownSize : undefined);
    const wanted = given === undefined || states.fixed ? given : fittingSize(window.properties, given);
    const place = wanted && sized(window.geometry, wanted, this.screen);
    if (place !== undefined) this.#resizing.resize(window, place);
    if (states.activated !== activated) {
      this.focus.set(window, states.activated);
      if (states.activated) this.#popups.used(window);
      this.#options.answering?.look();
    }
    this.#states.configured(window, states);
    return place;
  }

  #tellClients(): void {
    const managed = [...this.#population.shown].filter(({ overrideRedirect }) => !overrideRedirect);
    this.screen.clients(managed.map(({ id }) => id));
  }
}
