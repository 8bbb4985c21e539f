/**
 * Processor time of the processes that a frame goes through: in the guests by role, read in one script each; on the host
 * that of QEMU and of the host processes. Times are those since a process began, in milliseconds; differences count.
 *
 * The kernel counts in ticks of 10 ms, so a measurement is of some seconds.
 */
import { readFileSync } from 'node:fs';
import type { VmStack } from '../demo/vm-stack.js';

/** Of the guests' kernel and, on any machine that this runs on, of the host's: USER_HZ. */
const TICK_MS = 10;

/** Whose time is told apart. `client` tells its own. */
export const ROLES = ['virtwl run', 'glue', 'compositor', 'QEMU', 'host processes'] as const;
export type Role = (typeof ROLES)[number];
export type CpuTimes = Readonly<Record<Role, number>>;

/** Role, VM, and how the process is found there: a pattern of pgrep's, for the whole command line. */
const IN_GUESTS: readonly (readonly [Role, 'client' | 'compositor', string])[] = [
  ['virtwl run', 'client', '^node .*main.js run'],
  ['glue', 'compositor', '^node .*main.js compositor'],
  ['compositor', 'compositor', '^sway '],
];

export async function cpuTimes(stack: VmStack, client: string): Promise<CpuTimes> {
  const times: Record<Role, number> = { 'virtwl run': 0, glue: 0, compositor: 0, QEMU: 0, 'host processes': 0 };
  const vms: Readonly<Record<'client' | 'compositor', string>> = { client, compositor: 'compositor' };
  for (const which of ['client', 'compositor'] as const) {
    const here = IN_GUESTS.filter(([, vm]) => vm === which);
    const script = here.map(
      ([, , pattern], i) => `for pid in $(pgrep -f '${pattern}'); do echo ${i} $(cat /proc/$pid/stat); done`,
    );
    const { output } = await stack.machine(vms[which]).run(script.join('\n'));
    for (const line of output.split('\n')) {
      const [, i, stat = ''] = /^(\d) (.*)$/.exec(line) ?? [];
      if (i !== undefined) times[here[Number(i)]![0]] += ticksOf(stat) * TICK_MS;
    }
  }
  // Last, and first of what comes after: asking the guests is work of QEMU's too.
  for (const { pid } of stack.machines.values()) times.QEMU += hostTime(pid!);
  for (const [name, { process }] of stack.parts) {
    if (name.endsWith('-host')) for (const pid of descendants(process.pid!)) times['host processes'] += hostTime(pid);
  }
  return times;
}

/** What came in between, by frame. */
export function perFrame(before: CpuTimes, after: CpuTimes, frames: number): CpuTimes {
  return Object.fromEntries(ROLES.map(role => [role, (after[role] - before[role]) / frames])) as Record<Role, number>;
}

function hostTime(pid: number): number {
  return ticksOf(readFileSync(`/proc/${pid}/stat`, 'utf8')) * TICK_MS;
}

/** utime and stime; the name before them may hold anything, in parentheses. */
function ticksOf(stat: string): number {
  const fields = stat.split(') ').at(-1)!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** A process and all that it started, directly or not. */
export function descendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(descendants)];
}
