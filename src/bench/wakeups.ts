/**
 * How often the parts of a frame's way were woken, in real VMs: kicks and interrupts of both VMs' devices, and the turns of
 * the event loop of each process of ours, every one of which waits by epoll once. In: what these processes tell of
 * themselves. Differences count.
 */
import type { VmStack } from '../demo/vm-stack.js';
import type { PartStatus } from '../demo/host-parts.js';
import type { DeviceKind } from '../host/guest/vmm-arguments.js';
import type { Notifications } from '../host/guest/device.js';
import type { GuestProgram } from '../vm/guest-program.js';

/** What is counted, in the order of a frame's way. */
export const WAKEUPS = [
  'virtwl run turns',
  'client kicks',
  'client interrupts',
  'client host turns',
  'compositor host turns',
  'compositor kicks',
  'compositor interrupts',
  'glue turns',
] as const;
export type Wakeup = (typeof WAKEUPS)[number];
export type Wakeups = Readonly<Record<Wakeup, number>>;

/** What has been counted so far. `client`: the client VM, `proxy`: its `virtwl run`. */
export async function wakeups(
  stack: VmStack,
  transport: DeviceKind,
  client: string,
  proxy: GuestProgram,
): Promise<Wakeups> {
  const [run, glue] = [await stack.statusOf(proxy), await stack.statusOf(stack.compositor)];
  const [near, far] = [await stack.status(`${client}-host`), await stack.status(`${stack.compositorVm}-host`)];
  const device = (status: PartStatus): Notifications => status[transport === 'gpu' ? 'gpu' : 'device'] as Notifications;
  return {
    'virtwl run turns': turns(run),
    'client kicks': device(near).kicks,
    'client interrupts': device(near).interrupts,
    'client host turns': turns(near),
    'compositor host turns': turns(far),
    'compositor kicks': device(far).kicks,
    'compositor interrupts': device(far).interrupts,
    'glue turns': turns(glue),
  };
}

/** What came in between, by frame. */
export function wakeupsPerFrame(before: Wakeups, after: Wakeups, frames: number): Wakeups {
  return Object.fromEntries(WAKEUPS.map(what => [what, (after[what] - before[what]) / frames])) as Record<
    Wakeup,
    number
  >;
}

/** NaN where its Node.js does not tell. */
function turns({ loop }: PartStatus): number {
  return (loop as { readonly turns?: number } | undefined)?.turns ?? NaN;
}
