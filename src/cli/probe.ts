/**
 * `virtwl probe`: whether the allocator works from here, step by step.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { DEFAULT_PROBE_BYTES, probe, type ProbeResult, type ProbeStep } from '../probe/probe.js';
import { DEVICE_OPTIONS } from './device-options.js';
import { addOptions, BYTES, flag, withDefault, type Values } from './option.js';

const OPTIONS = {
  ...DEVICE_OPTIONS,
  self: flag('--self', 'no VM and no running host process: try everything on this machine'),
  size: withDefault('--size <size>', 'how much memory (64K, 1M)', BYTES, DEFAULT_PROBE_BYTES),
  json: flag('--json', 'print the result as JSON'),
} as const;

type Options = Values<typeof OPTIONS>;

export function register(program: Command): void {
  const command = program
    .command('probe')
    .summary('check that memory of the host is shared (in a VM, or with --self anywhere)')
    .description(
      'Asks the host for memory, writes a pattern into it, and has the host check it through its own mapping. Says ' +
        'what worked, with timings, or what did not and what to do about it. The exit status is 0 when all worked. ' +
        'The VM needs the servers "allocator" and "probe" (virtwl host --allocator=BUDGET --probe); --self brings them ' +
        'up for the moment, in a temporary directory.',
    )
    .action(async (options: Options, command: Command) => {
      if (options.self && (options.device !== undefined || options.loopback !== undefined)) {
        command.error('error: --self brings its own loopback directory: leave --device and --loopback out', {
          exitCode: 2,
        });
      }
      const run = (loopback = options.loopback): Promise<ProbeResult> =>
        probe({
          device: options.device,
          loopback,
          bytes: options.size,
          step: options.json ? undefined : printStep,
        });
      const result = await (options.self ? withOwnHost(options.size, run) : run());
      if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
      else if (result.ok) process.stdout.write('All of it worked.\n');
      if (!result.ok) process.exitCode = 1;
    });
  addOptions(command, OPTIONS);
}

function printStep(step: ProbeStep): void {
  const mark = step.ok ? 'ok    ' : 'FAILED';
  process.stdout.write(`${mark} ${step.name} (${step.milliseconds.toFixed(2)} ms): ${step.detail}\n`);
  if (step.advice !== undefined) process.stdout.write(`       What to do: ${step.advice}\n`);
}

/** Runs a host process in a temporary directory while `run` does its work. */
async function withOwnHost(size: number, run: (loopback: string) => Promise<ProbeResult>): Promise<ProbeResult> {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-probe-'));
  const loopback = join(directory, 'vm');
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const budget = String(size + 1024 * 1024);
  const host = spawn(
    process.execPath,
    [
      main,
      'host',
      '--vm',
      'probe',
      '--loopback',
      loopback,
      '--allocator',
      budget,
      '--allocator-request',
      budget,
      '--probe',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const gone = new Promise<void>(resolve => host.once('close', () => resolve()));
  try {
    await ready(host);
    return await run(loopback);
  } finally {
    host.kill();
    await gone;
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Resolves when the host process says that it is ready, and rejects when it ends before. */
function ready(host: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    host.stdout!.once('data', () => resolve());
    host.once('error', reject);
    host.once('close', code => reject(new Error(`the host process ended with status ${code} before it was ready`)));
  });
}
