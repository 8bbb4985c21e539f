/**
 * The layout of virtio-gpu's commands, those of them that a device without a screen needs: a header of 24 bytes (type,
 * flags, fence, context, ring), then what the type says. Names and numbers are those of virtio_gpu.h. Little-endian.
 *
 * Parsing checks what can be known from the bytes alone. Whether an id exists is `state.ts`'s business.
 */

export const Control = {
  GetDisplayInfo: 0x100,
  ResourceUnref: 0x102,
  GetCapsetInfo: 0x108,
  GetCapset: 0x109,
  ResourceCreateBlob: 0x10c,
  CtxCreate: 0x200,
  CtxDestroy: 0x201,
  CtxAttachResource: 0x202,
  CtxDetachResource: 0x203,
  Submit3d: 0x207,
  ResourceMapBlob: 0x208,
  ResourceUnmapBlob: 0x209,
} as const;

export const Response = {
  Ok: 0x1100,
  DisplayInfo: 0x1101,
  CapsetInfo: 0x1102,
  Capset: 0x1103,
  MapInfo: 0x1106,
  Unspecified: 0x1200,
  OutOfMemory: 0x1201,
  InvalidResource: 0x1203,
  InvalidContext: 0x1204,
  InvalidParameter: 0x1205,
} as const;
export type Response = (typeof Response)[keyof typeof Response];

/** Feature bits: numbers of bits. */
export const FEATURE_VIRGL = 0;
export const FEATURE_RESOURCE_BLOB = 3;
export const FEATURE_CONTEXT_INIT = 4;

/** The size of the host-visible memory in bytes, and its id among virtio's shared memory regions. */
export const HOST_VISIBLE_BYTES = 2 ** 32;
export const HOST_VISIBLE_ID = 1;

/** Flags of a header: the driver waits for the fence; it is one of a ring's. */
export const FLAG_FENCE = 1;
const FLAG_RING = 2;

export const HEADER_BYTES = 24;

/** Kinds of a blob's memory: the guest's own, and the host's. */
const BLOB_GUEST = 1;
const BLOB_HOST = 2;

/** The one capability set: cross-domain. */
export const CAPSET_CROSS_DOMAIN = 5;
const CAPSET_VERSION = 1;
const CAPSET_BYTES = 16;
/** The low byte of a context's init value is its capability set. */
const CONTEXT_CAPSET_MASK = 0xff;

/** Screens that GET_DISPLAY_INFO has room for. The one that there is is disabled, as all the others. */
const MAX_SCANOUTS = 16;
const SCANOUT_BYTES = 24;

/** A stretch of guest memory, by guest address. */
export interface GuestRange {
  readonly address: number;
  readonly length: number;
}

/** A command as it was parsed. `refused` gets this response whatever the state is. */
export type ControlCommand =
  | { readonly type: 'displays' }
  | { readonly type: 'capset-info' }
  | { readonly type: 'capset' }
  | { readonly type: 'create-context'; readonly context: number }
  | { readonly type: 'destroy-context'; readonly context: number }
  | { readonly type: 'attach' | 'detach'; readonly context: number; readonly resource: number }
  | { readonly type: 'guest-blob'; readonly resource: number; readonly entries: readonly GuestRange[] }
  | {
      readonly type: 'host-blob';
      readonly context: number;
      readonly resource: number;
      readonly blob: number;
      readonly bytes: number;
    }
  | { readonly type: 'unref' | 'unmap'; readonly resource: number }
  | { readonly type: 'map'; readonly resource: number; readonly offset: number }
  /** The commands are a part of the bytes that were parsed. */
  | { readonly type: 'submit'; readonly context: number; readonly fenced: boolean; readonly commands: Uint8Array }
  | { readonly type: 'refused'; readonly response: Response; readonly why: string };

function refused(response: Response, why: string): ControlCommand {
  return { type: 'refused', response, why };
}

/** Bytes of each command at least, the header included. */
const LEAST_BYTES: ReadonlyMap<number, number> = new Map<number, number>([
  [Control.GetDisplayInfo, 24],
  [Control.ResourceUnref, 28],
  [Control.GetCapsetInfo, 28],
  [Control.GetCapset, 32],
  [Control.ResourceCreateBlob, 56],
  [Control.CtxCreate, 32],
  [Control.CtxDestroy, 24],
  [Control.CtxAttachResource, 28],
  [Control.CtxDetachResource, 28],
  [Control.Submit3d, 32],
  [Control.ResourceMapBlob, 40],
  [Control.ResourceUnmapBlob, 28],
]);

/** Never throws. `entriesWanted`: entries of a guest's blob that are read; further ones are left out. */
export function parseControl(bytes: Uint8Array, entriesWanted: number): ControlCommand {
  const view = viewOf(bytes);
  if (bytes.length < HEADER_BYTES) return refused(Response.Unspecified, `a command of ${bytes.length} bytes`);
  const type = view.getUint32(0, true);
  const least = LEAST_BYTES.get(type);
  if (least === undefined)
    return refused(Response.Unspecified, `the command 0x${type.toString(16)}, which is not here`);
  if (bytes.length < least) {
    return refused(Response.InvalidParameter, `a command 0x${type.toString(16)} of ${bytes.length} bytes`);
  }
  const context = view.getUint32(16, true);
  const first = bytes.length >= HEADER_BYTES + 4 ? view.getUint32(HEADER_BYTES, true) : 0;
  switch (type) {
    case Control.GetDisplayInfo:
      return { type: 'displays' };
    case Control.GetCapsetInfo:
      if (first !== 0) return refused(Response.InvalidParameter, `capability set number ${first}: there is one`);
      return { type: 'capset-info' };
    case Control.GetCapset:
      if (first !== CAPSET_CROSS_DOMAIN || view.getUint32(28, true) > CAPSET_VERSION) {
        return refused(Response.InvalidParameter, `capability set ${first}, version ${view.getUint32(28, true)}`);
      }
      return { type: 'capset' };
    case Control.CtxCreate: {
      const capset = view.getUint32(28, true) & CONTEXT_CAPSET_MASK;
      if (capset === CAPSET_CROSS_DOMAIN) return { type: 'create-context', context };
      return refused(Response.InvalidParameter, `a context of capability set ${capset}; this device has cross-domain`);
    }
    case Control.CtxDestroy:
      return { type: 'destroy-context', context };
    case Control.CtxAttachResource:
      return { type: 'attach', context, resource: first };
    case Control.CtxDetachResource:
      return { type: 'detach', context, resource: first };
    case Control.ResourceCreateBlob:
      return parseBlob(view, context, first, entriesWanted);
    case Control.ResourceUnref:
      return { type: 'unref', resource: first };
    case Control.ResourceUnmapBlob:
      return { type: 'unmap', resource: first };
    case Control.ResourceMapBlob:
      return { type: 'map', resource: first, offset: Number(view.getBigUint64(32, true)) };
    default:
      return parseSubmit(view, bytes, context, first);
  }
}

function parseBlob(view: DataView, context: number, resource: number, entriesWanted: number): ControlCommand {
  const memory = view.getUint32(28, true);
  const count = view.getUint32(36, true);
  const blob = Number(view.getBigUint64(40, true));
  const bytes = Number(view.getBigUint64(48, true));
  if (56 + 16 * count > view.byteLength) {
    return refused(Response.InvalidParameter, `a blob of ${count} entries in ${view.byteLength} bytes`);
  }
  if (memory === BLOB_HOST) return { type: 'host-blob', context, resource, blob, bytes };
  if (memory !== BLOB_GUEST) return refused(Response.InvalidParameter, `a blob of memory of kind ${memory}`);
  const entries = Array.from({ length: Math.min(count, entriesWanted) }, (_, i) => ({
    address: Number(view.getBigUint64(56 + 16 * i, true)),
    length: view.getUint32(64 + 16 * i, true),
  }));
  return { type: 'guest-blob', resource, entries };
}

function parseSubmit(view: DataView, bytes: Uint8Array, context: number, size: number): ControlCommand {
  const fences = view.getUint32(28, true);
  if (fences !== 0) return refused(Response.InvalidParameter, `a submission that waits for ${fences} fences`);
  const commands = bytes.subarray(32, 32 + size);
  if (commands.length !== size) {
    return refused(Response.InvalidParameter, `a submission of ${size} bytes, of which ${commands.length} are there`);
  }
  return { type: 'submit', context, fenced: (view.getUint32(4, true) & FLAG_FENCE) !== 0, commands };
}

/** The answer to a command, of which its first bytes are enough. `body` comes after the header. */
export function encodeResponse(command: Uint8Array, type: Response, body: Uint8Array = NOTHING): Uint8Array {
  const answer = new Uint8Array(HEADER_BYTES + body.length);
  answer.set(command.subarray(0, Math.min(HEADER_BYTES - 3, command.length)));
  const view = viewOf(answer);
  view.setUint32(0, type, true);
  view.setUint32(4, view.getUint32(4, true) & (FLAG_FENCE | FLAG_RING), true);
  answer.set(body, HEADER_BYTES);
  return answer;
}

const NOTHING = new Uint8Array(0);

/** No screen is enabled. */
export const DISPLAYS = new Uint8Array(MAX_SCANOUTS * SCANOUT_BYTES);
/** Capability set number 0: its id, its newest version, its size. */
export const CAPSET_INFO = numbers(CAPSET_CROSS_DOMAIN, CAPSET_VERSION, CAPSET_BYTES, 0);
/** How the guest may map what was mapped: cached. */
export const MAP_CACHED = numbers(1, 0);
/** The configuration space: no events, one screen, one capability set. */
export const CONFIGURATION = numbers(0, 0, 1, 1);

/** The capability set: its version, channel types by bit, no dmabufs, no memory of another GPU. */
export function encodeCapset(channels: readonly number[]): Uint8Array {
  return numbers(
    CAPSET_VERSION,
    channels.reduce((all, channel) => all + 2 ** channel, 0),
    0,
    0,
  );
}

/** Numbers of 32 bits. */
export function numbers(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = viewOf(bytes);
  values.forEach((value, i) => view.setUint32(4 * i, value, true));
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
