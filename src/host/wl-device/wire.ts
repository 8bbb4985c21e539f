/**
 * virtio_wl's messages: what the driver puts on the queue `out` (commands), what it gets back for each (responses), and
 * what the device puts on the queue `in` (messages). All numbers are little-endian, every structure begins with
 * `le32 type, le32 flags`, and the sizes here are of the wire. Names and numbers are those of virtio_wl.h.
 *
 * Parsing checks what can be known from the bytes alone. Whether an id exists is `state.ts`'s business.
 */
import { BUFFER_BYTES, MAX_FDS } from '../../virtwl/limits.js';

/** Types of commands and messages. */
export const Command = {
  New: 0x100,
  Close: 0x101,
  Send: 0x102,
  Recv: 0x103,
  NewCtx: 0x104,
  NewPipe: 0x105,
  Hup: 0x106,
  NewDmabuf: 0x107,
  DmabufSync: 0x108,
  SendForeignId: 0x109,
  NewCtxNamed: 0x10a,
} as const;

/** Types of responses. */
export const Response = {
  Ok: 0x1000,
  VfdNew: 0x1001,
  Err: 0x1100,
  OutOfMemory: 0x1101,
  InvalidId: 0x1102,
  InvalidType: 0x1103,
  InvalidFlags: 0x1104,
  InvalidCmd: 0x1105,
} as const;
export type Response = (typeof Response)[keyof typeof Response];

/** Flags of a vfd, with TRANS_FLAGS. */
export const VFD_WRITE = 1;
export const VFD_READ = 2;
/** And without, as drivers had them before. */
export const VFD_LEGACY_MAP = 2;
export const VFD_LEGACY_CONTROL = 4;

/** Feature bits: numbers of bits. */
export const FEATURE_TRANS_FLAGS = 1;
export const FEATURE_USE_SHMEM = 3;

/** Set in ids that the device makes. The highest bit is never set. */
export const DEVICE_ID = 0x40000000;

/** The size of the shared memory (virtio: shared memory region 0), in bytes. crosvm has the same. */
export const SHARED_MEMORY_BYTES = 2 ** 32;
export const PFN_BYTES = 4096;
/** The pfn of a vfd that is no memory: one past the shared memory's last. */
export const NO_PFN = SHARED_MEMORY_BYTES / PFN_BYTES;

/** What kind of thing SEND_FOREIGN_ID's ids name. Only local ones can be had without virtio-gpu. */
const FOREIGN_KIND_LOCAL = 0;

const HEADER_BYTES = 8;
/** Up to and with `size`. */
const NEW_MIN_BYTES = 28;
const NEW_BYTES = 32;
const NAME_OFFSET = 28;
const NAME_BYTES = 32;
const SEND_BYTES = 16;
/** Most of a RECV that is data when `ids` vfds go along. */
export function recvRoom(ids: number): number {
  return BUFFER_BYTES - SEND_BYTES - 4 * ids;
}

/** A command as it was parsed. `refused` is one that gets this response whatever the state is. */
export type ParsedCommand =
  | { readonly type: 'alloc'; readonly id: number; readonly flags: number; readonly size: number }
  | { readonly type: 'pipe'; readonly id: number; readonly flags: number }
  /** Without a name: the VM's default server. */
  | { readonly type: 'context'; readonly id: number; readonly name: string | undefined }
  | { readonly type: 'close'; readonly id: number }
  | { readonly type: 'send'; readonly id: number; readonly vfds: readonly number[]; readonly data: Uint8Array }
  | { readonly type: 'refused'; readonly response: Response; readonly why: string };

function refused(response: Response, why: string): ParsedCommand {
  return { type: 'refused', response, why };
}

/** Never throws. The data of a send is a part of `bytes`. */
export function parseCommand(bytes: Uint8Array): ParsedCommand {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_BYTES) return refused(Response.InvalidCmd, `a command of ${bytes.length} bytes`);
  const type = view.getUint32(0, true);
  const short = (least: number): boolean => bytes.length < least;
  const tooShort = (): ParsedCommand =>
    refused(Response.Err, `a command 0x${type.toString(16)} of ${bytes.length} bytes`);
  switch (type) {
    case Command.New:
      if (short(NEW_MIN_BYTES)) return tooShort();
      return {
        type: 'alloc',
        id: view.getUint32(8, true),
        flags: view.getUint32(12, true),
        size: view.getUint32(24, true),
      };
    case Command.NewPipe:
      if (short(NEW_MIN_BYTES)) return tooShort();
      return { type: 'pipe', id: view.getUint32(8, true), flags: view.getUint32(12, true) };
    case Command.NewCtx:
      // Its id is all that there is to know.
      if (short(12)) return tooShort();
      return { type: 'context', id: view.getUint32(8, true), name: undefined };
    case Command.NewCtxNamed:
      if (short(NAME_OFFSET + NAME_BYTES)) return tooShort();
      return parseNamed(view.getUint32(8, true), bytes.subarray(NAME_OFFSET, NAME_OFFSET + NAME_BYTES));
    case Command.Close:
      if (short(12)) return tooShort();
      return { type: 'close', id: view.getUint32(8, true) };
    case Command.Send:
    case Command.SendForeignId:
      if (short(SEND_BYTES)) return tooShort();
      return parseSend(view, bytes, type === Command.SendForeignId);
    case Command.NewDmabuf:
    case Command.DmabufSync:
      return refused(Response.InvalidCmd, 'a dmabuf, which this device cannot make');
    default:
      return refused(Response.InvalidCmd, `the unknown command 0x${type.toString(16)}`);
  }
}

function parseNamed(id: number, field: Uint8Array): ParsedCommand {
  const end = field.indexOf(0);
  const text = end < 0 ? field : field.subarray(0, end);
  try {
    return { type: 'context', id, name: new TextDecoder('utf-8', { fatal: true }).decode(text) };
  } catch {
    return refused(Response.InvalidId, 'a server name that is not UTF-8');
  }
}

function parseSend(view: DataView, bytes: Uint8Array, foreign: boolean): ParsedCommand {
  const id = view.getUint32(8, true);
  const count = view.getUint32(12, true);
  if (count > MAX_FDS) return refused(Response.Err, `a transaction with ${count} vfds`);
  // A foreign id is `le32 kind, le32 id`; the longer form with a fence's number comes with a feature not offered.
  const dataOffset = SEND_BYTES + count * (foreign ? 8 : 4);
  if (bytes.length < dataOffset)
    return refused(Response.Err, `a transaction with ${count} vfds in ${bytes.length} bytes`);
  const vfds: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = SEND_BYTES + i * (foreign ? 8 : 4);
    if (foreign && view.getUint32(at, true) !== FOREIGN_KIND_LOCAL) {
      return refused(
        Response.InvalidId,
        `a foreign id of kind ${view.getUint32(at, true)}: there is no virtio-gpu here`,
      );
    }
    vfds.push(view.getUint32(foreign ? at + 4 : at, true));
  }
  return { type: 'send', id, vfds, data: bytes.subarray(dataOffset) };
}

/** A response that is nothing but its type. */
export function encodeResponse(type: Response): Uint8Array {
  return encodeNumbers(HEADER_BYTES, type, 0);
}

/** A vfd as it is announced to the guest. */
export interface VfdDescription {
  readonly id: number;
  readonly flags: number;
  /** Where it begins in the shared memory, in bytes; undefined where it is no memory. */
  readonly offset?: number | undefined;
  /** In bytes; 0 where it is no memory. */
  readonly size?: number;
}

/** As the response to a command that made a vfd. */
export function encodeVfdNewResponse(vfd: VfdDescription): Uint8Array {
  return encodeNew(Response.VfdNew, vfd);
}

/** As a message that announces a vfd, before the RECV that brings it. */
export function encodeVfdNew(vfd: VfdDescription): Uint8Array {
  return encodeNew(Command.New, vfd);
}

function encodeNew(type: number, vfd: VfdDescription): Uint8Array {
  const pfn = vfd.offset === undefined ? NO_PFN : vfd.offset / PFN_BYTES;
  // pfn is 64 bits wide, and never over 2^20.
  return encodeNumbers(NEW_BYTES, type, 0, vfd.id, vfd.flags, pfn, 0, vfd.size ?? 0);
}

/** Bytes and vfds that came on a vfd; both fit in one buffer. */
export function encodeRecv(id: number, vfds: readonly number[], data: Uint8Array): Uint8Array {
  const message = encodeNumbers(SEND_BYTES + 4 * vfds.length + data.length, Command.Recv, 0, id, vfds.length, ...vfds);
  message.set(data, SEND_BYTES + 4 * vfds.length);
  return message;
}

/** Nothing more comes on a vfd. */
export function encodeHup(id: number): Uint8Array {
  return encodeNumbers(12, Command.Hup, 0, id);
}

function encodeNumbers(bytes: number, ...numbers: readonly number[]): Uint8Array {
  const message = new Uint8Array(bytes);
  const view = new DataView(message.buffer);
  numbers.forEach((number, i) => view.setUint32(4 * i, number, true));
  return message;
}
