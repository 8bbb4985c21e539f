/**
 * The layout of cross-domain, what programs of a guest say in SUBMIT_3D and read in their rings. Each command and message
 * begins with 8 bytes: u8 command, u8 ring, u16 size, and padding; in messages all but the command is 0. Names and numbers
 * are those of rutabaga; channel type 30 with its named servers, CONNECTED and handed-over connections are ours
 * (docs/protocols.md).
 *
 * Parsing checks what can be known from the bytes alone.
 */
import { numbers } from './wire.js';

const Command = {
  Init: 1,
  GetImageRequirements: 2,
  Poll: 3,
  Send: 4,
  Receive: 5,
  Read: 6,
  Write: 7,
  /** Ours: whether the server was there. The first message of a named channel. */
  Connected: 0x40,
  /** Ours: the guest has closed the connection of a named channel, whose pipes go on. */
  Close: 0x41,
} as const;

/** Types of channels, by which a capability set names them by bit. */
export const ChannelType = { None: 0, Wayland: 1, Named: 30 } as const;

/** What an identifier of SEND and RECEIVE names. */
export const IdType = {
  Blob: 1,
  /** The guest reads. */
  ReadPipe: 3,
  /** The guest writes. */
  WritePipe: 4,
  /** Ours: a connection that waits to be taken by INIT. */
  Connection: 0x10,
} as const;
export type IdType = (typeof IdType)[keyof typeof IdType];

/** A ring: one page, whole messages from its beginning. */
export const RING_BYTES = 4096;
/** Identifiers of a SEND or RECEIVE: as rutabaga has it since 2024, and as it had it before. */
export const MAX_IDS = 28;
const FEW_IDS = 4;

const HEADER_BYTES = 8;
const SEND_BYTES = 16;
const STREAM_BYTES = 24;
const NAME_OFFSET = 20;
const NAME_BYTES = 32;
/** INIT: with one ring; with two; with a uuid behind; with a name behind. */
const INIT_SIZES = { oneRing: 16, twoRings: 20, uuid: 36, named: NAME_OFFSET + NAME_BYTES };

/** Most data in a RECEIVE with room for `ids` identifiers, and in a READ. */
export const receiveRoom = (ids: number): number => RING_BYTES - SEND_BYTES - 12 * ids;
export const READ_ROOM = RING_BYTES - STREAM_BYTES;

/** What a named channel leads to: a server, or a connection that waits. */
export type Target = { readonly name: string } | { readonly connection: number };

export interface Identifier {
  readonly id: number;
  readonly type: number;
}

export type CrossDomainCommand =
  | {
      readonly type: 'init';
      readonly queryRing: number;
      readonly channelRing: number;
      readonly channel: number;
      /** Of a named channel. */
      readonly target: Target | undefined;
    }
  | { readonly type: 'image'; readonly width: number; readonly height: number; readonly format: number }
  | { readonly type: 'poll' }
  | { readonly type: 'close' }
  | {
      readonly type: 'send';
      readonly ids: readonly Identifier[];
      /** Identifiers that a message has room for: those of this client's layout. */
      readonly room: number;
      readonly data: Uint8Array;
    }
  | { readonly type: 'write'; readonly id: number; readonly hangUp: boolean; readonly data: Uint8Array }
  | { readonly type: 'refused'; readonly why: string };

const refused = (why: string): CrossDomainCommand => ({ type: 'refused', why });

/**
 * The first of some commands, and how many bytes it takes; the whole rest where it makes no sense. Data is a part of
 * `bytes`. Never throws.
 */
export function parseCrossDomain(bytes: Uint8Array): { command: CrossDomainCommand; size: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bytes.length < HEADER_BYTES ? 0 : view.getUint16(2, true);
  if (size < HEADER_BYTES || size > bytes.length) {
    return { command: refused(`a cross-domain command of ${size} bytes in ${bytes.length}`), size: bytes.length };
  }
  return { command: parseOne(bytes.subarray(0, size), view), size };
}

function parseOne(bytes: Uint8Array, view: DataView): CrossDomainCommand {
  const least = (count: number): boolean => bytes.length >= count;
  switch (bytes[0]) {
    case Command.Init:
      return parseInit(bytes, view);
    case Command.GetImageRequirements:
      if (!least(24)) break;
      return {
        type: 'image',
        width: view.getUint32(8, true),
        height: view.getUint32(12, true),
        format: view.getUint32(16, true),
      };
    case Command.Poll:
      return { type: 'poll' };
    case Command.Close:
      return { type: 'close' };
    case Command.Send:
      if (!least(SEND_BYTES)) break;
      return parseSend(bytes, view);
    case Command.Write: {
      const length = least(STREAM_BYTES) ? view.getUint32(16, true) : Infinity;
      if (!least(STREAM_BYTES + length)) break;
      const data = bytes.subarray(STREAM_BYTES, STREAM_BYTES + length);
      return { type: 'write', id: view.getUint32(8, true), hangUp: view.getUint32(12, true) !== 0, data };
    }
    default:
      return refused(`the cross-domain command ${bytes[0]}, which is unknown`);
  }
  return refused(`a cross-domain command ${bytes[0]} of ${bytes.length} bytes`);
}

function parseInit(bytes: Uint8Array, view: DataView): CrossDomainCommand {
  const { oneRing, twoRings, uuid, named } = INIT_SIZES;
  if (bytes.length === oneRing) {
    const ring = view.getUint32(8, true);
    return { type: 'init', queryRing: ring, channelRing: ring, channel: view.getUint32(12, true), target: undefined };
  }
  if (bytes.length !== twoRings && bytes.length !== uuid && bytes.length !== named) {
    return refused(`an INIT of ${bytes.length} bytes`);
  }
  const channel = view.getUint32(16, true);
  const rings = { queryRing: view.getUint32(8, true), channelRing: view.getUint32(12, true) };
  if (channel !== ChannelType.Named) return { type: 'init', ...rings, channel, target: undefined };
  if (bytes.length !== named) return refused(`an INIT of a named channel of ${bytes.length} bytes`);
  const field = bytes.subarray(NAME_OFFSET, NAME_OFFSET + NAME_BYTES);
  const end = field.indexOf(0);
  if (end === 0) return { type: 'init', ...rings, channel, target: { connection: view.getUint32(24, true) } };
  if (end < 0) return refused('a server name without an end');
  try {
    const name = new TextDecoder('utf-8', { fatal: true }).decode(field.subarray(0, end));
    return { type: 'init', ...rings, channel, target: { name } };
  } catch {
    return refused('a server name that is not UTF-8');
  }
}

function parseSend(bytes: Uint8Array, view: DataView): CrossDomainCommand {
  const count = view.getUint32(8, true);
  const length = view.getUint32(12, true);
  const room = (bytes.length - SEND_BYTES - length) / 12;
  if (room !== MAX_IDS && room !== FEW_IDS) return refused(`a SEND of ${length} bytes of data in ${bytes.length}`);
  if (count > room) return refused(`a SEND of ${count} identifiers; there is room for ${room}`);
  const ids = Array.from({ length: count }, (_, i) => ({
    id: view.getUint32(SEND_BYTES + 4 * i, true),
    type: view.getUint32(SEND_BYTES + 4 * (room + i), true),
  }));
  return { type: 'send', ids, room, data: bytes.subarray(SEND_BYTES + 12 * room) };
}

/** What came from a server, with what came along. There is room for `room` identifiers. */
export function encodeReceive(
  room: number,
  ids: readonly { readonly id: number; readonly type: IdType; readonly size: number }[],
  data: Uint8Array,
): Uint8Array {
  const message = new Uint8Array(SEND_BYTES + 12 * room + data.length);
  message.set(numbers(Command.Receive, 0, ids.length, data.length));
  const view = new DataView(message.buffer);
  ids.forEach(({ id, type, size }, i) => {
    view.setUint32(SEND_BYTES + 4 * i, id, true);
    view.setUint32(SEND_BYTES + 4 * (room + i), type, true);
    view.setUint32(SEND_BYTES + 4 * (2 * room + i), size, true);
  });
  message.set(data, SEND_BYTES + 12 * room);
  return message;
}

/** What came out of a pipe; `hangUp`: it was the last. */
export function encodeRead(id: number, hangUp: boolean, data: Uint8Array): Uint8Array {
  const message = new Uint8Array(STREAM_BYTES + data.length);
  message.set(numbers(Command.Read, 0, id, hangUp ? 1 : 0, data.length, 0));
  message.set(data, STREAM_BYTES);
  return message;
}

/** Whether a named server was there: 0, or an errno. */
export function encodeConnected(errno: number): Uint8Array {
  return numbers(Command.Connected, 0, errno, 0);
}

/** Nothing more comes over this channel. */
export const END = new Uint8Array(16);

/** Requirements of an image: its one plane's stride, its bytes, and the id by which a blob for it is made. */
export function encodeRequirements(stride: number, bytes: number, blob: number): Uint8Array {
  const answer = numbers(stride, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, blob, 1, 0xffff_ffff, 0xffff_ffff);
  new DataView(answer.buffer).setBigUint64(40, BigInt(bytes), true);
  return answer;
}
