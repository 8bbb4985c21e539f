/**
 * What the clients of each VM were refused, by the setting of a policy that refuses it: how often, when the last time, and
 * where the setting stands. It outlives the VM's account, since who was turned away has none. The first of each kind is
 * told, for the log; what a client does over and over is counted.
 */
import { isoTime } from '../src/observe/clock-time.js';
import { bounded } from '../src/observe/printable.js';
import type { DenialReport } from '../src/observe/status-report.js';

/** VMs whose denials are kept: as many as a broker serves. One more takes the place of the one that came first. */
export const MAX_DENIED_VMS = 256;

/** Is told that something was refused: the setting, as a policy has it, and what was refused, for people. */
export type Deny = (setting: string, text: string) => void;

/** The setting of a denial that no policy makes: the allocator of the host has no memory. */
export const HOST_MEMORY = 'host memory';

interface Denial {
  policy: string | undefined;
  count: number;
  last: number;
  text: string;
}

export class Denials {
  /** By VM, then by setting: of those there are as many as a policy knows. */
  readonly #byVm = new Map<string, Map<string, Denial>>();

  /** `first` is told the first denial of each setting and VM. */
  constructor(private readonly first: (vm: string, denial: DenialReport) => void) {}

  /** `policy`: where the setting stands, where it does in a file. */
  add(vm: string, setting: string, policy: string | undefined, text: string): void {
    let denials = this.#byVm.get(vm);
    if (denials === undefined) {
      const [oldest] = this.#byVm.keys();
      if (this.#byVm.size >= MAX_DENIED_VMS) this.#byVm.delete(oldest!);
      this.#byVm.set(vm, (denials = new Map<string, Denial>()));
    }
    const known = denials.get(setting);
    if (known !== undefined) {
      known.count += 1;
      known.last = performance.now();
      known.text = text;
      return;
    }
    const denial = { policy, count: 1, last: performance.now(), text };
    denials.set(setting, denial);
    this.first(vm, reportOf(setting, denial));
  }

  get vms(): Iterable<string> {
    return this.#byVm.keys();
  }

  /** Those of one VM, the latest first. */
  of(vm: string): DenialReport[] {
    const all = [...(this.#byVm.get(vm) ?? [])].sort(([, a], [, b]) => b.last - a.last);
    return all.map(([setting, denial]) => reportOf(setting, denial));
  }

  /** How many each VM had. */
  get counts(): Record<string, number> {
    const sum = (denials: Map<string, Denial>): number =>
      [...denials.values()].reduce((before, { count }) => before + count, 0);
    return Object.fromEntries([...this.#byVm].map(([vm, denials]) => [vm, sum(denials)]));
  }
}

function reportOf(setting: string, { policy, count, last, text }: Denial): DenialReport {
  const stands = policy === undefined ? undefined : { policy: bounded(policy) };
  return { setting, ...stands, count, last: isoTime(last), text: bounded(text) };
}
