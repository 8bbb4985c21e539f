/** `virtwl compositor`: runs a wlroots compositor in this VM and serves the clients of other VMs on it. */
import type { Command } from 'commander';
import { BrokerLink } from '../broker/glue-link.js';
import { Glue } from '../../compositor-glue/glue.js';
import { HEADLESS, launchCompositor, type Compositor } from '../../compositor-glue/launch.js';
import { DEFAULT_POLICY, Policies } from '../../compositor-glue/policy.js';
import { SecurityContexts } from '../../compositor-glue/security-context.js';
import { DEFAULT_VM_SHARE } from '../../compositor-glue/vm-account.js';
import { LogLimit } from '../observe/log-limit.js';
import { openDevice } from '../virtwl/device.js';
import { parseBytes } from './bytes.js';
import { answerStatus } from '../observe/status.js';

interface CompositorOptions {
  loopback?: string;
  device?: string;
  attach?: string;
  headless?: boolean;
  policy?: string;
  vmShare: number;
}

export function register(program: Command): void {
  program
    .command('compositor')
    .summary('run a wlroots compositor for clients in other VMs')
    .description(
      'Runs COMPOSITOR (sway, cage, labwc or any other that uses wlroots) in this VM, and serves on it the Wayland clients ' +
        'that arrive from other VMs. Their buffers are host memory, from the allocator that the host gives this VM.',
    )
    .argument('[command...]', 'the compositor and its arguments, after --')
    .option('--attach <path>', 'serve on a compositor that runs already, by its Wayland socket')
    .option('--headless', 'start it without GPU, seat and screen')
    .option('--policy <dir>', 'directory of policy files, one per client VM (see docs/policy.md)')
    .option('--vm-share <bytes>', 'host memory that each client VM may hold', parseBytes, DEFAULT_VM_SHARE)
    .option('--loopback <dir>', 'a directory of Unix sockets instead of a device (environment: VIRTWL_LOOPBACK)')
    .option('--device <path>', 'the virtio_wl device (environment: VIRTWL_DEVICE; default: /dev/wl0)')
    .action(async (command: string[], options: CompositorOptions) => {
      if ((options.attach === undefined) === (command.length === 0)) {
        program.error('error: give either a compositor to start (after --) or --attach PATH', { exitCode: 2 });
      }
      const base = { ...DEFAULT_POLICY, memory: options.vmShare };
      const policies = options.policy === undefined ? Policies.uniform(base) : Policies.read(options.policy, base);
      const device = openDevice(options);
      let compositor: Compositor | undefined;
      if (options.attach === undefined) {
        compositor = await launchCompositor({ command, env: options.headless === true ? HEADLESS : {} });
      }
      const display = compositor?.display ?? options.attach!;
      const contexts = await SecurityContexts.connect(display).catch(async (error: Error) => {
        await compositor?.stop();
        throw new Error(
          `no compositor answers at ${display}: ${error.message}; is this its Wayland socket, and does it run as a user who ` +
            'lets you connect?',
        );
      });
      console.error(
        contexts === null
          ? 'virtwl compositor: the compositor knows no security contexts: what remote clients see is up to the relay alone'
          : 'virtwl compositor: remote clients come in by security contexts',
      );
      const glue = new Glue({ device, display, policies, contexts });
      const log = new LogLimit(line => console.error(`virtwl compositor: ${line}`));
      glue.on('arrived', vm => log.line(vm, `a client of VM "${vm}" arrived`));
      glue.on('left', (vm, reason) => {
        log.line(vm, `a client of VM "${vm}" left${reason === undefined ? '' : `: ${reason.message}`}`);
      });
      answerStatus(() => ({ clients: glue.clientCount, bytes: glue.bytesByVm() }));
      const broker = new BrokerLink(device);
      broker.on('client', (vm, link) => glue.serve(vm, link));
      broker.on('down', reason => console.error(`virtwl compositor: the broker is not there: ${reason.message}`));
      broker.on('up', () => console.error('virtwl compositor: clients can come'));
      broker.start();
      console.log(`WAYLAND_DISPLAY=${display}`);

      const shutDown = async (): Promise<void> => {
        broker.close();
        glue.close();
        contexts?.close();
        await compositor?.stop();
        device.close();
      };
      let code = 0;
      const signalled = new Promise<void>(resolve => {
        for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
      });
      await Promise.race([
        signalled,
        compositor?.ended.then(status => {
          code = status;
          console.error(`virtwl compositor: ${command[0]} ended with status ${status}`);
        }) ?? new Promise(() => {}),
      ]);
      await shutDown();
      process.exitCode = code;
      // Channels that drain for a moment must not keep us.
      setTimeout(() => process.exit(), 1_500).unref();
    });
}
