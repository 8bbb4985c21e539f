/**
 * One Xwayland, from its start to its end: the process, its Wayland connection through a relay of ours, and our connection to
 * it as its window manager. When one of the three ends, the others do.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'eventemitter3';
import type { Log } from '../observe/log.js';
import type { Concern } from '../relay/chain.js';
import { allowOnly } from '../relay/globals.js';
import type { RelayObject } from '../relay/object-map.js';
import { Relay } from '../relay/relay.js';
import type { Trace } from '../relay/trace.js';
import type { Channel } from '../system/channel.js';
import { closeAll, type OwnedFd } from '../system/fd.js';
import { UnixSocket } from '../system/unix-socket.js';
import { Answering } from './answering.js';
import { internOwnAtoms, type Atoms } from './atoms.js';
import { XConnection, type Setup } from './connection.js';
import { cursorSize, themeCursor } from './cursor-theme.js';
import { entering } from './entering.js';
import { HeldUp } from './held-up.js';
import { extension, type Extension } from './replies.js';
import { composite, getInputFocus, queryExtension, sync, xfixes } from './requests.js';
import { showRootCursor } from './root-cursor.js';
import { cursorScale, scaleConcern, Viewports } from './scale.js';
import { Selections } from './selections/selections.js';
import { shapesConcern } from './shapes.js';
import { serverSockets } from './server-sockets.js';
import { Shell } from './shell.js';
import { Surfaces, type Surface } from './surfaces.js';
import { TitleCursors } from './title-cursors.js';
import { TitlePen } from './title-pen.js';
import { TitlePointer } from './title-pointer.js';
import { TitlePresses } from './title-press.js';
import { userInput } from './user-input.js';
import { WindowManager } from './window-manager.js';
import type { XWindow } from './window.js';
import type { XDisplay } from './x-display.js';
import { scaleSettings, serveSettings } from './xsettings.js';

/**
 * What Xwayland sees of the compositor: pixels, outputs, input. Windows and selections are ours; buffers of a GPU are not
 * carried.
 */
const XWAYLAND_GLOBALS: ReadonlyMap<string, number> = new Map([
  ['wl_compositor', 4],
  ['wl_shm', 1],
  ['wl_output', 4],
  ['wl_seat', 7],
  ['zxdg_output_manager_v1', 3],
  ['zwp_relative_pointer_manager_v1', 1],
  ['zwp_pointer_constraints_v1', 1],
  ['zwp_pointer_gestures_v1', 3],
  ['zwp_tablet_manager_v2', 1],
]);

/** How long an Xwayland may take until it lets clients in, in milliseconds: one on an emulated processor takes ten seconds. */
export const START_MS = 60_000;

/** How long the server may go on after SIGTERM, or after it has closed a connection, in milliseconds. */
const LEAVE_MS = 2_000;

/** Numbers of descriptors in the server. */
const WAYLAND_FD = 3;
const LISTEN_FD = 4;
const WM_FD = 5;

/**
 * Descriptors that may wait for a compositor which does not read, one for each pixmap. Reading stops at a quarter of
 * them; then Xwayland, which ends itself where it would have to wait, has the room of its socket. They are numbers of
 * our table, not of the kernel's budget for what is on its way.
 */
export const COMPOSITOR_FDS = 16_384;

export interface XwaylandOptions {
  readonly display: XDisplay;
  /** A connection to the compositor, which becomes the relay's. */
  readonly connect: () => Channel;
  /** X pixels of a pixel of the compositor's. */
  readonly scale: number;
  readonly log: Log;
  readonly trace?: Trace | undefined;
  /** The program. Default: `Xwayland`, as PATH has it. */
  readonly program?: string | undefined;
  /** How long a transfer of a selection may stand still, in milliseconds. Default: as of Wayland programs. */
  readonly transferIdleMs?: number | undefined;
}

export interface XwaylandEvents {
  /** It lets clients in. */
  ready: () => void;
  /** It is over; `reason` undefined: the last client has left, or {@link Xwayland.close} was called. */
  close: (reason: Error | undefined) => void;
}

/** Extensions of the server that we use. */
interface Extensions {
  readonly composite: Extension;
  readonly xfixes: Extension;
  readonly sync: Extension | undefined;
  readonly shape: Extension | undefined;
}

export class Xwayland extends EventEmitter<XwaylandEvents> {
  readonly #options: XwaylandOptions;
  readonly #process: ChildProcess;
  readonly #relay: Relay;
  readonly #x: XConnection;
  readonly #shell = new Shell();
  readonly #titlePointer: TitlePointer;
  readonly #titlePen: TitlePen;
  readonly #surfaces: Surfaces;
  readonly #selections: Selections;
  readonly #timer: NodeJS.Timeout;
  readonly #answering: Answering;
  /** A connection has ended, and the server is about to, perhaps. */
  #leaving: NodeJS.Timeout | undefined;
  #windows: WindowManager | undefined;
  #ready = false;
  #closed = false;
  /** Its last words. */
  #said = '';

  /** Starts it. @throws Error where there is no compositor, or no descriptor is left */
  constructor(options: XwaylandOptions) {
    super();
    this.#options = options;
    const { wayland, itsWayland, wm, itsWm } = serverSockets();
    let compositor: Channel;
    try {
      compositor = options.connect();
    } catch (error) {
      closeAll([wayland, itsWayland, wm, itsWm]);
      throw error;
    }
    const watch = {
      made: (surface: Surface) => this.#windows?.surfaceMade(surface),
      gone: (surface: Surface) => this.#windows?.surfaceGone(surface),
    };
    const cursors = new TitleCursors(this.#shell, name => themeCursor(name, cursorSize(process.env), process.env));
    const presses = new TitlePresses();
    this.#titlePointer = new TitlePointer(this.#shell, cursors, presses);
    this.#titlePen = new TitlePen(this.#shell, cursors, presses);
    const { scale } = options;
    this.#surfaces = new Surfaces(watch, scale === 1 ? undefined : new Viewports(this.#shell, scale));
    this.#selections = new Selections({
      shell: this.#shell,
      connect: () => UnixSocket.connect(options.display.path),
      cookie: options.display.cookie,
      log: options.log,
      screen: {
        placeOf: surface => {
          const window = this.#windowOf(surface);
          return window && { window: window.id, x: window.geometry.x, y: window.geometry.y, scale };
        },
        raise: (surface, done) => {
          const known = this.#surfaces.of(surface);
          if (known !== undefined) this.#windows?.pointed(known);
          this.#x.ask(getInputFocus(), done, done);
          this.#x.flush();
        },
        ownWindow: id => this.#windows?.screen.owns(id),
      },
      idleMs: options.transferIdleMs,
    });
    this.#relay = new Relay(new UnixSocket(wayland), compositor, {
      concerns: this.#concerns(),
      toServer: { memory: (_call, fd) => fd },
      toClient: { keymap: (_call, fd) => fd },
      trace: options.trace,
    });
    this.#relay.on('close', reason => this.#left(reason, 'the compositor, or Xwayland, closed the connection'));
    const fromX = new UnixSocket(wm);
    this.#x = new XConnection(fromX, options.display.cookie);
    const heldUp = new HeldUp(fromX, this.#relay.toServer);
    this.#answering = new Answering({ x: this.#x, log: options.log, isHeard: () => !heldUp.holds });
    this.#x.on('close', reason =>
      this.#left(reason, 'it has closed its window manager’s connection: an X11 program may have asked it to'),
    );
    this.#x.on('failed', ({ code, major, minor, value }) => {
      options.log.debug(`X request ${major}.${minor} failed with error ${code} about ${value}`);
    });
    try {
      this.#process = this.#spawn(itsWayland, itsWm);
    } catch (error) {
      this.#closed = true;
      this.#x.close();
      this.#relay.close(undefined);
      throw error;
    }
    this.#timer = setTimeout(() => this.#end(new Error(`Xwayland was not ready after ${START_MS / 1000} s`)), START_MS);
    this.#begin();
  }

  /** Windows that are shown. */
  get windowCount(): number {
    return this.#windows?.shown ?? 0;
  }

  /** Transfers of selections that run. */
  get transferCount(): number {
    return this.#selections.transferCount;
  }

  /** Ends it, and with it all its clients' connections. Idempotent. */
  close(): void {
    this.#end(undefined);
  }

  #windowOf(surface: RelayObject): XWindow | undefined {
    const known = this.#surfaces.of(surface);
    return known && this.#windows?.windowOf(known);
  }

  #spawn(wayland: OwnedFd, wm: OwnedFd): ChildProcess {
    const { display, program = 'Xwayland' } = this.#options;
    const { WAYLAND_DISPLAY: _, ...env } = process.env;
    const args = [
      display.name,
      ...['-rootless', '-terminate', '-shm', '-nolisten', 'tcp', '-nolisten', 'local'],
      ...['-auth', display.authority, '-listenfd', String(LISTEN_FD), '-wm', String(WM_FD)],
    ];
    try {
      const child = spawn(program, args, {
        stdio: ['ignore', 'ignore', 'pipe', wayland.fd, display.socket.fd, wm.fd],
        env: { ...env, WAYLAND_SOCKET: String(WAYLAND_FD) },
      });
      child.once('error', error => this.#end(new Error(`cannot start ${program}: ${error.message}`)));
      child.once('exit', (code, signal) => this.#exited(code, signal));
      child.stderr?.on('data', (bytes: Buffer) => this.#says(bytes.toString('latin1')));
      return child;
    } finally {
      wayland.close();
      wm.close();
    }
  }

  #says(text: string): void {
    for (const line of text.split('\n')) {
      // Its errors stand between lines that are empty but for this.
      const word = line
        .replace(/^\(EE\)/, '')
        .replace(/[^ -~]/g, '?')
        .trim()
        .slice(0, 300);
      if (word === '') continue;
      this.#said = word;
      this.#options.log.debug(`Xwayland: ${word}`);
    }
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    const how = signal ?? `status ${code}`;
    const words = this.#said === '' ? '' : `: ${this.#said}`;
    this.#end(code === 0 && this.#ready ? undefined : new Error(`Xwayland ended with ${how}${words}`));
  }

  /**
   * A connection has ended. A server that ends closes both without a reason, and then says how it ended; `otherwise` is
   * what is the matter where it goes on.
   */
  #left(reason: Error | undefined, otherwise: string): void {
    if (reason !== undefined) this.#end(reason);
    else if (!this.#closed) this.#leaving ??= setTimeout(() => this.#end(new Error(otherwise)), LEAVE_MS);
  }

  #concerns(): Concern[] {
    const shell = this.#shell;
    const { scale } = this.#options;
    const user = userInput({
      acts: () => this.#answering.look(),
      pointed: surface => {
        const known = this.#surfaces.of(surface);
        if (known !== undefined) this.#windows?.pointed(known);
      },
      pressed: press => this.#windows?.pressed(press),
      typed: () => this.#windows?.typed(),
    });
    return [
      shell.globals(allowOnly(XWAYLAND_GLOBALS)),
      shell.outputs.concern,
      shell.dismissals.concern,
      {
        name: 'x11 title bars',
        events: { ...this.#titlePointer.events, ...this.#titlePen.events },
        gone: {
          zwp_tablet_tool_v2: pen => this.#titlePen.gone(pen),
          wl_pointer: pointer => this.#titlePointer.gone(pointer),
          wl_touch: touch => this.#titlePointer.gone(touch),
        },
      },
      shapesConcern(),
      ...(scale === 1 ? [] : [{ ...scaleConcern(scale), after: ['x11 outputs', 'x11 title bars', 'x11 shapes'] }]),
      { ...entering(), after: ['x11 title bars', 'x11 scale'] },
      { ...this.#surfaces.concern, after: ['x11 scale', 'x11 dismissals'] },
      {
        name: 'x11 windows',
        after: ['x11 title bars', 'x11 scale', 'x11 entering', 'x11 surfaces'],
        events: { ...shell.events, ...user.events },
        made: user.made,
      },
      ...this.#selections.concerns.map(each => ({
        ...each,
        after: ['x11 title bars', 'x11 entering', ...(each.after ?? [])],
      })),
    ];
  }

  /** Both sides are asked at once; windows are shown when both have answered. */
  #begin(): void {
    let waiting = 2;
    let takeOver: (() => void) | undefined;
    const one = (): void => {
      waiting -= 1;
      if (waiting === 0) takeOver!();
    };
    this.#shell.attach(this.#relay, this.#options.scale !== 1, problem =>
      problem === undefined ? one() : this.#end(problem),
    );
    this.#relay.start();
    this.#x.on('ready', setup => {
      this.#prepare((atoms, extensions) => {
        takeOver = () => this.#takeOver(setup, atoms, extensions);
        one();
      });
    });
    this.#x.start();
  }

  #prepare(known: (atoms: Atoms, extensions: Extensions) => void): void {
    const x = this.#x;
    let [found, counters, shape]: (Extension | undefined)[] = [];
    x.ask(queryExtension('SHAPE'), reply => (shape = extension(reply)));
    x.ask(queryExtension('SYNC'), reply => {
      counters = extension(reply);
      if (counters !== undefined) x.ask(sync.initialize(counters.opcode), () => {});
    });
    x.ask(queryExtension('Composite'), reply => {
      found = extension(reply);
      if (found !== undefined) x.ask(composite.queryVersion(found.opcode), () => {});
    });
    x.ask(queryExtension('XFIXES'), reply => {
      const fixes = extension(reply);
      if (found === undefined || fixes === undefined) {
        this.#end(new Error('this Xwayland has no Composite or no XFIXES extension'));
        return;
      }
      const extensions = { composite: found, xfixes: fixes, sync: counters, shape };
      x.ask(xfixes.queryVersion(fixes.opcode), () => internOwnAtoms(x, atoms => known(atoms, extensions)));
    });
  }

  #takeOver(setup: Setup, atoms: Atoms, extensions: Extensions): void {
    const { scale, log } = this.#options;
    const [x, shell, answering] = [this.#x, this.#shell, this.#answering];
    const { composite: composing, xfixes: fixes, ...others } = extensions;
    const windows = new WindowManager({ x, atoms, setup, shell, answering, scale, log, ...others });
    x.on('event', event => windows.event(event));
    x.send(composite.redirectSubwindows(composing.opcode, setup.root));
    x.send(xfixes.leaveWithOthers(fixes.opcode));
    const pointer = cursorSize(process.env) * cursorScale(scale);
    // At scale 1 programs have what they have with any other X server: the size of fonts is by the screen's millimetres then.
    if (scale > 1) {
      windows.screen.resources(`Xft.dpi:\t${Math.round(96 * scale)}\nXcursor.size:\t${pointer}\n`);
      serveSettings(x, atoms, windows.screen.own, scaleSettings(scale));
    }
    this.#windows = windows;
    windows.begin();
    const arrow = themeCursor('left_ptr', pointer, process.env);
    if (arrow !== undefined) showRootCursor(x, setup, arrow);
    clearTimeout(this.#timer);
    this.#ready = true;
    this.#selections.begin();
    this.emit('ready');
  }

  #end(reason: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#leaving);
    this.#answering.close();
    this.#selections.close();
    this.#x.close();
    this.#relay.close(undefined);
    const child = this.#process as ChildProcess | undefined;
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      // One that hangs outlives us otherwise.
      const kill = (): boolean => child.kill('SIGKILL');
      const timer = setTimeout(kill, LEAVE_MS);
      process.once('exit', kill);
      child.once('exit', () => {
        clearTimeout(timer);
        process.removeListener('exit', kill);
      });
    }
    this.emit('close', reason);
  }
}
