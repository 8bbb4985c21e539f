/**
 * XDND's words, version 5: what the source of a drag and the window under it say to each other. Any X client can send any of
 * them, about any window and at any time; whether one counts is for who waits for it.
 */
import { WlDataDeviceManagerDndAction } from '../../wayland/protocols/wayland.js';
import { clientMessage } from '../events.js';

export const DRAG_ATOMS = [
  ...['XdndActionAsk', 'XdndActionCopy', 'XdndActionList', 'XdndActionMove', 'XdndAware', 'XdndDrop', 'XdndEnter'],
  ...['XdndFinished', 'XdndLeave', 'XdndPosition', 'XdndProxy', 'XdndSelection', 'XdndStatus', 'XdndTypeList'],
  ...['DELETE', 'NULL'],
] as const;
export type DragAtoms = Readonly<Record<(typeof DRAG_ATOMS)[number], number>>;

/** The newest version, which we speak. */
export const VERSION = 5;
/** The oldest that we speak: before it, there were no actions that all agree on. Toolkits take none older either. */
export const OLDEST_VERSION = 3;

/** Kinds of data that fit into XdndEnter; more are a property of the source's window. */
const TYPES_IN_ENTER = 3;

const { none, copy, move, ask } = WlDataDeviceManagerDndAction;

/** An action's atom, by preference the most harmless. */
export function atomOfAction(atoms: DragAtoms, action: number): number {
  if ((action & copy) !== 0 || action === none) return atoms.XdndActionCopy;
  return (action & move) !== 0 ? atoms.XdndActionMove : atoms.XdndActionAsk;
}

/** What an atom asks for; links and private actions are copies. */
export function actionOfAtom(atoms: DragAtoms, atom: number): number {
  if (atom === 0) return none;
  if (atom === atoms.XdndActionMove) return move;
  return atom === atoms.XdndActionAsk ? ask : copy;
}

// ---- what a window says to the source ------------------------------------------------------------------------------

/** What XdndStatus and XdndFinished say. */
export interface Answer {
  readonly target: number;
  readonly accepted: boolean;
  readonly action: number;
}

export function readStatus(atoms: DragAtoms, data: readonly number[]): Answer {
  const accepted = (data[1]! & 1) !== 0;
  return { target: data[0]!, accepted, action: accepted ? actionOfAtom(atoms, data[4]!) : none };
}

/** Before version 5 it says no more than that. */
export function readFinished(atoms: DragAtoms, data: readonly number[], version: number): Answer {
  if (version < 5) return { target: data[0]!, accepted: true, action: copy };
  const accepted = (data[1]! & 1) !== 0;
  return { target: data[0]!, accepted, action: accepted ? actionOfAtom(atoms, data[2]!) : none };
}

/** To `source`, by the window of ours that is told. */
export function status(atoms: DragAtoms, source: number, { target, accepted, action }: Answer): Uint8Array {
  // The second bit: tell every place.
  const flags = accepted ? 3 : 2;
  return clientMessage(source, atoms.XdndStatus, [target, flags, 0, 0, accepted ? atomOfAction(atoms, action) : 0]);
}

export function finished(atoms: DragAtoms, source: number, { target, accepted, action }: Answer): Uint8Array {
  return clientMessage(source, atoms.XdndFinished, [
    target,
    accepted ? 1 : 0,
    accepted ? atomOfAction(atoms, action) : 0,
    0,
    0,
  ]);
}

// ---- what a source says --------------------------------------------------------------------------------------------

/** What the window `target` is told of a drag of the window `source`. */
export class Words {
  constructor(
    private readonly atoms: DragAtoms,
    private readonly source: number,
    private readonly target: number,
    private readonly version: number,
  ) {}

  enter(types: readonly number[]): Uint8Array {
    const more = types.length > TYPES_IN_ENTER ? 1 : 0;
    const few = [0, 1, 2].map(i => types[i] ?? 0);
    return clientMessage(this.target, this.atoms.XdndEnter, [this.source, (this.version << 24) | more, ...few]);
  }

  /** A place of the root window, in pixels. */
  position(x: number, y: number, action: number): Uint8Array {
    const place = (((x & 0xffff) << 16) | (y & 0xffff)) >>> 0;
    return clientMessage(this.target, this.atoms.XdndPosition, [
      ...[this.source, 0, place, 0],
      atomOfAction(this.atoms, action),
    ]);
  }

  leave(): Uint8Array {
    return clientMessage(this.target, this.atoms.XdndLeave, [this.source, 0, 0, 0, 0]);
  }

  drop(): Uint8Array {
    return clientMessage(this.target, this.atoms.XdndDrop, [this.source, 0, 0, 0, 0]);
  }
}
