/**
 * The whole of virtwl with real VMs: the broker and one host process per VM on this machine, each host process the wl
 * or gpu device of its VM; a compositor VM with sway and the glue; client VMs. It is what `loopback-stack.ts` imitates, with
 * the same names, so that tests and the demo say of both the same.
 *
 * In the guests everything runs as an ordinary user, in the runtime directory {@link RUNTIME}.
 */
import { join } from 'node:path';
import { shellWords, type DeviceKind } from '../host/guest/vmm-arguments.js';
import type { GuestDevice } from '../vm/device-connection.js';
import { bootGuest } from '../vm/guest.js';
import { GuestProgram } from '../vm/guest-program.js';
import { GUEST_USER, type MorePackageFiles } from '../vm/images.js';
import type { CpioEntry } from '../vm/cpio.js';
import type { Machine } from '../vm/machine.js';
import type { Say } from '../vm/cache.js';
import { statusIn } from '../observe/status.js';
import { HostParts, type HostPartsOptions, type PartStatus } from './host-parts.js';

/** XDG_RUNTIME_DIR in the guests. */
export const RUNTIME = '/run/virtwl';
/** The command in the guests, which is on their PATH as `virtwl`. */
const COMMAND = '/virtwl/virtwl';
/** PATH in the guests: the agent's own has no /usr/local. */
const PATH = '/usr/local/bin:/usr/bin:/bin';
/** How long sway and the glue may take to serve, in milliseconds: minutes, where guests are emulated on a busy machine. */
const COMPOSITOR_TIMEOUT_MS = 240_000;
/** How long a program in a guest may take to tell its status, in milliseconds. */
const STATUS_TIMEOUT_MS = 60_000;

export interface VmStackOptions extends HostPartsOptions {
  /** The name of the compositor VM. Default: `compositor`. */
  readonly compositor?: string;
  /** Names of the client VMs. Default: one, `client`. */
  readonly clients?: readonly string[];
  /** What carries messages and memory between each VM and the host. Default: wl. */
  readonly transport?: DeviceKind;
  /** The compositor VM's memory, as `virtwl host --allocator` takes it. Default: 1G. */
  readonly budget?: string;
  /** sway's configuration. */
  readonly swayConfig: string;
  /** Policy files of the compositor VM, by client VM. */
  readonly policies?: Readonly<Record<string, string>>;
  /** More arguments of a VM's host process, by VM. */
  readonly hostArguments?: Readonly<Record<string, readonly string[]>>;
  /** More packages of Debian's for the client VMs. */
  readonly packages?: readonly string[];
  /** More files for a VM, by VM, as paths and contents. */
  readonly files?: Readonly<Record<string, readonly CpioEntry[]>>;
  /** More of this checkout for a VM, by VM. */
  readonly more?: Readonly<Record<string, MorePackageFiles>>;
  /** Gets what takes long, while it is made. */
  readonly say: Say;
}

export class VmStack extends HostParts {
  readonly machines = new Map<string, Machine>();
  /** The name of the compositor VM. */
  readonly compositorVm: string;
  #compositor: GuestProgram | undefined;
  /** sway's own Wayland socket, in the compositor VM. */
  display = '';
  readonly #options: VmStackOptions;

  private constructor(options: VmStackOptions) {
    super(options);
    this.#options = options;
    this.compositorVm = options.compositor ?? 'compositor';
  }

  /** Starts everything and resolves when clients can come. */
  static async start(options: VmStackOptions): Promise<VmStack> {
    const stack = new VmStack(options);
    try {
      await stack.startBroker();
      const { clients = ['client'] } = options;
      await Promise.all([stack.startCompositorHost(), ...clients.map(client => stack.startClientHost(client))]);
      await stack.boot(stack.compositorVm);
      // They boot while sway starts, which waits for little else than its own processor.
      const booting = Promise.all(clients.map(client => stack.boot(client)));
      await Promise.all([booting, stack.startCompositor()]);
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  /** A VM's device. */
  device(vm: string): GuestDevice {
    const { transport: kind = 'wl' } = this.#options;
    return { kind, socket: join(this.directory, `${vm}.${kind}`) };
  }

  startCompositorHost(): Promise<void> {
    const { budget = '1G' } = this.#options;
    return this.#startHost(this.compositorVm, [`--allocator=${budget}`, '--compositor']);
  }

  startClientHost(vm: string): Promise<void> {
    return this.#startHost(vm, ['--wayland']);
  }

  #startHost(vm: string, servers: readonly string[]): Promise<void> {
    const more = this.#options.hostArguments?.[vm] ?? [];
    const { kind, socket } = this.device(vm);
    const option = kind === 'gpu' ? '--gpu-socket' : '--socket';
    return this.startHost(vm, [option, socket, ...servers, '--broker', this.broker, ...more]);
  }

  /** Boots a VM whose host process runs. One that runs already is stopped first. */
  async boot(vm: string): Promise<Machine> {
    await this.machines.get(vm)?.stop();
    const { say, log, files, more, packages } = this.#options;
    const compositor = vm === this.compositorVm;
    const machine = await bootGuest({
      guest: compositor ? 'compositor' : 'client',
      packages: compositor ? [] : packages,
      name: vm,
      devices: [this.device(vm)],
      files: files?.[vm] ?? [],
      more: more?.[vm] ?? {},
      onLine: line => log?.(`${vm} console`, line),
      say,
    });
    this.machines.set(vm, machine);
    const { status, output } = await machine.run(
      `ln -sf ${COMMAND} /usr/local/bin/virtwl
       mkdir -p ${RUNTIME} && chown ${GUEST_USER}: ${RUNTIME} && chmod 700 ${RUNTIME}`,
    );
    if (status !== 0) throw new Error(`the VM "${vm}" is not as it should be: ${output}`);
    return machine;
  }

  /** `virtwl compositor`, as it was started last. */
  get compositor(): GuestProgram {
    if (this.#compositor === undefined) throw new Error('no compositor was started');
    return this.#compositor;
  }

  machine(vm: string): Machine {
    const machine = this.machines.get(vm);
    if (machine === undefined) throw new Error(`no VM "${vm}" runs`);
    return machine;
  }

  /** Starts sway with the glue in the compositor VM, and resolves when it serves. */
  async startCompositor(): Promise<GuestProgram> {
    const machine = this.machine(this.compositorVm);
    const { swayConfig, policies = {} } = this.#options;
    const files = { 'sway.config': swayConfig, ...prefixed('policies/', '.policy', policies) };
    await machine.run(
      [
        `mkdir -p ${RUNTIME}/policies`,
        ...Object.entries(files).map(([name, text]) => writeFile(`${RUNTIME}/${name}`, text)),
      ].join('\n'),
    );
    const command = [
      COMMAND,
      'compositor',
      '--headless',
      '--policy',
      `${RUNTIME}/policies`,
      '--',
      'sway',
      '-c',
      `${RUNTIME}/sway.config`,
    ];
    const compositor = await this.program(this.compositorVm, 'virtwl compositor', command);
    this.#compositor = compositor;
    const serving = /^WAYLAND_DISPLAY=(.*)$/m;
    const { output } = await compositor.until(
      'word that it serves',
      state => serving.test(state.output),
      COMPOSITOR_TIMEOUT_MS,
    );
    [, this.display = ''] = serving.exec(output)!;
    return compositor;
  }

  /** Starts a program in a VM, as the ordinary user. */
  program(
    vm: string,
    name: string,
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<GuestProgram> {
    return GuestProgram.start(this.machine(vm), name, asUser(command, env));
  }

  /** Runs a subcommand of `virtwl` in a VM. */
  virtwl(vm: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<GuestProgram> {
    return this.program(vm, `virtwl ${args[0]}`, [COMMAND, ...args], env);
  }

  /** Runs a program in a VM to its end. Its output, both streams. */
  async run(
    vm: string,
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ status: number; output: string }> {
    return this.machine(vm).run(asUser(command, env));
  }

  /** What a program of {@link virtwl} holds and has done: its answer to SIGUSR2. It must have come as far as to say something. */
  async statusOf(program: GuestProgram): Promise<PartStatus> {
    const answers = (errors: string) => errors.split('\n').flatMap(line => statusIn(line) ?? []);
    const before = answers((await program.state()).errors).length;
    await program.signalAlone('USR2');
    const { errors } = await program.until('status', state => answers(state.errors).length > before, STATUS_TIMEOUT_MS);
    return answers(errors)[before] as PartStatus;
  }

  override async stop(): Promise<void> {
    await Promise.all([...this.machines.values()].map(machine => machine.stop()));
    this.machines.clear();
    await super.stop();
  }
}

/** Lines for a guest's shell that write a file. */
function writeFile(path: string, text: string): string {
  return `echo ${Buffer.from(text).toString('base64')} | base64 -d > ${path}`;
}

function prefixed(before: string, after: string, files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [`${before}${name}${after}`, text]));
}

function asUser(command: readonly string[], env: Readonly<Record<string, string>>): string {
  const settings = {
    PATH,
    XDG_RUNTIME_DIR: RUNTIME,
    HOME: `/home/${GUEST_USER}`,
    LANG: 'C.UTF-8',
    SHELL: '/bin/sh',
    ...env,
  };
  const words = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return `exec setpriv --reuid=${GUEST_USER} --regid=${GUEST_USER} --init-groups env -u WAYLAND_DISPLAY ${shellWords([...words, ...command])}`;
}
