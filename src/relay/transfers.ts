/**
 * Carrying fds that are not vfds over a link. Only vfds can be sent, so what an application or a compositor gives us is
 * brought over by what it is. In Wayland the fds of data transfers are write ends: one side says "write it here" and the
 * other writes. Such a sink stays here, a virtio_wl pipe goes to the other side in its place, and what comes out of the
 * pipe is spliced into the sink.
 *
 * Where many VMs meet, the one that reads pays. A VM that asks for data gives a sink; the compositor does not get it but
 * a pipe of ours, and what comes out of that is spliced into the sink on the account of the VM that asked
 * ({@link Transfers.pipeToReader}). When the compositor hands this pipe to the VM that has the data, it is known by its
 * inode ({@link ReaderPipes}), and costs that VM nothing: however many pastes another one starts and does not read, its
 * own go on. So no descriptor of one VM comes near another, either.
 */
import { OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import type { Device } from '../virtwl/device.js';
import { splice, type Splice } from '../system/splice.js';
import type { PipeRemote } from '../virtwl/vfd.js';

/**
 * Transfers on account of one VM at the same time. A person pastes one thing at a time and drags another; what goes
 * beyond are peers that never read or never write, and each of theirs costs us four descriptors.
 */
export const MAX_TRANSFERS = 128;

/**
 * How long a transfer may stand still, in milliseconds. Programs that exchange data answer within moments, and one that
 * has to convert it first within seconds; who reads or writes nothing for so long has forgotten about it.
 */
export const TRANSFER_IDLE_MS = 30_000;

/** Pipes that were given to the compositor in place of the sinks of VMs that read. */
export class ReaderPipes {
  /** Of pipes whose reader pays, until the compositor hands them on. */
  readonly #unclaimed = new Set<string>();
  /** A pipe that nobody reads, for those who may not have another transfer. */
  #dead: { readonly write: OwnedFd; readonly inode: string } | undefined;

  /** The write end of a pipe becomes one whose reader pays. Call what is returned when the pipe is gone. */
  add(pipe: OwnedFd): () => void {
    const inode = inodeOf(pipe);
    this.#unclaimed.add(inode);
    return () => this.#unclaimed.delete(inode);
  }

  /** A write end that nobody reads. The caller's. */
  deadEnd(): OwnedFd {
    if (this.#dead === undefined) {
      const [read, write] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
      read.close();
      this.#dead = { write, inode: inodeOf(write) };
    }
    return new OwnedFd(native.dup(this.#dead.write.fd));
  }

  /** Who pays for what is written into `sink`: its reader, once; nobody, since it has no reader; or we do not know. */
  claim(sink: OwnedFd): 'reader' | 'dead' | 'unknown' {
    const inode = inodeOf(sink);
    if (inode === this.#dead?.inode) return 'dead';
    return this.#unclaimed.delete(inode) ? 'reader' : 'unknown';
  }

  close(): void {
    this.#dead?.write.close();
    this.#dead = undefined;
    this.#unclaimed.clear();
  }
}

function inodeOf(fd: OwnedFd): string {
  const { device, inode } = fd.info();
  return `${device}:${inode}`;
}

export interface TransfersOptions {
  /** Default: {@link MAX_TRANSFERS}. */
  readonly limit?: number;
  /** Default: {@link TRANSFER_IDLE_MS}. */
  readonly idleTimeoutMs?: number;
  /** Shared by the transfers of all VMs that one compositor serves. Lent. Default: shared with nobody. */
  readonly readerPipes?: ReaderPipes | undefined;
  /** Told whenever a transfer has ended. Default: nobody is. */
  readonly ended?: (() => void) | undefined;
}

/** The data transfers of one VM. They outlive the connection that asked for them: what was written is still to arrive. */
export class Transfers {
  readonly #device: Device;
  readonly #limit: number;
  readonly #idleTimeoutMs: number;
  readonly #readerPipes: ReaderPipes;
  readonly #lentPipes: ReaderPipes | undefined;
  readonly #ended: (() => void) | undefined;
  readonly #running = new Set<Splice>();
  #charged = 0;

  /** `device` is where pipes are made; lent. */
  constructor(device: Device, options: TransfersOptions = {}) {
    this.#device = device;
    this.#limit = options.limit ?? MAX_TRANSFERS;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? TRANSFER_IDLE_MS;
    this.#lentPipes = options.readerPipes;
    this.#ended = options.ended;
    this.#readerPipes = options.readerPipes ?? new ReaderPipes();
  }

  /** Transfers that run now, those that others pay for included. */
  get count(): number {
    return this.#running.size;
  }

  /** Transfers on this account. */
  get charged(): number {
    return this.#charged;
  }

  /**
   * A pipe end for the other side, whatever is written to it comes out of `sink`, which this function takes ownership of.
   * The transfer ends when either end is closed, or nothing moved for a while. Over the limit, it ends at once: who writes
   * finds no reader.
   */
  pipeForSink(sink: OwnedFd): PipeRemote {
    let pair;
    let payer: ReturnType<ReaderPipes['claim']>;
    try {
      payer = this.#readerPipes.claim(sink);
      pair = this.#device.pipe('read');
    } catch (error) {
      sink.close();
      throw error;
    }
    if (payer === 'dead' || (payer === 'unknown' && this.#charged >= this.#limit)) {
      sink.close();
      pair.local.close();
      return pair.remote;
    }
    void this.#start(pair.local, sink, payer === 'unknown');
    return pair.remote;
  }

  /**
   * A write end for the compositor in place of `sink`, which a client of this VM wants written and this function takes
   * ownership of. On this account until it ends, as {@link pipeForSink}. Over the limit, `sink` is closed: who reads
   * finds the end. So is one that can make its writer wait, see `#makesWait`.
   */
  pipeToReader(sink: OwnedFd): OwnedFd {
    try {
      if (this.#charged >= this.#limit || this.#makesWait(sink)) {
        sink.close();
        return this.#readerPipes.deadEnd();
      }
      const [read, write] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
      const gone = this.#readerPipes.add(write);
      void this.#start(read, sink, true).then(gone);
      return write;
    } catch (error) {
      sink.close();
      throw error;
    }
  }

  /** Ends every transfer. */
  close(): void {
    for (const transfer of this.#running) transfer.close();
    if (this.#readerPipes !== this.#lentPipes) this.#readerPipes.close();
  }

  /**
   * Whether who writes into it may have to wait: for a file, where a client has brought a file system of its own; and in
   * loopback, where all kinds of descriptors arrive, for a terminal or an eventfd, of which any holder can clear O_NONBLOCK,
   * and which no call writes to without it. Of /dev/wl0 all is a vfd, which only our own kernel and VMM share.
   */
  #makesWait(sink: OwnedFd): boolean {
    const { type } = sink.info();
    return type === 'regular' || (this.#device.kind === 'loopback' && type !== 'pipe' && type !== 'socket');
  }

  /** Settles when it has ended. */
  #start(from: OwnedFd, to: OwnedFd, charged: boolean): Promise<unknown> {
    const transfer = splice(from, to, { idleTimeoutMs: this.#idleTimeoutMs });
    this.#running.add(transfer);
    if (charged) this.#charged += 1;
    return transfer.done.then(() => {
      this.#running.delete(transfer);
      if (charged) this.#charged -= 1;
      this.#ended?.();
    });
  }
}
