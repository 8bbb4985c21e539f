/** `virtwl demo`: the whole path on this machine, and a picture of it. */
import type { Command } from 'commander';
import { runDemoWithVms } from '../demo/demo-vms.js';
import { runDemo } from '../demo/demo.js';
import { showPlace } from '../../compositor-glue/vnc-server.js';
import { TRANSPORT } from './transport-option.js';
import { addOptions, COUNT, flag, optional, TEXT, type Values } from './option.js';
import { mistakeIn, vncOption } from './vnc-options.js';

/** Two seconds at an output's 60 frames a second. */
const DEFAULT_FRAMES = 120;
/** Emulated VMs take a second for each. */
const DEFAULT_VM_FRAMES = 20;

const OPTIONS = {
  vms: flag('--vms', 'with two real VMs, which are made and booted'),
  transport: optional(
    '--transport <kind>',
    'with --vms: what carries messages and memory, wl with our driver or gpu without (default: wl)',
    TRANSPORT,
  ),
  output: optional(
    '-o, --output <file>',
    'where the picture goes, a PNG (default: demo.png, demo-vms.png, demo-gpu.png)',
    TEXT,
  ),
  frames: optional(
    '--frames <n>',
    `frames to draw and check (default: ${DEFAULT_FRAMES}, with --vms ${DEFAULT_VM_FRAMES})`,
    COUNT,
  ),
  vnc: vncOption('leave the desktop up, to be looked at by VNC, until Ctrl-C'),
  verbose: flag('-v, --verbose', 'show what every part prints'),
} as const;

export function register(program: Command): void {
  const command = program
    .command('demo')
    .summary('show the whole path on this machine, without VMs or with two')
    .description(
      'Brings up allocator, broker, a headless sway with the glue, and two client VMs in loopback: an unmodified terminal ' +
        '(foot) in one, the frame checker in the other. Leaves a picture of what sway shows, with both on it, and takes ' +
        'everything down. The exit status is 0 when all of it worked. ' +
        'With --vms it is the same with two real VMs under QEMU: sway in one, both clients in the other, the picture taken ' +
        'inside the compositor VM.',
    )
    .action(async (options: Values<typeof OPTIONS>) => {
      const mistake =
        options.vnc !== undefined && options.vms
          ? '--vnc is for the desktop without VMs'
          : options.transport !== undefined && !options.vms
            ? '--transport is for VMs: give --vms'
            : mistakeIn(options);
      if (mistake !== undefined) program.error(`error: ${mistake}`, { exitCode: 2 });
      const abort = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort());
      const { vms, transport = 'wl' } = options;
      await (vms ? runDemoWithVms : runDemo)({
        output: options.output ?? (!vms ? 'demo.png' : transport === 'gpu' ? 'demo-gpu.png' : 'demo-vms.png'),
        transport,
        frames: options.frames ?? (vms ? DEFAULT_VM_FRAMES : DEFAULT_FRAMES),
        say: line => process.stdout.write(`${line}\n`),
        log: options.verbose ? (part, line) => process.stderr.write(`  [${part}] ${line}\n`) : undefined,
        vnc: options.vnc === undefined ? undefined : showPlace(options.vnc),
        signal: abort.signal,
      });
    });
  addOptions(command, OPTIONS);
}
