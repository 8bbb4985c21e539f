/**
 * A running VM: QEMU with a kernel, an initial RAM disk, perhaps a disk, and perhaps devices of ours, wl, gpu or both, that a
 * vhost-user back-end serves. In: scripts for the guest. Out: their status and output, and the console's lines. The VM ends with
 * {@link Machine.stop}, with the process that started it, or with one of its devices: QEMU cannot be given another one, and
 * what waits for it in the guest would wait for ever.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { qemuDevice } from '../host/guest/vmm-arguments.js';
import { ConsoleLog } from './console-log.js';
import { AGENT_PORT, FAILED_LINE, READY_LINE } from './initramfs.js';
import type { Qemu } from './qemu.js';
import { DeviceConnection, type GuestDevice } from './device-connection.js';

export type Accelerator = 'kvm' | 'tcg';

/**
 * How long a guest may be silent while it boots, in milliseconds. Under emulation, on a machine that is busy, nothing
 * comes for a minute now and then; a guest that hangs is silent for ever.
 */
const BOOT_SILENCE_MS = 180_000;
/** How long a look at a program, or a signal, may take, in milliseconds: as long as a script, for which it may have to wait. */
const LOOK_TIMEOUT_MS = 300_000;
/** Lines of the console that are shown when the guest failed. */
const SHOWN_LINES = 40;
/** How long QEMU may take to end when asked to, in milliseconds; it has nothing to save. */
const STOP_MS = 2_000;
/** Where QEMU finds the connection to its first device: behind standard error. The next one's is the next. */
const FIRST_DEVICE_FD = 3;

/**
 * A kernel that cannot go on ends the machine. The others are for emulation on a busy machine, where a processor of the
 * guest may stand still for seconds: no conclusions about its timers are to be drawn from that, and no alarm raised.
 */
const KERNEL_ARGUMENTS = 'console=ttyS0 quiet panic=-1 oops=panic no_timer_check tsc=reliable nowatchdog';

/**
 * What an emulated guest measures of its time stamp counter while its processor stands still can be far from right, and
 * its clock then runs several times too fast. The HPET's rate is known.
 */
const EMULATED_CLOCK = 'clocksource=hpet';

export interface MachineOptions {
  /** As it shows in messages. */
  readonly name: string;
  readonly qemu: Qemu;
  readonly accelerator: Accelerator;
  /** Path of the kernel. */
  readonly kernel: string;
  readonly initramfs: Uint8Array;
  readonly memoryBytes: number;
  readonly processors?: number;
  /** An ext4 image; what the guest writes to it is gone with the machine. */
  readonly disk?: string | undefined;
  /** Its devices of ours, one of a kind at most: the kinds, and the vhost-user sockets, which must listen already. */
  readonly devices?: readonly GuestDevice[];
  /** A guest that restarts does so in the same QEMU; else that ends the machine. */
  readonly mayRestart?: boolean;
  /** More words of the kernel's command line. */
  readonly kernelArguments?: string;
  readonly onLine?: ((line: string) => void) | undefined;
  /** Gives up on the guest while it boots. */
  readonly abort?: AbortSignal | undefined;
}

/** What a guest's program has printed, and whether it goes on. */
export interface ProgramState {
  /** Its exit status, 128 and more for signals; undefined while it runs. */
  readonly status: number | undefined;
  readonly output: string;
  readonly errors: string;
}

export interface ScriptResult {
  readonly status: number;
  readonly output: string;
}

function qemuArguments(options: MachineOptions, directory: string): string[] {
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio'],
    // A caller that waits for a guest has to learn that it ended.
    ...(options.mayRestart === true ? [] : ['-no-reboot']),
    ...['-accel', options.accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    ...['-cpu', options.accelerator === 'kvm' ? 'host' : 'max', '-smp', String(options.processors ?? 2)],
    // The back-end has the guest's memory mapped, so it is shared.
    ...['-machine', 'q35,memory-backend=memory'],
    ...['-object', `memory-backend-memfd,id=memory,size=${options.memoryBytes},share=on`],
    ...['-kernel', options.kernel, '-initrd', join(directory, 'initramfs')],
    ...[
      '-append',
      [KERNEL_ARGUMENTS, ...(options.accelerator === 'tcg' ? [EMULATED_CLOCK] : []), options.kernelArguments ?? '']
        .join(' ')
        .trim(),
    ],
    ...[
      '-device',
      'virtio-serial-pci',
      '-chardev',
      `socket,id=agent,path=${join(directory, 'agent')},server=on,wait=off`,
    ],
    ...['-device', `virtserialport,chardev=agent,name=${AGENT_PORT}`],
    ...(options.disk === undefined ? [] : ['-drive', `file=${options.disk},format=raw,if=virtio,snapshot=on`]),
    ...(options.devices ?? []).flatMap(({ kind }, i) => qemuDevice(kind, `fd=${FIRST_DEVICE_FD + i}`)),
  ];
}

export class Machine {
  readonly console = new ConsoleLog();
  /** How long the guest took to be ready, in milliseconds. */
  bootMs = 0;
  #agent: Socket | undefined;
  #answers = '';
  #waiting = new Map<number, (words: readonly string[]) => void>();
  #number = 0;
  #ended: string | undefined;
  /** Set when a device of it has gone: what is told then. */
  #lostDevice: string | undefined;
  readonly #gone: Promise<void>;
  readonly #endings = new Set<() => void>();
  readonly #killAtExit = (): void => void this.child.kill('SIGKILL');

  private constructor(
    readonly options: MachineOptions,
    private readonly child: ChildProcess,
    private readonly directory: string,
    connections: readonly DeviceConnection[],
  ) {
    child.stdout?.on('data', (bytes: Buffer) => this.console.take(bytes));
    child.stderr?.on('data', (bytes: Buffer) => this.console.take(bytes));
    if (options.onLine !== undefined) this.console.on('line', options.onLine);
    process.once('exit', this.#killAtExit);
    this.#gone = new Promise(resolve => {
      const end = (how: string): void => {
        if (this.#ended !== undefined) return;
        this.#ended = this.#lostDevice ?? how;
        process.removeListener('exit', this.#killAtExit);
        this.#agent?.destroy();
        for (const connection of connections) connection.close();
        rmSync(directory, { recursive: true, force: true });
        resolve();
        for (const ending of this.#endings) ending();
      };
      child.once('error', error => end(`QEMU did not start: ${error.message}`));
      child.once('close', (status, signal) =>
        end(signal === null ? `QEMU ended with status ${status}` : `QEMU was ended by ${signal}`),
      );
    });
    for (const connection of connections) {
      void connection.gone.then(() => {
        if (this.#lostDevice !== undefined) return;
        const { kind, socket } = connection.device;
        this.#lostDevice = `its host process is gone: the one that served its ${kind} device at ${socket} has ended or has hung up`;
        this.console.take(Buffer.from(`virtwl: VM "${options.name}": ${this.#lostDevice}; the VM ends\n`));
        void this.stop();
      });
    }
  }

  /** Starts QEMU and waits until the guest takes scripts. */
  static async start(options: MachineOptions): Promise<Machine> {
    const directory = mkdtempSync(join(tmpdir(), 'virtwl-vm-'));
    let machine: Machine;
    const connections: DeviceConnection[] = [];
    try {
      for (const device of options.devices ?? []) connections.push(new DeviceConnection(device));
      writeFileSync(join(directory, 'initramfs'), options.initramfs);
      // When we are killed we cannot end QEMU any more: the kernel does it then.
      const child = spawn(
        'setpriv',
        ['--pdeathsig', 'KILL', '--', ...options.qemu.command, ...qemuArguments(options, directory)],
        {
          env: { ...process.env, ...options.qemu.env },
          stdio: ['ignore', 'pipe', 'pipe', ...connections.map(({ fd }) => fd)],
        },
      );
      machine = new Machine(options, child, directory, connections);
    } catch (error) {
      for (const connection of connections) connection.close();
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
    try {
      await machine.#ready();
      return machine;
    } catch (error) {
      await machine.stop();
      throw error;
    }
  }

  /** Whether QEMU runs. */
  get running(): boolean {
    return this.#ended === undefined;
  }

  /** Whether a device of it has gone, which ends it. */
  get lostDevice(): boolean {
    return this.#lostDevice !== undefined;
  }

  /** Process id of QEMU. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Resolves when QEMU has ended, with how it did. */
  async ended(): Promise<string> {
    await this.#gone;
    return this.#ended ?? '';
  }

  /**
   * Runs a shell script in the guest, one at a time. Throws where the machine ends meanwhile, or the time is over: what
   * the script has printed is lost then, so what may take long is a `GuestProgram`'s.
   * @param timeoutMs in milliseconds, five minutes by default
   */
  async run(script: string, timeoutMs = 300_000): Promise<ScriptResult> {
    const first = script.trim().split('\n')[0] ?? '';
    const [status, output] = await this.#ask(`run ${Buffer.from(script).toString('base64')}`, first, timeoutMs);
    return { status: Number(status), output: textOf(output) };
  }

  /**
   * Looks at a program that a `GuestProgram` has started. Resolves to undefined where it goes on and has printed nothing
   * since the last look; that costs the guest next to nothing.
   * @param directory the program's, in the guest
   */
  async look(directory: string): Promise<ProgramState | undefined> {
    const [status, output, errors] = await this.#ask(`look ${directory}`, `a look at ${directory}`, LOOK_TIMEOUT_MS);
    if (status === 'same') return undefined;
    return {
      status: status === 'running' ? undefined : Number(status),
      output: textOf(output),
      errors: textOf(errors),
    };
  }

  /** Signals such a program alone: what it has started learns of it only by its end. Nothing happens where it has ended. */
  async signal(directory: string, name: string): Promise<void> {
    await this.#ask(`signal ${directory} ${name}`, `a signal for ${directory}`, LOOK_TIMEOUT_MS);
  }

  /** What the agent answers, in words. */
  #ask(line: string, first: string, timeoutMs: number): Promise<readonly string[]> {
    const number = ++this.#number;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#endings.delete(ending);
        this.#waiting.delete(number);
        act();
      };
      const ending = (): void => settle(() => reject(this.#failure(`while it ran "${first}"`)));
      const timer = setTimeout(() => {
        settle(() => reject(this.#failure(`did not finish "${first}" within ${timeoutMs / 1000} s`)));
      }, timeoutMs);
      if (!this.running || this.#agent === undefined) return ending();
      this.#endings.add(ending);
      this.#waiting.set(number, words => settle(() => resolve(words)));
      this.#agent.write(`${number} ${line}\n`);
    });
  }

  /** Ends QEMU. Idempotent. */
  async stop(): Promise<void> {
    if (!this.running) return;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.#gone;
    clearTimeout(timer);
  }

  async #ready(): Promise<void> {
    const began = Date.now();
    await new Promise<void>((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearInterval(watch);
        this.console.off('line', line);
        this.#endings.delete(ending);
        this.options.abort?.removeEventListener('abort', abort);
        act();
      };
      const abort = (): void => settle(() => reject(this.#failure('was not up in time')));
      const line = (text: string): void => {
        if (text.includes(READY_LINE)) settle(resolve);
        if (text.includes(FAILED_LINE)) settle(() => reject(this.#failure('could not come up')));
      };
      const ending = (): void => settle(() => reject(this.#failure('while it booted')));
      const watch = setInterval(() => {
        if (Date.now() - this.console.lastOutput > BOOT_SILENCE_MS) {
          settle(() => reject(this.#failure(`printed nothing for ${BOOT_SILENCE_MS / 1000} s while it booted`)));
        }
      }, 1000);
      this.console.on('line', line);
      this.#endings.add(ending);
      this.options.abort?.addEventListener('abort', abort);
      if (!this.running) ending();
      else if (this.options.abort?.aborted) abort();
    });
    this.bootMs = Date.now() - began;
    const agent = connect(join(this.directory, 'agent'));
    this.#agent = agent;
    agent.on('data', bytes => this.#answered(bytes.toString('latin1')));
    await new Promise<void>((resolve, reject) => {
      agent.once('connect', resolve);
      agent.once('error', reject);
    });
    // From now on, an end of the port is the end of the machine, which tells more.
    agent.on('error', () => {});
  }

  #answered(text: string): void {
    const lines = (this.#answers + text).split('\n');
    this.#answers = lines.pop() ?? '';
    for (const line of lines) {
      const [number, ...words] = line.split(' ');
      this.#waiting.get(Number(number))?.(words);
    }
  }

  #failure(what: string): Error {
    const ended = this.#ended === undefined ? '' : ` (${this.#ended})`;
    const lines = this.console.last(SHOWN_LINES).map(line => `  | ${line}`);
    return new Error(`the VM "${this.options.name}" ${what}${ended}. Its console, at the end:\n${lines.join('\n')}`);
  }
}

/** A word of the agent's that is text in base64; where it may be empty, it begins with a colon. */
function textOf(word = ''): string {
  return Buffer.from(word.replace(/^:/, ''), 'base64').toString();
}
