/** `virtwl x11` on a compositor, as tests start it: a display for X clients, and what was said. */
import { spawn } from 'node:child_process';
import type { Test } from 'tap';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { eventually } from '../eventually.js';

export interface XServer {
  readonly display: string;
  readonly authority: string;
  /** What it has written to its standard error so far. */
  said(): string;
}

/** `env`: as the compositor's programs have it; `args`: more arguments of it. It ends with the test. */
export async function startX11(
  t: Pick<Test, 'teardown'>,
  env: NodeJS.ProcessEnv,
  args: readonly string[] = [],
): Promise<XServer> {
  const child = spawn(process.execPath, [VIRTWL, 'x11', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGTERM'));
  let [output, said] = ['', ''];
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
  await eventually('a display', () => output.includes('XAUTHORITY='));
  const [, display, authority] = /DISPLAY=(\S+)\nXAUTHORITY=(\S+)/.exec(output)!;
  return { display: display!, authority: authority!, said: () => said };
}
