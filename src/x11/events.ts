/**
 * X11 events: 32 bytes from the server to what we know of them, and the ones that we send. What any client can send
 * (ClientMessage, and copies of other events by SendEvent) is marked as `sent`: it is a claim, not a fact.
 */
import { EVENT_BYTES, XReader, words } from './wire.js';

/** Pixels; the place is relative to the parent, the size without the border. */
export interface Geometry {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** `sent`: by a client, by SendEvent. */
interface Common {
  readonly sent: boolean;
}

export type XEvent = Common &
  (
    | { readonly is: 'FocusIn'; readonly window: number; readonly mode: number; readonly detail: number }
    | ({
        readonly is: 'CreateNotify';
        readonly parent: number;
        readonly window: number;
        readonly overrideRedirect: boolean;
      } & Geometry)
    | { readonly is: 'DestroyNotify'; readonly window: number }
    | { readonly is: 'UnmapNotify'; readonly event: number; readonly window: number }
    | { readonly is: 'MapNotify'; readonly window: number; readonly overrideRedirect: boolean }
    | { readonly is: 'MapRequest'; readonly window: number }
    | ({
        readonly is: 'ReparentNotify';
        readonly window: number;
        readonly parent: number;
        readonly overrideRedirect: boolean;
      } & Pick<Geometry, 'x' | 'y'>)
    | ({ readonly is: 'ConfigureNotify'; readonly window: number; readonly overrideRedirect: boolean } & Geometry)
    | ({ readonly is: 'ConfigureRequest'; readonly window: number; readonly mask: number } & Geometry)
    | { readonly is: 'PropertyNotify'; readonly window: number; readonly atom: number; readonly deleted: boolean }
    | { readonly is: 'SelectionClear'; readonly owner: number; readonly selection: number; readonly time: number }
    | ({ readonly is: 'SelectionRequest'; readonly owner: number } & SelectionTransfer)
    | ({ readonly is: 'SelectionNotify' } & SelectionTransfer)
    | {
        readonly is: 'ClientMessage';
        readonly window: number;
        readonly type: number;
        readonly format: number;
        /** Five words, where the format is 32; else they mean nothing. */
        readonly data: readonly number[];
      }
    | { readonly is: 'Other'; readonly code: number; readonly bytes: Uint8Array }
  );

/** One conversion of a selection. */
export interface SelectionTransfer {
  readonly requestor: number;
  readonly selection: number;
  readonly target: number;
  /** 0: none, or refused. */
  readonly property: number;
  readonly time: number;
}

/** Bits of ConfigureRequest's mask. */
export const ConfigureMask = { x: 1, y: 2, width: 4, height: 8 } as const;

/** Codes of the events of the core protocol that we know. Those of extensions begin at 64. */
const Code = {
  focusIn: 9,
  createNotify: 16,
  destroyNotify: 17,
  unmapNotify: 18,
  mapNotify: 19,
  mapRequest: 20,
  reparentNotify: 21,
  configureNotify: 22,
  configureRequest: 23,
  propertyNotify: 28,
  selectionClear: 29,
  selectionRequest: 30,
  selectionNotify: 31,
  clientMessage: 33,
} as const;

/** @throws XWireError for fewer than 32 bytes */
export function parseEvent(bytes: Uint8Array): XEvent {
  const at = new XReader(bytes);
  const code = at.u8(0) & 0x7f;
  const sent = (at.u8(0) & 0x80) !== 0;
  const geometry = (place: number, size: number): Geometry => ({
    x: at.i16(place),
    y: at.i16(place + 2),
    width: at.u16(size),
    height: at.u16(size + 2),
  });
  switch (code) {
    case Code.focusIn:
      return { is: 'FocusIn', sent, detail: at.u8(1), window: at.u32(4), mode: at.u8(8) };
    case Code.createNotify:
      return {
        ...{ is: 'CreateNotify', sent, parent: at.u32(4), window: at.u32(8) },
        ...geometry(12, 16),
        overrideRedirect: at.u8(22) !== 0,
      };
    case Code.destroyNotify:
      return { is: 'DestroyNotify', sent, window: at.u32(8) };
    case Code.unmapNotify:
      return { is: 'UnmapNotify', sent, event: at.u32(4), window: at.u32(8) };
    case Code.mapNotify:
      return { is: 'MapNotify', sent, window: at.u32(8), overrideRedirect: at.u8(12) !== 0 };
    case Code.mapRequest:
      return { is: 'MapRequest', sent, window: at.u32(8) };
    case Code.reparentNotify:
      return {
        ...{ is: 'ReparentNotify', sent, window: at.u32(8), parent: at.u32(12) },
        ...{ x: at.i16(16), y: at.i16(18), overrideRedirect: at.u8(20) !== 0 },
      };
    case Code.configureNotify:
      return {
        ...{ is: 'ConfigureNotify', sent, window: at.u32(8) },
        ...geometry(16, 20),
        overrideRedirect: at.u8(26) !== 0,
      };
    case Code.configureRequest:
      return { is: 'ConfigureRequest', sent, window: at.u32(8), ...geometry(16, 20), mask: at.u16(26) };
    case Code.propertyNotify:
      return { is: 'PropertyNotify', sent, window: at.u32(4), atom: at.u32(8), deleted: at.u8(16) === 1 };
    case Code.selectionClear:
      return { is: 'SelectionClear', sent, time: at.u32(4), owner: at.u32(8), selection: at.u32(12) };
    case Code.selectionRequest:
      return { is: 'SelectionRequest', sent, time: at.u32(4), owner: at.u32(8), ...transfer(at, 12) };
    case Code.selectionNotify:
      return { is: 'SelectionNotify', sent, time: at.u32(4), ...transfer(at, 8) };
    case Code.clientMessage:
      return {
        ...{ is: 'ClientMessage', sent, format: at.u8(1), window: at.u32(4), type: at.u32(8) },
        data: [12, 16, 20, 24, 28].map(place => at.u32(place)),
      };
    default:
      return { is: 'Other', sent, code, bytes: at.slice(0, EVENT_BYTES) };
  }
}

function transfer(at: XReader, place: number): Omit<SelectionTransfer, 'time'> {
  return {
    requestor: at.u32(place),
    selection: at.u32(place + 4),
    target: at.u32(place + 8),
    property: at.u32(place + 12),
  };
}

/** That a counter of the extension SYNC has come to a value; it is not more than 53 bits, or not exact. */
export function alarmNotify(bytes: Uint8Array): { readonly alarm: number; readonly value: number } {
  const at = new XReader(bytes);
  return { alarm: at.u32(4), value: (at.u32(8) | 0) * 2 ** 32 + at.u32(12) };
}

/** A ClientMessage of format 32, for SendEvent. `data`: at most five words. */
export function clientMessage(window: number, type: number, data: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(EVENT_BYTES);
  bytes[0] = Code.clientMessage;
  bytes[1] = 32;
  bytes.set(words([window, type, ...data]), 4);
  return bytes;
}

/** What a client is told whose window was moved and not resized, or not changed as it wished: places of the root window. */
export function configureNotify(window: number, { x, y, width, height }: Geometry): Uint8Array {
  const bytes = new Uint8Array(EVENT_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = Code.configureNotify;
  view.setUint32(4, window, true);
  view.setUint32(8, window, true);
  [x, y, width, height].forEach((value, i) => view.setUint16(16 + 2 * i, value & 0xffff, true));
  return bytes;
}

/** The answer to a SelectionRequest. */
export function selectionNotify({ requestor, selection, target, property, time }: SelectionTransfer): Uint8Array {
  const bytes = new Uint8Array(EVENT_BYTES);
  bytes[0] = Code.selectionNotify;
  bytes.set(words([time, requestor, selection, target, property]), 4);
  return bytes;
}
