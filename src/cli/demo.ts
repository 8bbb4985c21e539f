/** `virtwl demo`: the whole path on this machine, and a picture of it. */
import type { Command } from 'commander';
import { runDemo } from '../demo/demo.js';
import { parseCount } from './count.js';

/** Two seconds at an output's 60 frames a second. */
const DEFAULT_FRAMES = 120;

interface Options {
  output: string;
  frames: number;
  verbose?: true;
}

export function register(program: Command): void {
  program
    .command('demo')
    .summary('show the whole path on this machine, without a VM')
    .description(
      'Brings up allocator, broker, a headless sway with the glue, and two client VMs in loopback: an unmodified terminal\n' +
        '(foot) in one, the frame checker in the other. Leaves a picture of what sway shows, with both on it, and takes\n' +
        'everything down. The exit status is 0 when all of it worked.',
    )
    .option('-o, --output <file>', 'where the picture goes, a PNG', 'demo.png')
    .option('--frames <n>', 'frames to draw and check', parseCount, DEFAULT_FRAMES)
    .option('-v, --verbose', 'show what every part prints')
    .action(async (options: Options) => {
      const abort = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort());
      await runDemo({
        output: options.output,
        frames: options.frames,
        say: line => process.stdout.write(`${line}\n`),
        log: options.verbose ? (part, line) => process.stderr.write(`  [${part}] ${line}\n`) : undefined,
        signal: abort.signal,
      });
    });
}
