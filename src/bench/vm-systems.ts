/**
 * The ways from a client to the compositor that are compared in real VMs: beside the compositor in its VM, and from a
 * client VM by copy and drawn directly; each in a pair of VMs by transport. A measurement is the client's own, with the
 * processor time of all that it went through, and how often that was woken.
 */
import { fileURLToPath } from 'node:url';
import type { VmStack } from '../demo/vm-stack.js';
import type { DeviceKind } from '../host/guest/vmm-arguments.js';
import type { GuestProgram } from '../vm/guest-program.js';
import { cpuTimes, perFrame, type CpuTimes } from './cpu.js';
import { parseMeasurement, type Case, type Measurement } from './measure.js';
import { wakeups, wakeupsPerFrame, type Wakeups } from './wakeups.js';

export const VM_SYSTEMS = ['inside', 'copied', 'drawn'] as const;
export type VmSystemName = (typeof VM_SYSTEMS)[number];

/** The client VM. */
export const CLIENT = 'client';
/** The plain client, as it is built on this machine. The guests have the library that it needs. */
export const PLAIN_CLIENT = fileURLToPath(new URL('../../../build/bench/client', import.meta.url));
/** Where the guests have the two clients. */
const PLAIN = '/virtwl/bench-client';
const DRAWING = ['node', '/virtwl/package/dist/src/bench/direct-client.js'];
/** How long "virtwl run" may take until its socket is there, in milliseconds. */
const START_TIMEOUT_MS = 120_000;

export interface VmMeasurement extends Measurement {
  /** Processor time by frame, in milliseconds; the client's is in `cpu_us`, of all frames. */
  readonly cpu: CpuTimes;
  /** Kicks, interrupts and turns of event loops by frame, those of the client's start included. */
  readonly wakeups: Wakeups;
}

export class VmSystems {
  private constructor(
    readonly transport: DeviceKind,
    private readonly stack: VmStack,
    private readonly proxy: GuestProgram,
    private readonly proxyDisplay: string,
  ) {}

  /** Starts `virtwl run` in the client VM: where a session has one, its start is nothing that a frame costs. */
  static async start(stack: VmStack, transport: DeviceKind): Promise<VmSystems> {
    const proxy = await stack.virtwl(CLIENT, ['run']);
    const said = /^WAYLAND_DISPLAY=(.*)$/m;
    const { output } = await proxy.until('word of its display', state => said.test(state.output), START_TIMEOUT_MS);
    return new VmSystems(transport, stack, proxy, said.exec(output)![1]!);
  }

  async measure(system: VmSystemName, { mode, size }: Case, seconds: number): Promise<VmMeasurement> {
    const { stack } = this;
    const args = ['--mode', mode, '--size', size, '--seconds', String(seconds)];
    const woken = (): Promise<Wakeups> => wakeups(stack, this.transport, CLIENT, this.proxy);
    const wokenBefore = await woken();
    const before = await cpuTimes(stack, CLIENT);
    const { status, output } = await {
      inside: () => stack.run('compositor', [PLAIN, ...args], { WAYLAND_DISPLAY: stack.display }),
      copied: () => stack.run(CLIENT, [PLAIN, ...args], { WAYLAND_DISPLAY: this.proxyDisplay }),
      drawn: () => stack.run(CLIENT, [...DRAWING, ...args]),
    }[system]();
    const after = await cpuTimes(stack, CLIENT);
    const wokenAfter = await woken();
    const line = output.split('\n').find(text => text.startsWith('{'));
    if (status !== 0 || line === undefined) throw new Error(`the client ended with status ${status}: ${output.trim()}`);
    const found = parseMeasurement(line);
    const frames = found.frames + found.before;
    return {
      ...found,
      cpu: perFrame(before, after, frames),
      wakeups: wakeupsPerFrame(wokenBefore, wokenAfter, frames),
    };
  }

  async stop(): Promise<void> {
    await this.proxy.signalAlone('TERM');
  }
}
