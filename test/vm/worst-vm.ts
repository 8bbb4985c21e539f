/**
 * A small guest whose device is a real, confined host process, beside whatever runs on the host already: for programs
 * that do their worst, and for those who look at what that costs. Nothing of it may outlive the test.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import { NODE_FLAGS, statusOf, VIRTWL, type PartStatus } from '../../src/demo/host-parts.js';
import type { DeviceKind } from '../../src/host/guest/vmm-arguments.js';
import type { Machine } from '../../src/vm/machine.js';
import { smallGuest } from './guests.js';

/** Lines of the host process that are kept. A guest that does its worst causes many. */
const KEPT_LINES = 2000;
/** Of them, those that are shown when it ends and nobody has asked for that. */
const SHOWN_LINES = 40;

/** How long what was closed may be held, in milliseconds: it may still be delivering (10 s), and unmapping takes its time. */
const CLOSING_MS = 60_000;

/**
 * How long a guest is to do its worst, in its own seconds: VIRTWL_WORST_SECONDS, else this long. The test command's are
 * short, and their seeds always the same; to find what is rare, give it an hour.
 */
export function worstSeconds(otherwise: number): number {
  const seconds = Number(process.env.VIRTWL_WORST_SECONDS ?? otherwise);
  if (!(seconds >= 1)) throw new Error('VIRTWL_WORST_SECONDS has to be a number of seconds, at least 1');
  return seconds;
}

export interface WorstVmOptions {
  readonly name: string;
  /** Its device. Default: wl. */
  readonly transport?: DeviceKind;
  /** C programs of this directory that the guest finds in /virtwl. */
  readonly programs: readonly string[];
  /** More arguments of `virtwl host`: the servers that the guest may reach, its limits. */
  readonly hostArguments: readonly string[];
}

/** What the host process tells of itself when it is asked. */
export interface HostStatus extends PartStatus {
  readonly allocator?: { readonly budget: number; readonly used: number; readonly pieces: number };
  /** Of a gpu device. */
  readonly gpu?: Readonly<Record<string, number>>;
  /** Of a wl device. */
  readonly device: {
    readonly connected: boolean;
    readonly vfds: number;
    readonly connections: number;
    readonly pipes: number;
    readonly queuedBytes: number;
    readonly mappings: number;
    readonly allocBytes: number;
  };
}

export class WorstVm {
  private constructor(
    readonly host: ChildProcess,
    public machine: Machine,
    /** What the host process has printed last. */
    readonly lines: readonly string[],
    private readonly boot: () => Promise<Machine>,
    readonly kind: DeviceKind,
  ) {}

  /** Both end with the test. */
  static async start(t: Test, options: WorstVmOptions): Promise<WorstVm> {
    const { name, transport: kind = 'wl', programs, hostArguments } = options;
    const directory = mkdtempSync(join(tmpdir(), 'virtwl-worst-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const device = { kind, socket: join(directory, kind) };
    const option = kind === 'gpu' ? '--gpu-socket' : '--socket';
    const host = spawn(
      process.execPath,
      [...NODE_FLAGS, VIRTWL, 'host', '--vm', name, option, device.socket, ...hostArguments],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    host.once('exit', (status, signal) => {
      if (host.killed) return;
      t.comment(
        `the host process of "${name}" ended with ${status ?? signal}. It said last:`,
        lines.slice(-SHOWN_LINES),
      );
    });
    t.teardown(() => ended(host));
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      for (const input of [host.stdout, host.stderr]) {
        createInterface({ input }).on('line', line => {
          lines.push(line);
          if (lines.length > KEPT_LINES) lines.shift();
          if (line.startsWith('ready: ')) resolve();
        });
      }
      host.once('exit', status => reject(new Error(`the host process ended with ${status}: ${lines.join('\n')}`)));
    });
    const boot = async (): Promise<Machine> => (await smallGuest(t, { name, devices: [device], programs })).machine;
    return new WorstVm(host, await boot(), lines, boot, kind);
  }

  /**
   * Runs the driver of the guest's own. A guest may end its own QEMU with it: 11.1 has a fault of that kind that we know
   * (docs/vm-images.md), and the first rule is about everybody else. So if QEMU ends by a signal that is said, the device
   * must have lived, and the next guest goes on with the next seed; a second time is a failure.
   */
  async rawRing(
    t: Test,
    seconds: number,
    seed: number,
    timeoutMs: number,
  ): Promise<{ status: number; output: string }> {
    const program = this.kind === 'gpu' ? 'raw_ring_gpu' : 'raw_ring';
    const run = (from: number): Promise<{ status: number; output: string }> =>
      this.machine.run(`/virtwl/${program} --seconds ${seconds} --seed ${from}`, timeoutMs);
    try {
      return await run(seed);
    } catch (error) {
      if (!(error as Error).message.includes('QEMU was ended by SIGSEGV')) throw error;
      t.comment(`QEMU HAS ENDED BY SIGSEGV, at seed ${seed}: ${(error as Error).message}`);
      console.error(`virtwl test: QEMU has ended by SIGSEGV under ${program}, seed ${seed}; once is passed over`);
      t.ok(this.served, 'the device outlives QEMU');
      this.machine = await this.boot();
      return run(seed + 1);
    }
  }

  /** Ends the VM and boots it again, on the same host process. */
  async restart(): Promise<void> {
    await this.machine.stop();
    this.machine = await this.boot();
  }

  /** Whether the host process runs. */
  get served(): boolean {
    return this.host.exitCode === null && this.host.signalCode === null;
  }

  /** What its device holds for the guest, and the allocator for everybody: each 0 where nothing is left. */
  async held(): Promise<Readonly<Record<string, number | undefined>>> {
    const { device, gpu, allocator } = await this.status();
    const { connections, pipes, queuedBytes, mappings, allocBytes } = gpu ?? device;
    const own = gpu === undefined ? { vfds: device.vfds } : { contexts: gpu.contexts, resources: gpu.resources };
    return { ...own, connections, pipes, queuedBytes, mappings, allocBytes, used: allocator?.used ?? 0 };
  }

  async status(): Promise<HostStatus> {
    return (await statusOf(this.host)) as HostStatus;
  }
}

/**
 * Asserts that all is as if nothing had been, for the next program or, where the guest has had its way with the rings itself,
 * for the next guest: what such a guest has done to its own device is its own affair.
 */
export async function nothingIsLeft(t: Test, vm: WorstVm, next: 'program' | 'guest'): Promise<void> {
  t.ok(vm.machine.running, 'QEMU lives');
  t.ok(vm.served, 'the device lives');
  // Of a gpu device the driver is not ours: it warns of nonsensical arguments.
  if (vm.kind === 'wl') {
    const { output } = await vm.machine.run('dmesg | grep -E "WARNING:|BUG:|Oops:|memtype|lockup|refcount_t|leaked"');
    t.equal(output, '', 'the kernel has nothing to complain of');
  }
  if (next === 'guest') await vm.restart();
  const program = vm.kind === 'gpu' ? 'worst_gpu' : 'worst';
  t.match(
    await vm.machine.run(`/virtwl/${program} check`),
    { status: 0 },
    `the next ${next} finds the device as it was`,
  );
  let held = await vm.held();
  const isNothing = (): boolean => Object.values(held).every(count => count === 0);
  for (const end = Date.now() + CLOSING_MS; !isNothing() && Date.now() < end; held = await vm.held()) await pause(1000);
  t.ok(isNothing(), 'the device holds nothing for it, and nobody memory of the allocator’s', { held });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}
