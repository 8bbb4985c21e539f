/**
 * The allocator's protocol, as it crosses a byte stream that carries fds.
 *
 * A request is 16 bytes: `u64 id`, chosen by the client and only used in the server's log, and `u64 size` in bytes, both
 * little-endian. A reply is one status byte; where it is {@link Status.Ok}, one memory fd travels with it. Replies come
 * in the order of the requests, and requests may be pipelined. There is no version and no end marker: what follows a
 * request is the next one.
 *
 * A client that sends {@link NOTICES_REQUEST} is told from then on when nobody holds memory any more that was granted
 * on this connection: a {@link Status.Gone} byte and the `u64 id` of its request, between replies. One that sends
 * {@link BUDGET_REQUEST} is answered by {@link Status.Budget} and the `u64` bytes that the VM may have in all.
 */

/** Bytes of one request. */
export const REQUEST_BYTES = 16;

/** The largest size that a file can have (off_t), less a page for rounding up. */
export const MAX_REPRESENTABLE_BYTES = 2n ** 63n - 1n - 4095n;

/** The status byte of a reply. */
export const Status = {
  /** Granted; one fd comes with this byte. */
  Ok: 0,
  /** The size is 0, or no file can have it. */
  BadSize: 1,
  /** The size is over what one request may ask for. */
  OverRequestLimit: 2,
  /** The size, or one more piece, does not fit into what is left of the budget. */
  OverBudget: 3,
  /** The host itself has no memory (or descriptors) for it now. */
  HostOutOfMemory: 4,
  /** The answer to {@link NOTICES_REQUEST}; a server that does not know it answers {@link Status.BadSize}. */
  Notices: 5,
  /** The answer to {@link BUDGET_REQUEST}, with the budget behind it; the same holds for an old server. */
  Budget: 7,
  /** No reply: the memory of the request whose id comes behind this byte is gone. */
  Gone: 6,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

/** What a status means, for people. */
export function describeStatus(status: number): string {
  switch (status) {
    case Status.Ok:
      return 'granted';
    case Status.BadSize:
      return 'bad size (0, or more than a file can have)';
    case Status.OverRequestLimit:
      return 'over the limit of a single request';
    case Status.OverBudget:
      return "over the VM's budget";
    case Status.HostOutOfMemory:
      return 'the host is out of memory';
    case Status.Notices:
      return 'notices are given';
    case Status.Budget:
      return 'the budget is told';
    default:
      return `unknown status ${status}`;
  }
}

/** Bytes of a notice: {@link Status.Gone} and an id. */
export const NOTICE_BYTES = 9;

/** That `id`'s memory is gone. */
export function encodeNotice(id: bigint): Uint8Array {
  const bytes = new Uint8Array(NOTICE_BYTES);
  bytes[0] = Status.Gone;
  new DataView(bytes.buffer).setBigUint64(1, id, true);
  return bytes;
}

export interface Request {
  readonly id: bigint;
  /** In bytes. */
  readonly size: bigint;
}

/** Asks for notices: a request that no server grants. */
export const NOTICES_REQUEST: Request = { id: 2n ** 64n - 1n, size: 0n };

/** Asks for the budget: a request that no server grants either. */
export const BUDGET_REQUEST: Request = { id: 2n ** 64n - 2n, size: 0n };
/** Bytes of its answer. */
export const BUDGET_BYTES = 9;

/** The answer to {@link BUDGET_REQUEST}. */
export function encodeBudget(bytes: number): Uint8Array {
  const answer = new Uint8Array(BUDGET_BYTES);
  answer[0] = Status.Budget;
  new DataView(answer.buffer).setBigUint64(1, BigInt(bytes), true);
  return answer;
}

/** The bytes of one request. */
export function encodeRequest(request: Request): Uint8Array {
  const bytes = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, request.id, true);
  view.setBigUint64(8, request.size, true);
  return bytes;
}

/** The request that begins at `offset`; 16 bytes must be there. Every value is a request: nothing to be wrong here. */
export function decodeRequest(bytes: Uint8Array, offset = 0): Request {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, REQUEST_BYTES);
  return { id: view.getBigUint64(0, true), size: view.getBigUint64(8, true) };
}
