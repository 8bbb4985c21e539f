/**
 * The whole of virtwl on one machine, each part a process of its own as on a real host: the broker, a host process for
 * the compositor VM and one for each client VM, and the compositor with its glue. Directories of Unix sockets stand in for
 * the VMs' devices. The demo, the benchmark and the tests run on it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { HostParts, NODE_FLAGS, VIRTWL, type HostPartsOptions } from './host-parts.js';

export { NODE_FLAGS, statusOf, VIRTWL } from './host-parts.js';

export interface LoopbackStackOptions extends HostPartsOptions {
  /** Names of the client VMs. Default: one, `client`. */
  readonly clients?: readonly string[];
  /** The compositor VM's memory, as `virtwl host --allocator` takes it. Default: 1G. */
  readonly budget?: string;
  /** The compositor to start, or the Wayland socket of one that runs. */
  readonly compositor:
    { readonly command: readonly string[]; readonly headless?: boolean } | { readonly attach: string };
  /** More arguments for the compositor VM's host process, for instance `--socket`. */
  readonly hostArguments?: readonly string[];
  /** More arguments for `virtwl compositor`, for instance `--policy`. */
  readonly compositorArguments?: readonly string[];
}

export class LoopbackStack extends HostParts {
  /** The compositor's own Wayland socket. */
  display = '';
  readonly #options: LoopbackStackOptions;

  private constructor(options: LoopbackStackOptions) {
    super(options);
    this.#options = options;
  }

  /** Starts everything and resolves when clients can come. */
  static async start(options: LoopbackStackOptions): Promise<LoopbackStack> {
    const stack = new LoopbackStack(options);
    try {
      await stack.startBroker();
      await stack.startCompositorHost();
      for (const client of options.clients ?? ['client']) await stack.startClientHost(client);
      await stack.startCompositor();
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  /** A VM's loopback directory: VIRTWL_LOOPBACK of what runs in it. */
  loopback(vm: string): string {
    return join(this.directory, vm);
  }

  startCompositorHost(): Promise<void> {
    const { budget = '1G', hostArguments = [] } = this.#options;
    return this.startHost('compositor', [
      ...['--loopback', this.loopback('compositor')],
      ...[`--allocator=${budget}`, '--compositor', '--broker', this.broker, ...hostArguments],
    ]);
  }

  startClientHost(vm: string): Promise<void> {
    return this.startHost(vm, ['--loopback', this.loopback(vm), '--wayland', '--broker', this.broker]);
  }

  async startCompositor(): Promise<void> {
    const { compositor } = this.#options;
    const how =
      'attach' in compositor
        ? ['--attach', compositor.attach]
        : [...(compositor.headless === true ? ['--headless'] : []), '--', ...compositor.command];
    const part = this.spawn('compositor', [
      ...['compositor', '--loopback', this.loopback('compositor')],
      ...(this.#options.compositorArguments ?? []),
      ...how,
    ]);
    [, this.display = ''] = await this.says(part, /^WAYLAND_DISPLAY=(.*)/);
  }

  /** Runs a subcommand of `virtwl` in a VM; its output is the caller's to read. */
  virtwl(vm: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    return spawn(process.execPath, [...NODE_FLAGS, VIRTWL, ...args], {
      env: { ...this.env(), VIRTWL_LOOPBACK: this.loopback(vm), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }
}
