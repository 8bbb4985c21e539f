/**
 * A VMM for tests: guest memory in a memfd, the vhost-user requests that QEMU makes, in its order, and a shared memory
 * that answers SHMEM_MAP and SHMEM_UNMAP, all over a real socket. What a guest's driver does is in
 * `guest-driver.ts`.
 */
import { closeAll, OwnedFd } from '../../../src/system/fd.js';
import { native, type Mapping } from '../../../src/system/native.js';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import {
  BackEnd,
  decodeHeader,
  encodeMessage,
  encodeU64,
  FLAG_NEED_REPLY,
  FLAG_REPLY,
  FrontEnd,
  HEADER_BYTES,
  ProtocolFeature,
  VERSION,
} from '../../../src/host/vhost-user/message.js';
import { eventually } from '../../eventually.js';
import { testNative } from '../../test-native.js';

/** Where the test guest's memory is, by its own and by its VMM's addresses. */
export const GUEST_ADDRESS = 0x10_0000;
export const FRONT_END_ADDRESS = 0x7f00_0000_0000;
export const GUEST_BYTES = 4 * 2 ** 20;

/** What is mapped into the shared memory. The mapping is made when a test asks for it. */
export interface GuestMapping {
  readonly fd: OwnedFd;
  readonly length: number;
  readonly writable: boolean;
}

export interface Reply {
  readonly request: number;
  readonly payload: Buffer;
}

const protocolBits = [
  ProtocolFeature.Mq,
  ProtocolFeature.ReplyAck,
  ProtocolFeature.BackendReq,
  ProtocolFeature.BackendSendFd,
  ProtocolFeature.ConfigureMemSlots,
  ProtocolFeature.Shmem,
].reduce((all, feature) => all | (1n << BigInt(feature)), 0n);

export class TestFrontEnd {
  readonly memory: Mapping;
  readonly memoryFd: OwnedFd;
  readonly mappings = new Map<number, GuestMapping>();
  /** Answers 1 to what the back-end asks for, when set. */
  refuseMaps = false;
  /** Does not answer at all, when set: what is asked waits here. */
  holdAnswers = false;
  held: (() => void)[] = [];
  /** Requests of the back-end, counted. */
  maps = 0;
  unmaps = 0;
  /** Of which shared memory each mapping was to be. */
  readonly ids: number[] = [];
  /** Numbers of requests that no front-end knows. */
  readonly unknown: number[] = [];
  ended = false;
  readonly kicks: OwnedFd[] = [];
  readonly calls: OwnedFd[] = [];
  readonly errors: OwnedFd[] = [];
  readonly #socket: UnixSocket;
  #requests: UnixSocket | undefined;
  #replies: Reply[] = [];
  #pending = Buffer.alloc(0);
  /** The mask of `protocolBits` to negotiate. */
  protocolFeatures = protocolBits;

  /** Takes ownership of the socket. */
  constructor(socket: OwnedFd) {
    this.memoryFd = new OwnedFd(native.memfd('virtwl-test-guest', GUEST_BYTES, 0));
    this.memory = native.map(this.memoryFd.fd, 0, GUEST_BYTES, true);
    this.#socket = new UnixSocket(socket);
    this.#socket.on('data', (bytes, fds) => {
      closeAll(fds);
      this.#pending = Buffer.concat([this.#pending, bytes]);
      while (this.#pending.length >= HEADER_BYTES) {
        const { request, flags, size } = decodeHeader(this.#pending);
        if (this.#pending.length < HEADER_BYTES + size) break;
        if ((flags & FLAG_REPLY) === 0) throw new Error('a reply that says that it is none');
        this.#replies.push({ request, payload: this.#pending.subarray(HEADER_BYTES, HEADER_BYTES + size) });
        this.#pending = this.#pending.subarray(HEADER_BYTES + size);
      }
    });
    this.#socket.on('end', () => (this.ended = true));
    this.#socket.on('error', () => (this.ended = true));
    this.#socket.start();
  }

  /** A request without a reply. The fds are given away. */
  tell(request: number, payload: Uint8Array, fds: readonly OwnedFd[] = []): void {
    this.#socket.send(encodeMessage(request, VERSION, payload), fds);
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array, fds: readonly OwnedFd[] = []): void {
    this.#socket.send(bytes, fds);
  }

  /** A request with a reply of its own; its payload. */
  async ask(request: number, payload: Uint8Array = new Uint8Array(0), flags = VERSION): Promise<Buffer> {
    this.#socket.send(encodeMessage(request, flags, payload));
    return this.reply(request);
  }

  async reply(request: number): Promise<Buffer> {
    await eventually(`the reply to request ${request}`, () => this.#replies.length > 0 || this.ended, 10_000);
    const reply = this.#replies.shift();
    if (reply === undefined) throw new Error(`the back-end left instead of answering request ${request}`);
    if (reply.request !== request) throw new Error(`a reply to ${reply.request} and not ${request}`);
    return reply.payload;
  }

  /** A request for which REPLY_ACK is asked: 0 when it was accepted. */
  async acknowledged(request: number, payload: Uint8Array, fds: readonly OwnedFd[] = []): Promise<number> {
    this.#socket.send(encodeMessage(request, VERSION | FLAG_NEED_REPLY, payload), fds);
    return Number((await this.reply(request)).readBigUInt64LE(0));
  }

  /** All that comes before the queues. `features`: the bits to acknowledge. */
  async negotiate(features: bigint): Promise<void> {
    await this.ask(FrontEnd.GetFeatures);
    await this.ask(FrontEnd.GetProtocolFeatures);
    this.tell(FrontEnd.SetProtocolFeatures, encodeU64(this.protocolFeatures));
    await this.ask(FrontEnd.GetQueueNum);
    await this.ask(FrontEnd.GetMaxMemSlots);
    this.tell(FrontEnd.SetOwner, new Uint8Array(0));
    await this.ask(FrontEnd.GetShmemConfig);
    this.connectRequests();
    this.tell(FrontEnd.SetFeatures, encodeU64(features));
    await this.shareMemory();
  }

  shareMemory(): Promise<number> {
    return this.acknowledged(
      FrontEnd.AddMemReg,
      encodeU64(0n, BigInt(GUEST_ADDRESS), BigInt(GUEST_BYTES), BigInt(FRONT_END_ADDRESS), 0n),
      [new OwnedFd(native.dup(this.memoryFd.fd))],
    );
  }

  connectRequests(): void {
    const [ours, theirs] = socketPair();
    this.tell(FrontEnd.SetBackendReqFd, new Uint8Array(0), [theirs]);
    this.#requests?.close();
    this.#requests = new UnixSocket(ours);
    let pending = Buffer.alloc(0);
    const fdsLeft: OwnedFd[] = [];
    this.#requests.on('data', (bytes, fds) => {
      pending = Buffer.concat([pending, bytes]);
      fdsLeft.push(...fds);
      while (pending.length >= HEADER_BYTES) {
        const { request, size } = decodeHeader(pending);
        if (pending.length < HEADER_BYTES + size) break;
        const payload = pending.subarray(HEADER_BYTES, HEADER_BYTES + size);
        pending = pending.subarray(HEADER_BYTES + size);
        const answer = this.#serve(request, payload, fdsLeft);
        const reply = (): void =>
          void this.#requests?.send(encodeMessage(request, VERSION | FLAG_REPLY, encodeU64(answer ? 0n : 1n)));
        if (this.holdAnswers) this.held.push(reply);
        else reply();
      }
    });
    this.#requests.on('end', () => closeAll(fdsLeft));
    this.#requests.start();
  }

  /** Bytes of the back-end's, as if the front-end answered. */
  rawAnswer(bytes: Uint8Array): void {
    this.#requests!.send(bytes);
  }

  /** Reads what the back-end asks for, or leaves it unread, as a front-end does that is busy. */
  readRequests(reads: boolean): void {
    if (reads) this.#requests!.resume();
    else this.#requests!.pause();
  }

  /** Undoes all mappings unasked, as QEMU does when the guest resets the device. */
  dropMappings(): void {
    for (const { fd } of this.mappings.values()) fd.close();
    this.mappings.clear();
  }

  #serve(request: number, payload: Buffer, fds: OwnedFd[]): boolean {
    const offset = Number(payload.readBigUint64LE(16));
    const length = Number(payload.readBigUint64LE(24));
    if (request === BackEnd.ShmemMap) {
      this.maps++;
      this.ids.push(payload[0]!);
      const fd = fds.shift()!;
      const overlaps = [...this.mappings].some(([at, mapping]) => at < offset + length && offset < at + mapping.length);
      if (this.refuseMaps || overlaps || offset % 4096 !== 0 || length % 4096 !== 0) {
        fd.close();
        return false;
      }
      this.mappings.set(offset, { fd, length, writable: payload.readBigUint64LE(32) === 1n });
      return true;
    }
    if (request !== BackEnd.ShmemUnmap) {
      this.unknown.push(request);
      closeAll(fds.splice(0));
      return false;
    }
    this.unmaps++;
    const mapping = this.mappings.get(offset);
    if (mapping?.length !== length) return false;
    mapping.fd.close();
    this.mappings.delete(offset);
    return true;
  }

  /** Sets one queue up and starts it. The addresses are the guest's. */
  startQueue(
    index: number,
    size: number,
    rings: { descriptors: number; available: number; used: number },
    base: number,
  ): void {
    const toFrontEnd = (address: number): bigint => BigInt(address - GUEST_ADDRESS + FRONT_END_ADDRESS);
    this.tell(FrontEnd.SetVringNum, state(index, size));
    this.tell(FrontEnd.SetVringBase, state(index, base));
    const address = new Uint8Array(40);
    const view = new DataView(address.buffer);
    view.setUint32(0, index, true);
    view.setBigUint64(8, toFrontEnd(rings.descriptors), true);
    view.setBigUint64(16, toFrontEnd(rings.used), true);
    view.setBigUint64(24, toFrontEnd(rings.available), true);
    this.tell(FrontEnd.SetVringAddr, address);
    for (const [request, fds] of [
      [FrontEnd.SetVringErr, this.errors],
      [FrontEnd.SetVringCall, this.calls],
      [FrontEnd.SetVringKick, this.kicks],
    ] as const) {
      fds[index]?.close();
      fds[index] = new OwnedFd(testNative.eventfd());
      this.tell(request, encodeU64(BigInt(index)), [new OwnedFd(native.dup(fds[index].fd))]);
    }
    this.tell(FrontEnd.SetVringEnable, state(index, 1));
  }

  /** Stops a queue; where it stopped. */
  async stopQueue(index: number): Promise<number> {
    const reply = await this.ask(FrontEnd.GetVringBase, state(index, 0));
    return reply.readUInt32LE(4);
  }

  /** What was answered so far does not matter. */
  forgetReplies(): void {
    this.#replies = [];
  }

  kick(index: number): void {
    native.write(this.kicks[index]!.fd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 0, 8);
  }

  /** Whether the device has signalled since this was asked last. */
  signalled(fds: readonly OwnedFd[], index: number): boolean {
    return native.read(fds[index]!.fd, new Uint8Array(8)) === 8;
  }

  /** The VMM dies. */
  close(): void {
    this.#socket.close();
    this.#requests?.close();
    for (const { fd } of this.mappings.values()) fd.close();
    this.mappings.clear();
    closeAll([...this.kicks, ...this.calls, ...this.errors]);
    if (this.memory.length > 0) this.memory.unmap();
    this.memoryFd.close();
  }
}

function socketPair(): [OwnedFd, OwnedFd] {
  return native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
}

export function state(index: number, number: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, index, true);
  new DataView(bytes.buffer).setUint32(4, number, true);
  return bytes;
}
