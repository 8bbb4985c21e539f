/** A VMM's end of a vhost-user connection, that says what an input decides, and checks what comes back. */
import { closeAll, OwnedFd } from '../../src/system/fd.js';
import {
  BackEnd,
  decodeHeader,
  encodeMessage,
  encodeU64,
  FLAG_NEED_REPLY,
  FLAG_REPLY,
  HEADER_BYTES,
  VERSION,
  VERSION_MASK,
} from '../../src/host/vhost-user/message.js';
import { native } from '../../src/system/native.js';

const buffer = new Uint8Array(65536);

/** What the device adds to the number of a request that it does not want any more; the answer is a refusal. */
const WITHDRAWN = 0x7f00_0000;

/** A request of the device, to be answered. */
interface Asked {
  readonly request: number;
  readonly offset: number;
  readonly length: number;
}

export class FuzzVmm {
  /** Names of what came back. */
  readonly words = new Set<string>();
  /** The last reply to each request: its payload. */
  readonly replies = new Map<number, Buffer>();
  /** Not all that was said was whole messages: nothing can be expected any more. */
  broken = false;
  ended = false;
  readonly asked: Asked[] = [];
  /** Requests that were sent and may still be replied to, oldest first. */
  readonly #sent: number[] = [];
  /** Lengths of mappings, by offset. */
  readonly #mapped = new Map<number, number>();
  /** An unmapping was refused, or its answer was lost: the two sides' books may differ. */
  #unsure = false;
  #pending = Buffer.alloc(0);
  #requests: OwnedFd | undefined;
  #requestsPending = Buffer.alloc(0);

  /** Takes ownership of the socket. */
  constructor(private readonly socket: OwnedFd) {}

  /** The last request was replied to. */
  get settled(): boolean {
    return this.#sent.length === 0;
  }

  /** Sends a message. The descriptors are given away. */
  say(
    request: number,
    payload: Uint8Array = new Uint8Array(0),
    fds: readonly OwnedFd[] = [],
    flags = VERSION | FLAG_NEED_REPLY,
  ): void {
    this.#sent.push(request);
    this.raw(encodeMessage(request, flags, payload), fds);
  }

  /** Sends bytes as they are. */
  raw(bytes: Uint8Array, fds: readonly OwnedFd[] = []): void {
    try {
      const sent = native.send(
        this.socket.fd,
        bytes,
        0,
        bytes.length,
        fds.map(({ fd }) => fd),
      );
      if (sent !== bytes.length) this.broken = true;
    } catch {
      this.broken = true; // nobody is there any more
    }
    closeAll(fds);
  }

  /** Reads what came back on both sockets. */
  listen(): void {
    this.#pending = Buffer.concat([this.#pending, this.#read(this.socket, true)]);
    while (this.#pending.length >= HEADER_BYTES) {
      const { request, flags, size } = decodeHeader(this.#pending);
      if (this.#pending.length < HEADER_BYTES + size) break;
      const payload = this.#pending.subarray(HEADER_BYTES, HEADER_BYTES + size);
      this.#pending = this.#pending.subarray(HEADER_BYTES + size);
      if ((flags & FLAG_REPLY) === 0 || (flags & VERSION_MASK) !== VERSION)
        throw new Error(`a reply with the flags ${flags}`);
      const at = this.#sent.indexOf(request);
      if (!this.broken && at < 0)
        throw new Error(`a reply to request ${request}, which is out of turn or was never made`);
      this.#sent.splice(0, at + 1);
      this.replies.set(request, Buffer.from(payload));
      this.words.add(`reply ${request} ${size}${size === 8 ? (payload[0] === 0 ? ' zero' : ' not') : ''}`);
    }
    if (this.ended && this.#pending.length > 0 && !this.broken) throw new Error('it left within a reply');
    this.#listenToRequests();
  }

  #listenToRequests(): void {
    if (this.#requests === undefined) return;
    this.#requestsPending = Buffer.concat([this.#requestsPending, this.#read(this.#requests, false)]);
    while (this.#requestsPending.length >= HEADER_BYTES + 40) {
      const { request, flags, size } = decodeHeader(this.#requestsPending);
      if (size !== 40 || (flags & FLAG_NEED_REPLY) === 0)
        throw new Error(`a request of ${size} bytes with the flags ${flags}`);
      const payload = this.#requestsPending.subarray(HEADER_BYTES, HEADER_BYTES + size);
      this.#requestsPending = this.#requestsPending.subarray(HEADER_BYTES + size);
      const [offset, length] = [Number(payload.readBigUInt64LE(16)), Number(payload.readBigUInt64LE(24))];
      const number = request & ~WITHDRAWN;
      if (number !== BackEnd.ShmemMap && number !== BackEnd.ShmemUnmap)
        throw new Error(`the device asks for ${request}`);
      this.words.add(`asks ${request}`);
      this.asked.push({ request, offset, length });
    }
  }

  /** Answers the oldest request of the device, if there is one, and keeps the books of an honest front-end. */
  answer(accept: boolean): void {
    const asked = this.asked.shift();
    if (asked === undefined || this.#requests === undefined) return;
    const { request, offset, length } = asked;
    const does = accept && request < WITHDRAWN;
    if (!does) this.#unsure ||= request === BackEnd.ShmemUnmap;
    else if (request === BackEnd.ShmemMap) {
      const overlaps = [...this.#mapped].some(([at, there]) => at < offset + length && offset < at + there);
      if (overlaps && !this.#unsure)
        throw new Error(`${length} bytes are to be mapped at ${offset}, where something is`);
      this.#mapped.set(offset, length);
    } else {
      const there = this.#mapped.get(offset);
      if (there !== length && !this.#unsure)
        throw new Error(`${length} bytes at ${offset} are to be unmapped, and ${there ?? 'none'} are there`);
      this.#mapped.delete(offset);
    }
    this.#answerRaw(encodeMessage(request, VERSION | FLAG_REPLY, encodeU64(does ? 0n : 1n)));
  }

  /** Answers with bytes as they are. */
  answerWith(bytes: Uint8Array): void {
    this.broken = true;
    this.#unsure = true;
    this.#answerRaw(bytes);
  }

  #answerRaw(bytes: Uint8Array): void {
    try {
      if (this.#requests !== undefined) native.send(this.#requests.fd, bytes, 0, bytes.length, []);
    } catch {
      // The device has closed it.
    }
  }

  /** A new socket for the device's requests: its end of it. What was mapped stays mapped, what was asked has no answer. */
  newRequests(): OwnedFd {
    this.dropRequests();
    const [ours, theirs] = native.socketpair();
    this.#requests = new OwnedFd(ours);
    this.#requestsPending = Buffer.alloc(0);
    this.asked.length = 0;
    return new OwnedFd(theirs);
  }

  dropRequests(): void {
    this.#unsure ||= this.#requests !== undefined;
    this.#requests?.close();
    this.#requests = undefined;
  }

  close(): void {
    this.socket.close();
    this.dropRequests();
  }

  #read(socket: OwnedFd, isMain: boolean): Buffer {
    const parts: Uint8Array[] = [];
    for (;;) {
      const fds: number[] = [];
      let length: number;
      try {
        length = native.recv(socket.fd, buffer, fds);
      } catch {
        length = 0; // it left with something unread
      }
      for (const fd of fds) native.close(fd);
      if (isMain && fds.length > 0) throw new Error('a reply came with a descriptor');
      if (length === 0 && isMain) this.ended = true;
      if (length <= 0) return Buffer.concat(parts);
      parts.push(buffer.slice(0, length));
    }
  }
}
