/** Runs `virtwl frames` as a process of its own, as a user does. */
import { spawn, type ChildProcess } from 'node:child_process';
import { VIRTWL } from '../../src/demo/host-parts.js';
import type { ReportJson } from '../../src/frames/report.js';

/** Milliseconds for one frame, on a machine that is busy with other tests. */
export const PATIENCE = '20000';

export interface Outcome {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

export function frames(...args: string[]): Promise<Outcome> {
  return startFrames(...args).outcome;
}

/** The same, with the process to send signals to. */
export function startFrames(...args: string[]): { child: ChildProcess; outcome: Promise<Outcome> } {
  const { VIRTWL_LOOPBACK: _, ...env } = process.env;
  const child = spawn(process.execPath, [VIRTWL, 'frames', ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const outcome = new Promise<Outcome>(resolve => child.once('close', status => resolve({ status, output, errors })));
  return { child, outcome };
}

export async function framesJson(...args: string[]): Promise<ReportJson & { status: number | null }> {
  const { status, output, errors } = await frames('--json', '--timeout', PATIENCE, ...args);
  if (output === '') throw new Error(errors);
  return { ...(JSON.parse(output) as ReportJson), status };
}
