/**
 * What is said to a virtio_gpu device in a cross-domain context, where TypeScript says it: layouts of commands and what
 * their fields mean. SEND, RECEIVE and POLL of a channel are laid out by `bindings/gpu_channel.cc`. Little-endian.
 *
 * Channel type 30, CONNECTED and sockets are our own (docs/protocols.md): a device that has them says so in its capset.
 */
import { MAX_FDS } from './limits.js';

/** Of VIRTGPU_GETPARAM. */
export const Parameter = { ResourceBlob: 3, HostVisible: 4, ContextInit: 6, SupportedCapsets: 7 } as const;

/** The kind of context. */
export const CROSS_DOMAIN = 5;
export const CROSS_DOMAIN_VERSION = 1;
/** Bytes of its capset: version, supported channels, two flags. */
export const CAPSET_BYTES = 16;

/** `blob_mem` and `blob_flags` of VIRTGPU_RESOURCE_CREATE_BLOB. */
export const BlobMemory = { Guest: 1, Host: 2 } as const;
export const BlobFlags = { Mappable: 1, MappableAndShareable: 3 } as const;

/** A context has two rings, of one page each: `drmExecute` counts them from 1. Events tell of the second. */
export const RINGS = 2;
export const POLLED_RINGS = 0b10;
export const RING_BYTES = 4096;
export const QUERY_RING = 1;

export const Command = {
  Init: 1,
  ImageRequirements: 2,
  Receive: 5,
  Read: 6,
  Write: 7,
  End: 0,
  Connected: 0x40,
  Close: 0x41,
} as const;

/** What INIT connects to; in the capset, the bit of that number. */
export const ChannelType = { None: 0, Wayland: 1, Named: 30 } as const;

/** What stands for a descriptor in a message. */
export const Identifier = { Memory: 1, ReadPipe: 3, WritePipe: 4, Socket: 0x10 } as const;

/** Of pipes that a guest sends away to be written: the device counts alike. */
export const FIRST_PIPE_ID = 0x8000_0001;

/** Of pipes that a guest sends away to be read: a number of its own choice, which the device keeps apart from its own. */
export const FIRST_SOURCE_ID = 0xc000_0001;

/** Data of one message: the ring less its header, which has room for 28 identifiers. */
export const MESSAGE_BYTES = RING_BYTES - 16 - 12 * MAX_FDS;

/** Data of one WRITE that is sent: as much as a message has, although one could have more. */
export const WRITE_HEADER_BYTES = 24;

const NAME_BYTES = 32;
/** DRM_FORMAT_R8: memory is asked for as an image of one row. */
const FORMAT_R8 = 0x2020_3852;
/** What it is for: `GBM_BO_USE_LINEAR`. */
const USE_LINEAR = 1 << 4;

/** INIT of a channel whose queries and messages come in the one ring `resource`. */
export function encodeInit(resource: number, type: number, server?: { name: string } | { id: number }): Uint8Array {
  const bytes = new Uint8Array(server === undefined ? 20 : 20 + NAME_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, Command.Init);
  view.setUint16(2, bytes.length, true);
  view.setUint32(8, resource, true);
  view.setUint32(12, resource, true);
  view.setUint32(16, type, true);
  if (server !== undefined && 'name' in server) new TextEncoder().encodeInto(server.name, bytes.subarray(20));
  else if (server !== undefined) view.setUint32(24, server.id, true);
  return bytes;
}

/** Asks which memory an image of `size` x 1 bytes needs. */
export function encodeImageRequirements(size: number): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, Command.ImageRequirements);
  view.setUint16(2, bytes.length, true);
  [size, 1, FORMAT_R8, USE_LINEAR].forEach((word, at) => view.setUint32(8 + 4 * at, word, true));
  return bytes;
}

/** The answer, as it lies in the query ring. */
export function decodeImageRequirements(ring: ArrayBuffer): { size: number; blobId: number } {
  const view = new DataView(ring);
  return { size: Number(view.getBigUint64(40, true)), blobId: view.getUint32(48, true) };
}

/** The connection is closed, and its pipes go on. */
export function encodeClose(): Uint8Array {
  return Uint8Array.of(Command.Close, 0, 8, 0, 0, 0, 0, 0);
}

/** Fills in the header of a WRITE of `length` bytes, which lie behind it. */
export function encodeWrite(bytes: Uint8Array, id: number, length: number, hangUp: boolean): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(0, Command.Write, true);
  view.setUint16(2, WRITE_HEADER_BYTES + length, true);
  [0, id, hangUp ? 1 : 0, length, 0].forEach((word, at) => view.setUint32(4 + 4 * at, word, true));
}
