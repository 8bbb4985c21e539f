/**
 * What the glue and the compositor hold on account of one client VM, against bounds of its own, so that one greedy VM
 * cannot take it all: bytes of slabs (a share of the compositor VM's budget), objects, connections; and the keymaps that
 * its clients were given.
 */
import { createHash } from 'node:crypto';
import type { AllocatorClient } from '../src/allocator/client.js';
import { VmFirewall } from '../src/firewall/firewall.js';
import type { PixelBounds } from '../src/firewall/geometry.js';
import type { Mapping } from '../src/system/native.js';
import type { Memory } from '../src/virtwl/vfd.js';
import { MAX_KEYMAP_BYTES } from '../src/relay/keymap.js';
import type { Transfers } from '../src/relay/transfers.js';
import type { ObjectAccount } from '../src/relay/object-map.js';
import type { Deny } from './denials.js';
import type { Slab } from './slab.js';

/**
 * The share of a client VM where the allocator does not tell its budget, in bytes: some thirty windows of 1080p with two
 * buffers each, eight of 4K.
 */
export const DEFAULT_VM_SHARE = 512 << 20;
/** What part of the budget is one VM's otherwise: one that uses all of its share leaves the others as much. */
const SHARE_OF_BUDGET = 1 / 2;

/** The share of a client VM, in bytes, of a budget of so many; undefined: nobody knows. */
export function shareOf(budget: number | undefined): number {
  return budget === undefined ? DEFAULT_VM_SHARE : Math.max(1, Math.floor(budget * SHARE_OF_BUDGET));
}

/**
 * Objects of all clients of a VM together, as {@link ObjectAccount} counts them: a program has hundreds, a browser some
 * thousands. Each costs some 200 bytes here, and up to some 2 KiB in the compositor, which no client's share of memory
 * covers: 200 MiB at most.
 */
export const DEFAULT_OBJECTS_PER_VM = 100_000;
/**
 * How long a request waits for memory that this VM's clients have given up and that is still held, in milliseconds: a
 * client that replaces a slab by another asks before the compositor has unmapped the first. A client that keeps the old
 * one is refused then.
 */
export const RELEASE_WAIT_MS = 1000;
/** How often the clients of a VM are told that it is short of memory, in milliseconds: each of them is, each time. */
export const SHORT_INTERVAL_MS = 100;
/** Keymaps kept per VM: a layout switch brings a new one, and a seat has few. */
export const MAX_KEYMAPS = 8;
/**
 * Their bytes together, which are no part of the VM's share. A keymap has some 60 KiB; the largest that is carried, 4 MiB,
 * is kept as well, alone.
 */
export const MAX_KEPT_KEYMAP_BYTES = MAX_KEYMAP_BYTES;

/** A client of the VM that is told when another is refused memory. */
interface Member {
  short(bytes: number): void;
}

export class VmAccount implements ObjectAccount {
  #bytes = 0;
  #slabs = 0;
  /** Slabs that more clients may join, by key. */
  readonly shared = new Map<string, Slab>();
  /** Its clients, as far as memory goes. */
  readonly members = new Set<Member>();
  #lastShort = -Infinity;
  #objects = 0;
  /** Host memory with a keymap's bytes, by their hash. */
  readonly #keymaps = new Map<string, Memory>();
  /** What its clients have in common at the firewall. */
  readonly firewall: VmFirewall;
  /** Connections that this VM has now. */
  clients = 0;
  /** Bytes of {@link bytes} that were given up and are still held. */
  #leaving = 0;
  #leavingSlabs = 0;
  /** Told whenever something was taken off the account. */
  readonly #waiting = new Set<() => void>();
  /** Called when nothing is on the account any more that was. */
  whenIdle: () => void = () => undefined;
  /** Frames of its clients that have left: see `client-frames.ts`. */
  framesOfThoseLeft = 0;
  /** Is told what its clients were refused. */
  deny: Deny = () => undefined;
  /** The way to the host's memory, for this VM alone: so its requests take turns with those of others. */
  allocator: AllocatorClient | undefined;

  constructor(
    readonly name: string,
    readonly share: number,
    /** Clipboard pipes of this VM's clients. The account's to close. */
    readonly transfers: Transfers,
    readonly maxObjects = DEFAULT_OBJECTS_PER_VM,
    /** Objects of one kind, where they are not as by default. */
    limits?: Readonly<Record<string, number>>,
    pixels?: PixelBounds,
    /** Of the compositor's time. */
    timeShare?: number,
  ) {
    this.firewall = new VmFirewall(name, limits, pixels, timeShare);
    this.firewall.population.refused = (kind, most) => this.deny(`limit ${kind}`, `it has ${most} ${kind} already`);
  }

  /** Places for objects that its connections take. */
  get objects(): number {
    return this.#objects;
  }

  takePlace(): boolean {
    if (this.#objects >= this.maxObjects) {
      this.deny('objects', `it has ${this.maxObjects} objects already`);
      return false;
    }
    this.#objects += 1;
    return true;
  }

  givePlaces(count: number): void {
    this.#objects -= count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The most slabs that there may be at a time. */
  get maxSlabs(): number {
    return this.firewall.population.most('slabs');
  }

  /** Slabs on the account. */
  get slabs(): number {
    return this.#slabs;
  }

  /** Whether nothing is on the account any more, and no client uses it. */
  get idle(): boolean {
    return this.clients === 0 && this.#slabs === 0 && this.transfers.count === 0;
  }

  /** Puts a slab of `bytes` on the account. False, and nothing changed, where it exceeds the share or their number. */
  charge(bytes: number): boolean {
    if (this.#bytes + bytes > this.share || this.#slabs >= this.maxSlabs) return false;
    this.#bytes += bytes;
    this.#slabs += 1;
    return true;
  }

  /** Takes a slab that was charged off it. */
  credit(bytes: number): void {
    this.#bytes -= bytes;
    this.#slabs -= 1;
    for (const told of [...this.#waiting]) told();
    if (this.idle) this.whenIdle();
  }

  /**
   * Takes a slab off the account that was given up, once nobody holds it: a client VM may have kept it. At once, where
   * the allocator does not tell.
   */
  creditWhen(gone: Promise<void> | undefined, bytes: number): void {
    if (gone === undefined) {
      this.credit(bytes);
      return;
    }
    this.#leaving += bytes;
    this.#leavingSlabs += 1;
    void gone.then(() => {
      this.#leaving -= bytes;
      this.#leavingSlabs -= 1;
      this.credit(bytes);
    });
  }

  /**
   * As {@link charge}, of what could not be charged now: waits for what is about to leave, at most `waitMs` milliseconds.
   * Undefined where that would not be enough, or where as many wait as there may be slabs: one may ask and let go over and
   * over.
   */
  chargeSoon(bytes: number, waitMs = RELEASE_WAIT_MS): Promise<boolean> | undefined {
    const left = this.#bytes - this.#leaving;
    if (this.#waiting.size >= this.maxSlabs) return undefined;
    if (left + bytes > this.share || this.#slabs - this.#leavingSlabs >= this.maxSlabs) return undefined;
    return new Promise(resolve => {
      const end = (charged: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(told);
        resolve(charged);
      };
      const told = (): void => {
        if (this.charge(bytes)) end(true);
      };
      const timer = setTimeout(() => end(false), waitMs);
      this.#waiting.add(told);
    });
  }

  /** One of the clients was refused so many bytes: the others may have something to give up. */
  tellShort(bytes: number, refused: Member): void {
    const now = performance.now();
    if (now - this.#lastShort < SHORT_INTERVAL_MS) return;
    this.#lastShort = now;
    for (const member of this.members) if (member !== refused) member.short(bytes);
  }

  keymap(hash: string): Memory | undefined {
    return this.#keymaps.get(hash);
  }

  /** Takes ownership of `memory`; the oldest ones go when there are too many or too large. */
  keepKeymap(hash: string, memory: Memory): void {
    this.#keymaps.get(hash)?.close();
    this.#keymaps.set(hash, memory);
    for (const [oldest, old] of this.#keymaps) {
      if (this.#keymaps.size <= MAX_KEYMAPS && this.keymapBytes <= MAX_KEPT_KEYMAP_BYTES) break;
      old.close();
      this.#keymaps.delete(oldest);
    }
  }

  /** Bytes of the keymaps that are kept. */
  get keymapBytes(): number {
    return [...this.#keymaps.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** The VM has no client any more. Transfers go on: what a client wrote before it left is to arrive. */
  forgetKeymaps(): void {
    for (const memory of this.#keymaps.values()) memory.close();
    this.#keymaps.clear();
  }

  close(): void {
    this.forgetKeymaps();
    this.transfers.close();
    this.allocator?.close();
    this.allocator = undefined;
  }
}

/** Names a keymap by its contents. */
export function keymapHash(keymap: Mapping, size: number): string {
  return createHash('sha256')
    .update(new Uint8Array(keymap.buffer, 0, size))
    .digest('base64');
}
