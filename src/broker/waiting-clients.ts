/**
 * Clients that came before their compositor. They wait in order, unread, for a bounded time and in bounded number; one
 * that leaves meanwhile is noticed by its hang-up alone, because its bytes are not ours to read.
 */
import type { OwnedFd } from '../system/fd.js';
import { native, POLL_DISCONNECT, type Poll } from '../system/native.js';

/**
 * Clients of one VM that may wait. A session starts dozens of programs at once, and even with a compositor there each
 * waits for a moment, until the glue has taken the one before it.
 */
export const DEFAULT_MAX_WAITING_PER_VM = 128;

/** Clients of all VMs that may wait. Each is a descriptor of the broker. */
export const DEFAULT_MAX_WAITING = 512;

/** How long one may wait in milliseconds: a compositor VM boots in less. */
export const DEFAULT_WAIT_MS = 60_000;

export interface WaitingLimits {
  /** Default: {@link DEFAULT_MAX_WAITING_PER_VM}. */
  readonly maxWaitingPerVm?: number | undefined;
  /** Default: {@link DEFAULT_MAX_WAITING}. */
  readonly maxWaiting?: number | undefined;
  /** Default: {@link DEFAULT_WAIT_MS}. */
  readonly waitMs?: number | undefined;
}

/** A client's connection, with the name of its VM. */
export interface ArrivedClient {
  readonly vm: string;
  readonly fd: OwnedFd;
}

interface Entry extends ArrivedClient {
  readonly poll: Poll;
  readonly timer: NodeJS.Timeout;
}

export class WaitingClients {
  #entries: Entry[] = [];
  readonly #maxPerVm: number;
  readonly #max: number;
  readonly #waitMs: number;

  /** `left` is told why a client does not wait any longer, for the log. */
  constructor(
    limits: WaitingLimits,
    private readonly left: (vm: string, why: string) => void,
  ) {
    this.#maxPerVm = limits.maxWaitingPerVm ?? DEFAULT_MAX_WAITING_PER_VM;
    this.#max = limits.maxWaiting ?? DEFAULT_MAX_WAITING;
    this.#waitMs = limits.waitMs ?? DEFAULT_WAIT_MS;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** How many of one VM wait. */
  countOf(vm: string): number {
    return this.#entries.reduce((count, entry) => count + (entry.vm === vm ? 1 : 0), 0);
  }

  /** Lets a client wait, in front of the others if it was already on its way. Takes ownership; refusing it closes it. */
  add(client: ArrivedClient, first = false): void {
    let refusal: string | undefined;
    if (this.countOf(client.vm) >= this.#maxPerVm) refusal = `${this.#maxPerVm} clients of this VM wait already`;
    else if (this.#entries.length >= this.#max) refusal = `${this.#max} clients wait already`;
    if (refusal !== undefined) {
      client.fd.close();
      this.left(client.vm, `refused: ${refusal}`);
      return;
    }
    let poll: Poll;
    try {
      poll = new native.Poll(client.fd.fd, () => this.#drop(entry, 'left before there was a compositor'));
    } catch (error) {
      client.fd.close();
      this.left(client.vm, `refused: ${(error as Error).message}`);
      return;
    }
    const timer = setTimeout(() => this.#drop(entry, `no compositor came within ${this.#waitMs} ms`), this.#waitMs);
    const entry: Entry = { vm: client.vm, fd: client.fd, poll, timer };
    poll.start(POLL_DISCONNECT);
    if (first) this.#entries.unshift(entry);
    else this.#entries.push(entry);
  }

  /** The one that has waited longest, now the caller's. */
  take(): ArrivedClient | undefined {
    const entry = this.#entries[0];
    if (entry === undefined) return undefined;
    this.#forget(entry);
    return { vm: entry.vm, fd: entry.fd };
  }

  /** Closes all that wait of one VM, or of all. */
  dropAll(vm?: string): void {
    for (const entry of [...this.#entries]) {
      if (vm !== undefined && entry.vm !== vm) continue;
      this.#forget(entry);
      entry.fd.close();
    }
  }

  #drop(entry: Entry, why: string): void {
    this.#forget(entry);
    entry.fd.close();
    this.left(entry.vm, why);
  }

  #forget(entry: Entry): void {
    clearTimeout(entry.timer);
    entry.poll.close();
    this.#entries = this.#entries.filter(other => other !== entry);
  }
}
