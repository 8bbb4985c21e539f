/** Who shares a compositor, and by which time. `pace.ts` asks. */
import { performance } from 'node:perf_hooks';

/** The time, in milliseconds: a test has its own. */
export interface PaceClock {
  now(): number;
  after(milliseconds: number, act: () => void): void;
  /** When what has come meanwhile was looked at. */
  soon(act: () => void): void;
}

const CLOCK: PaceClock = {
  now: () => performance.now(),
  after: (milliseconds, act) => void setTimeout(act, milliseconds),
  soon: act => void setImmediate(act),
};

/** A VM. */
export interface Speaker {
  /** Whether it has said anything lately. */
  spokeLately(now: number): boolean;
  /** Whether there is no other. */
  only: boolean;
}

/** The VMs whose clients share a compositor. */
export class Sharers {
  readonly #paces = new Set<Speaker>();

  constructor(readonly clock: PaceClock = CLOCK) {}

  /** @internal */
  add(pace: Speaker): void {
    this.#paces.add(pace);
    this.#note();
  }

  /** @internal */
  delete(pace: Speaker): void {
    this.#paces.delete(pace);
    this.#note();
  }

  #note(): void {
    for (const pace of this.#paces) pace.only = this.#paces.size === 1;
  }

  /** Whether a VM other than that of `pace` has said anything lately. */
  others(pace: Speaker, now: number): boolean {
    for (const other of this.#paces) if (other !== pace && other.spokeLately(now)) return true;
    return false;
  }
}
