/**
 * The clipboard and the primary selection between X11 programs and Wayland ones, and what is dragged. Xwayland bridges nothing of them: what X
 * clients see is here, on a connection of our own to the X server, and what Wayland programs see on Xwayland's connection to
 * the compositor. Where ours to the X server ends, selections end and windows stay.
 */
import type { Log } from '../../observe/log.js';
import type { Concern } from '../../relay/chain.js';
import type { RelayObject } from '../../relay/object-map.js';
import { TRANSFER_IDLE_MS } from '../../relay/transfers.js';
import type { Channel } from '../../system/channel.js';
import { internAtoms } from '../atoms.js';
import { Drags, type DragScreen } from '../drag/drags.js';
import { DRAG_ATOMS } from '../drag/messages.js';
import { XConnection } from '../connection.js';
import type { XEvent } from '../events.js';
import { extension, type Extension } from '../replies.js';
import { getSelectionOwner, queryExtension, xfixes } from '../requests.js';
import { window as windowIn } from '../replies.js';
import type { Shell } from '../shell.js';
import { XReader } from '../wire.js';
import { Answers } from './answers.js';
import { AtomNames } from './atom-names.js';
import { Bridge } from './bridge.js';
import { selectionsConcern } from './concern.js';
import { Transfers } from './transfers.js';
import { CLIPBOARD, PRIMARY, type DeviceProtocol } from './wayland-devices.js';
import { WaylandSelection } from './wayland-selection.js';
import { SELECTION_ATOMS, WindowWatch, type XSide } from './x-side.js';

/** How long a server that has closed our connection may take to end by itself, in milliseconds. */
const SERVER_ENDS_MS = 3_000;

export interface SelectionsOptions {
  readonly shell: Shell;
  /** A connection to the X server. */
  readonly connect: () => Channel;
  /** By which the X server lets it in; lent. */
  readonly cookie: Uint8Array;
  readonly log: Log;
  readonly screen: DragScreen;
  /** How long a transfer may stand still, in milliseconds. Default: {@link TRANSFER_IDLE_MS}. */
  readonly idleMs?: number | undefined;
}

export class Selections {
  /** For the relay of the X server. */
  readonly concerns: readonly Concern[];
  readonly #options: SelectionsOptions;
  #x: XConnection | undefined;
  /** Our connection has ended, perhaps with the server. */
  #leaving: NodeJS.Timeout | undefined;
  #transfers: Transfers | undefined;
  readonly #bridges: Bridge[] = [];
  readonly #wayland: WaylandSelection[] = [];
  readonly #drags: Drags;
  #dragSelection = 0;
  #seat: RelayObject<'wl_seat'> | undefined;
  #serial: number | undefined;
  /** Code of XFIXES' SelectionNotify. */
  #notify = 0;

  constructor(options: SelectionsOptions) {
    this.#options = options;
    const { shell, screen, idleMs: finishMs } = options;
    const seat = (): RelayObject | undefined => this.#seat;
    const device = (): RelayObject | undefined => this.#wayland[0]?.device;
    this.#drags = new Drags({ shell, screen, seat, device, finishMs });
    const concern = selectionsConcern({
      seat: seat => {
        this.#seat ??= seat;
        queueMicrotask(shell.guarded(() => this.#beginWayland()));
      },
      serial: serial => {
        this.#serial = serial;
        for (const selection of this.#wayland) selection.serialCame();
      },
    });
    this.concerns = [this.#drags.concern, concern];
  }

  /** Transfers that run. */
  get transferCount(): number {
    return this.#transfers?.count ?? 0;
  }

  /** The X server lets clients in. */
  begin(): void {
    const { connect, cookie, log } = this.#options;
    let x: XConnection;
    try {
      x = new XConnection(connect(), cookie);
    } catch (error) {
      this.#lost(error as Error);
      return;
    }
    this.#x = x;
    x.on('failed', ({ code, major, value }) =>
      log.debug(`X request ${major} failed with error ${code} about ${value}`),
    );
    const { guarded } = this.#options.shell;
    const left = (reason: Error | undefined): void => {
      if (this.#x === undefined) return;
      this.close();
      if (reason !== undefined) this.#lost(reason);
      else {
        // Mostly the server has ended, which its owner tells, who closes us then.
        const thrown = new Error('the X server has closed the connection: an X11 program may have asked it to');
        this.#leaving = setTimeout(() => this.#lost(thrown), SERVER_ENDS_MS);
      }
    };
    x.on('close', guarded(left));
    x.on('ready', ({ root, idMask }) => {
      let fixes: Extension | undefined;
      x.ask(queryExtension('XFIXES'), reply => {
        fixes = extension(reply);
        if (fixes === undefined) return;
        x.ask(xfixes.queryVersion(fixes.opcode), () => {});
        x.send(xfixes.leaveWithOthers(fixes.opcode));
        internAtoms(x, SELECTION_ATOMS, atoms => {
          const names = new AtomNames(x);
          const { idleMs = TRANSFER_IDLE_MS } = this.#options;
          const watch = new WindowWatch(x);
          this.#beginX({ x, root, idMask, atoms, names, watch, log, idleMs, guarded }, fixes!);
        });
      });
    });
    x.start();
  }

  /** Ends all transfers. Idempotent. */
  close(): void {
    const x = this.#x;
    this.#x = undefined;
    clearTimeout(this.#leaving);
    this.#transfers?.close();
    this.#drags.close();
    for (const bridge of this.#bridges) bridge.close();
    for (const selection of this.#wayland) selection.unselect();
    x?.close();
  }

  #lost(error: Error): void {
    this.#options.log.warning(`X11 programs do not share a clipboard with others any more: ${error.message}`);
  }

  #beginX(side: XSide, fixes: Extension): void {
    const { x, atoms, watch } = side;
    const transfers = new Transfers(side);
    this.#transfers = transfers;
    this.#notify = fixes.firstEvent;
    const answers = new Answers(side, transfers);
    const add = (selection: number, protocol: DeviceProtocol): void => {
      const bridge: Bridge = new Bridge(side, selection, transfers, answers, () => wayland);
      const wayland = new WaylandSelection(this.#options.shell, protocol, bridge, () => this.#serial);
      this.#bridges.push(bridge);
      this.#wayland.push(wayland);
      x.send(xfixes.selectSelectionInput(fixes.opcode, side.root, selection));
      // Somebody may have it already.
      x.ask(getSelectionOwner(selection), reply => {
        if (windowIn(reply) !== 0) bridge.owned(windowIn(reply), 0);
      });
    };
    add(atoms.CLIPBOARD, CLIPBOARD);
    add(atoms.PRIMARY, PRIMARY);
    internAtoms(x, DRAG_ATOMS, dragAtoms => {
      this.#dragSelection = dragAtoms.XdndSelection;
      x.send(xfixes.selectSelectionInput(fixes.opcode, side.root, dragAtoms.XdndSelection));
      this.#drags.begin(side, dragAtoms, answers, transfers);
      x.flush();
    });
    x.on('event', event => {
      this.#event(event, watch);
      x.flush();
    });
    this.#beginWayland();
  }

  #beginWayland(): void {
    if (this.#seat === undefined || this.#seat.destroyed || this.#options.shell.relay.closed) return;
    for (const selection of this.#wayland) selection.begin(this.#seat);
  }

  #event(event: XEvent, watch: WindowWatch): void {
    const transfers = this.#transfers!;
    if (event.is === 'Other') {
      if (event.code === this.#notify && !event.sent) this.#ownerChanged(event.bytes);
      return;
    }
    if (event.is === 'SelectionNotify') {
      // Owners send it.
      for (const bridge of this.#bridges) bridge.told(event);
      this.#drags.told(event);
      transfers.answered(event);
      return;
    }
    if (event.is === 'ClientMessage') {
      if (event.format === 32) this.#drags.message(event.window, event.type, event.data);
      return;
    }
    // All others are the server's to say.
    if (event.sent) return;
    if (event.is === 'SelectionRequest') {
      if (event.selection === this.#dragSelection) this.#drags.requested(event);
      this.#bridges.find(({ selection }) => selection === event.selection)?.requested(event, event.owner);
      return;
    }
    if (event.is === 'DestroyNotify') for (const bridge of this.#bridges) bridge.destroyed(event.window);
    transfers.event(event);
    watch.event(event);
  }

  #ownerChanged(bytes: Uint8Array): void {
    const at = new XReader(bytes);
    const selection = at.u32(12);
    // Of a window or client that is gone, the server may still name the window.
    const owner = at.u8(1) === 0 ? at.u32(8) : 0;
    if (selection === this.#dragSelection) this.#drags.owned(owner);
    else this.#bridges.find(bridge => bridge.selection === selection)?.owned(owner, at.u32(20));
  }
}
