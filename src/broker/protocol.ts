/**
 * The records that the broker exchanges with host processes (on its control socket) and with the compositor VM's glue
 * (on the `compositor` server).
 *
 * Every record is `u8 kind`, `u8 detail`, `u16 length` (little-endian), then `length` bytes of UTF-8: the name of a VM,
 * or a sentence for people. A record that carries an fd sends it with its first byte.
 *
 * Control socket: a host process sends {@link Kind.Register} with a listening socket for each server that the broker is
 * to accept on, and the broker answers each, in order, with {@link Kind.Accepted}, {@link Kind.Refused}, or
 * {@link Kind.Taken} where another process speaks for the VM. What was registered lasts as long as the connection. All
 * registrations of one connection are for one VM. Behind the VM's name a line break and the number of the process may
 * stand, to be named to others.
 *
 * `compositor` server: the broker greets with {@link Kind.Welcome}. It then offers a client with {@link Kind.Client},
 * and the glue takes it by answering {@link GO} before it reads anything of it; a client that was not taken is offered
 * elsewhere. In mode {@link Mode.Handover} the client's connected socket comes with the record, and the connection stays
 * for the next one. In mode {@link Mode.Relay} no fd comes: after the answer the connection itself is the client's, and
 * the next client needs a new one.
 *
 * `wayland-status` server: the broker says with {@link Kind.State} whether clients find a compositor, at once and whenever
 * that changes. It takes no word there.
 *
 * A VM has one glue. When a second one connects, the broker asks the first by {@link Kind.Ping}, and where that answers
 * with {@link ALIVE} the second gets {@link Kind.Taken}.
 */

export const Kind = {
  Register: 1,
  Accepted: 2,
  Refused: 3,
  Welcome: 4,
  Client: 5,
  Taken: 6,
  Ping: 7,
  State: 8,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** Detail of {@link Kind.Register}: what the listening socket is. */
export const Role = { Compositor: 1, CompositorRelay: 2, Wayland: 3, WaylandStatus: 4 } as const;
export type Role = (typeof Role)[keyof typeof Role];

/** Detail of {@link Kind.Client}. */
export const Mode = { Handover: 1, Relay: 2 } as const;
export type Mode = (typeof Mode)[keyof typeof Mode];

/**
 * Detail of {@link Kind.State}: no VM is registered as the compositor VM; one is, and no glue has come from it; clients
 * are given to a glue. Of another number a client knows nothing.
 */
export const CompositorState = { NoVm: 0, NoGlue: 1, There: 2 } as const;
export type CompositorState = (typeof CompositorState)[keyof typeof CompositorState];

/** Detail of {@link Kind.Welcome}: the version of this protocol. */
export const PROTOCOL_VERSION = 2;

/** The byte with which the glue takes the client that it was offered. */
export const GO = 0x47;

/** The byte with which the glue answers {@link Kind.Ping}. */
export const ALIVE = 0x41;

export const RECORD_HEADER_BYTES = 4;

/** Longest text of a record in bytes: a sentence, far above a VM's name. */
export const MAX_TEXT_BYTES = 1024;

/** Longest VM name in bytes: it appears in logs and window titles. */
export const MAX_VM_NAME_BYTES = 64;

export interface BrokerRecord {
  readonly kind: Kind;
  readonly detail: number;
  readonly text: string;
}

/** The peer does not speak this protocol. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}

/** Throws a RangeError for a name that is empty, too long, or has anything but letters, digits, `.`, `_` and `-`. */
export function checkVmName(name: string): void {
  if (/^[A-Za-z0-9._-]+$/.test(name) && name.length <= MAX_VM_NAME_BYTES) return;
  throw new RangeError(
    `${JSON.stringify(name.slice(0, 100))} cannot be the name of a VM: use 1 to ${MAX_VM_NAME_BYTES} of the ` +
      'characters A-Z a-z 0-9 . _ -',
  );
}

/** The text of a registration: of which VM, and by which process. */
export function encodeRegistrant(vm: string, pid: number): string {
  return `${vm}\n${pid}`;
}

/** @throws RangeError for a name that none can be; a process that is none is left out */
export function decodeRegistrant(text: string): { readonly vm: string; readonly pid: number | undefined } {
  const [vm, pid] = text.split('\n', 2);
  checkVmName(vm!);
  return { vm: vm!, pid: pid !== undefined && /^\d{1,10}$/.test(pid) ? Number(pid) : undefined };
}

/** A moment as sentences for people have it, by the clock of the world. */
export function moment(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** The bytes of a record. Text beyond {@link MAX_TEXT_BYTES} is cut off. */
export function encodeRecord(record: BrokerRecord): Uint8Array {
  const text = Buffer.from(record.text).subarray(0, MAX_TEXT_BYTES);
  const bytes = Buffer.alloc(RECORD_HEADER_BYTES + text.length);
  bytes[0] = record.kind;
  bytes[1] = record.detail;
  bytes.writeUInt16LE(text.length, 2);
  bytes.set(text, RECORD_HEADER_BYTES);
  return bytes;
}

const kinds: ReadonlySet<number> = new Set(Object.values(Kind));
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Cuts a byte stream into records. Holds less than one record between calls. */
export class RecordReader {
  #pending: Uint8Array = new Uint8Array(0);

  /** Whether part of a record is waiting for the rest. */
  get partial(): boolean {
    return this.#pending.length > 0;
  }

  /**
   * The records that `bytes` completes. `bytes` is not kept. Throws a RecordError for an unknown kind, a text that is
   * too long or no UTF-8; the stream is of no use then.
   */
  push(bytes: Uint8Array): BrokerRecord[] {
    const stream: Uint8Array = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const records: BrokerRecord[] = [];
    let at = 0;
    while (stream.length - at >= RECORD_HEADER_BYTES) {
      const kind = stream[at]!;
      const length = stream[at + 2]! | (stream[at + 3]! << 8);
      if (!kinds.has(kind)) throw new RecordError(`a record of unknown kind ${kind}`);
      if (length > MAX_TEXT_BYTES)
        throw new RecordError(`a record with ${length} bytes of text, over ${MAX_TEXT_BYTES}`);
      if (stream.length - at < RECORD_HEADER_BYTES + length) break;
      const text = stream.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
      records.push({ kind: kind as Kind, detail: stream[at + 1]!, text: decode(text) });
      at += RECORD_HEADER_BYTES + length;
    }
    this.#pending = stream.slice(at);
    return records;
  }
}

function decode(text: Uint8Array): string {
  try {
    return decoder.decode(text);
  } catch {
    throw new RecordError('a record whose text is not UTF-8');
  }
}
