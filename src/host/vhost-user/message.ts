/**
 * The layout of vhost-user messages: a header of 12 bytes (request, flags, size of the rest), then a payload by request.
 * Numbers as the specification (QEMU's docs/interop/vhost-user.rst) has them. The machine's own byte order; all that we
 * run on are little-endian.
 */
import { GuestFault, type SlotDescription } from './guest-memory.js';

export const HEADER_BYTES = 12;
/** The largest payload that any request here has: a memory table of eight slots has 264 bytes, a configuration 268. */
export const MAX_PAYLOAD_BYTES = 1024;
/** Most descriptors with one message: one a slot of a memory table. */
export const MAX_MESSAGE_FDS = 8;

/** Header flags. */
export const VERSION = 1;
export const VERSION_MASK = 3;
export const FLAG_REPLY = 4;
export const FLAG_NEED_REPLY = 8;

/** Requests of the front-end. */
export const FrontEnd = {
  GetFeatures: 1,
  SetFeatures: 2,
  SetOwner: 3,
  ResetOwner: 4,
  SetMemTable: 5,
  SetVringNum: 8,
  SetVringAddr: 9,
  SetVringBase: 10,
  GetVringBase: 11,
  SetVringKick: 12,
  SetVringCall: 13,
  SetVringErr: 14,
  GetProtocolFeatures: 15,
  SetProtocolFeatures: 16,
  GetQueueNum: 17,
  SetVringEnable: 18,
  SetBackendReqFd: 21,
  GetConfig: 24,
  SetConfig: 25,
  ResetDevice: 34,
  GetMaxMemSlots: 36,
  AddMemReg: 37,
  RemMemReg: 38,
  GetShmemConfig: 44,
} as const;
export type FrontEnd = (typeof FrontEnd)[keyof typeof FrontEnd];

/** Requests of the back-end, on the socket that came with SET_BACKEND_REQ_FD. */
export const BackEnd = { ShmemMap: 9, ShmemUnmap: 10 } as const;

/** Protocol features: numbers of bits. */
export const ProtocolFeature = {
  Mq: 0,
  ReplyAck: 3,
  BackendReq: 5,
  Config: 9,
  BackendSendFd: 10,
  ResetDevice: 13,
  ConfigureMemSlots: 15,
  Shmem: 22,
} as const;

/** Feature bits of virtio and vhost-user themselves. */
export const FEATURE_PROTOCOL_FEATURES = 30;
export const FEATURE_INDIRECT_DESC = 28;
export const FEATURE_EVENT_IDX = 29;
export const FEATURE_VERSION_1 = 32;

/** Flag of SHMEM_MAP: the guest may write. */
export const SHMEM_WRITABLE = 1;

/** Payload sizes by request, where one is fixed; a message of another size is refused. */
export const PAYLOAD_BYTES: ReadonlyMap<FrontEnd, number> = new Map<FrontEnd, number>([
  [FrontEnd.GetFeatures, 0],
  [FrontEnd.SetFeatures, 8],
  [FrontEnd.SetOwner, 0],
  [FrontEnd.ResetOwner, 0],
  [FrontEnd.SetVringNum, 8],
  [FrontEnd.SetVringAddr, 40],
  [FrontEnd.SetVringBase, 8],
  [FrontEnd.GetVringBase, 8],
  [FrontEnd.SetVringKick, 8],
  [FrontEnd.SetVringCall, 8],
  [FrontEnd.SetVringErr, 8],
  [FrontEnd.GetProtocolFeatures, 0],
  [FrontEnd.SetProtocolFeatures, 8],
  [FrontEnd.GetQueueNum, 0],
  [FrontEnd.SetVringEnable, 8],
  [FrontEnd.SetBackendReqFd, 0],
  [FrontEnd.ResetDevice, 0],
  [FrontEnd.GetMaxMemSlots, 0],
  [FrontEnd.AddMemReg, 40],
  [FrontEnd.RemMemReg, 40],
  [FrontEnd.GetShmemConfig, 0],
]);

export interface Header {
  readonly request: number;
  readonly flags: number;
  readonly size: number;
}

export function decodeHeader(bytes: Uint8Array): Header {
  const view = viewOf(bytes);
  return { request: view.getUint32(0, true), flags: view.getUint32(4, true), size: view.getUint32(8, true) };
}

export function encodeMessage(request: number, flags: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = viewOf(bytes);
  view.setUint32(0, request, true);
  view.setUint32(4, flags, true);
  view.setUint32(8, payload.length, true);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** A u64, or several. */
export function encodeU64(...numbers: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(8 * numbers.length);
  const view = viewOf(bytes);
  numbers.forEach((number, i) => view.setBigUint64(8 * i, number, true));
  return bytes;
}

export function decodeU64(payload: Uint8Array, offset = 0): bigint {
  return viewOf(payload).getBigUint64(offset, true);
}

/** u32 index, u32 number. */
export interface VringState {
  readonly index: number;
  readonly number: number;
}

export function decodeVringState(payload: Uint8Array): VringState {
  const view = viewOf(payload);
  return { index: view.getUint32(0, true), number: view.getUint32(4, true) };
}

export function encodeVringState({ index, number }: VringState): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = viewOf(bytes);
  view.setUint32(0, index, true);
  view.setUint32(4, number, true);
  return bytes;
}

/** u32 index, u32 flags, then u64 addresses: descriptors, used, available, log. */
export interface VringAddress {
  readonly index: number;
  readonly descriptors: number;
  readonly used: number;
  readonly available: number;
}

export function decodeVringAddress(payload: Uint8Array): VringAddress {
  return {
    index: viewOf(payload).getUint32(0, true),
    descriptors: address(payload, 8),
    used: address(payload, 16),
    available: address(payload, 24),
  };
}

/** The u64 of SET_VRING_KICK, CALL and ERR: the index in its low byte, and whether no descriptor comes. */
export function decodeVringFd(payload: Uint8Array): { index: number; absent: boolean } {
  const value = decodeU64(payload);
  return { index: Number(value & 0xffn), absent: (value & 0x100n) !== 0n };
}

const SLOT_BYTES = 32;

function decodeSlot(payload: Uint8Array, offset: number): SlotDescription {
  return {
    guestAddress: address(payload, offset),
    size: address(payload, offset + 8),
    frontEndAddress: address(payload, offset + 16),
    fileOffset: address(payload, offset + 24),
  };
}

/** u32 number, u32 padding, then the slots. */
export function decodeMemTable(payload: Uint8Array): SlotDescription[] {
  const count = payload.length < 8 ? -1 : viewOf(payload).getUint32(0, true);
  // Older front-ends send the whole table, whatever number of slots there is.
  if (count < 0 || count > MAX_MESSAGE_FDS || payload.length < 8 + SLOT_BYTES * count) {
    throw new GuestFault(`a memory table of ${payload.length} bytes`);
  }
  return Array.from({ length: count }, (_, i) => decodeSlot(payload, 8 + SLOT_BYTES * i));
}

/** u64 padding, then one slot. */
export function decodeMemSlot(payload: Uint8Array): SlotDescription {
  return decodeSlot(payload, 8);
}

/** u32 number of shared memories, u32 padding, then room for the sizes of eight. */
export function encodeShmemConfig(sizes: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 + 8 * 8);
  const view = viewOf(bytes);
  view.setUint32(0, sizes.length, true);
  sizes.forEach((size, i) => view.setBigUint64(8 + 8 * i, BigInt(size), true));
  return bytes;
}

/** u8 shared memory, 7 bytes of padding, u64 offset in the file, u64 offset in it, u64 length, u64 flags. */
export function encodeShmemRange(range: { id: number; offset: number; length: number; writable: boolean }): Uint8Array {
  const bytes = new Uint8Array(40);
  const view = viewOf(bytes);
  view.setUint8(0, range.id);
  view.setBigUint64(16, BigInt(range.offset), true);
  view.setBigUint64(24, BigInt(range.length), true);
  view.setBigUint64(32, range.writable ? BigInt(SHMEM_WRITABLE) : 0n, true);
  return bytes;
}

/** Most bytes of a configuration space: VHOST_USER_MAX_CONFIG_SIZE. */
export const MAX_CONFIG_BYTES = 256;
const CONFIG_HEADER_BYTES = 12;

/** u32 offset, u32 size, u32 flags, then that many bytes. */
export function decodeConfig(payload: Uint8Array): { offset: number; size: number } {
  const view = viewOf(payload);
  const size = payload.length < CONFIG_HEADER_BYTES ? -1 : view.getUint32(4, true);
  if (size > MAX_CONFIG_BYTES || payload.length !== CONFIG_HEADER_BYTES + size) {
    throw new GuestFault(`a configuration of ${payload.length} bytes`);
  }
  return { offset: view.getUint32(0, true), size };
}

/** The same with the bytes that `configuration` has there; beyond its end there are zeros. */
export function encodeConfig(payload: Uint8Array, configuration: Uint8Array): Uint8Array {
  const { offset, size } = decodeConfig(payload);
  const bytes = payload.slice();
  bytes.fill(0, CONFIG_HEADER_BYTES);
  bytes.set(configuration.subarray(offset, offset + size), CONFIG_HEADER_BYTES);
  return bytes;
}

/** A u64 as a number. Addresses and sizes beyond 2^53 are refused: no machine has them. */
function address(payload: Uint8Array, offset: number): number {
  const number = Number(decodeU64(payload, offset));
  if (!Number.isSafeInteger(number)) throw new GuestFault('an address or size of more than 53 bits');
  return number;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
