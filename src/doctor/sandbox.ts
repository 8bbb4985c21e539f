/**
 * Whether processes can be confined here: bubblewrap and minijail are looked for and tried; a process is confined as the
 * product's are, by each of them, and tries to get out.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { messageOf, type Finding } from './finding.js';
import { NAMESPACES_ADVICE } from './budget.js';
import { findProgram, type Sandbox } from '../sandbox/launcher.js';
import { whyNoNamespaces } from '../sandbox/namespaces.js';

/** The program that tries to get out, compiled. */
const ATTEMPTS = fileURLToPath(new URL('confined-attempts.js', import.meta.url));

/** Room for what it finds, in bytes. */
export const REPORT_BYTES = 4096;

/** The name of the descriptor of the memory into which it writes what it finds. */
export const REPORT_FD = 'report';

/** How long a program that is tried may take, in milliseconds. */
const TRIAL_TIMEOUT_MS = 10_000;

/** bubblewrap, and whether it may make namespaces. */
export function checkBubblewrap(): Finding {
  const name = 'bubblewrap';
  const asked = spawnSync('bwrap', ['--version'], { encoding: 'utf8', timeout: TRIAL_TIMEOUT_MS });
  if (asked.error !== undefined) {
    const missing = (asked.error as NodeJS.ErrnoException).code === 'ENOENT';
    return {
      name,
      state: 'fails',
      detail: missing ? 'no bwrap on the PATH' : asked.error.message,
      advice: 'apt-get install bubblewrap',
    };
  }
  const version = asked.stdout.trim().replace(/^bubblewrap\s+/, '');
  const trial = ['--unshare-all', '--die-with-parent', '--ro-bind', '/', '/', '--', 'true'];
  const tried = spawnSync('bwrap', trial, { encoding: 'utf8', timeout: TRIAL_TIMEOUT_MS });
  if (tried.status === 0) return { name, state: 'holds', detail: `${version}, and may make namespaces` };
  const said = tried.stderr.trim().split('\n').at(-1) ?? '';
  return {
    name,
    state: 'fails',
    detail: [`${version}, but it may not make namespaces: ${said}`, ...whyNoNamespaces()].join('; '),
    advice: NAMESPACES_ADVICE,
  };
}

/**
 * minijail, by attack: which is no worse and no better, and needed only where bubblewrap does not work.
 *
 * @param spare whether bubblewrap confines here
 */
export async function checkMinijail(spare: boolean): Promise<Finding> {
  const { MINIJAIL } = await import('../sandbox/minijail.js');
  const name = 'minijail';
  const path = findProgram(MINIJAIL);
  if (path === undefined) {
    const detail = `not installed here (no ${MINIJAIL} on the PATH)`;
    return { name, state: 'note', detail: spare ? `${detail}; bubblewrap confines` : detail };
  }
  const { state, detail, advice } = await checkConfinement('minijail');
  if (state !== 'fails' || !spare) return { name, state, detail: `${path}: ${detail}`, ...(advice && { advice }) };
  return { name, state: 'lacks', detail: `${path}: ${detail}`, advice: 'leave it; bubblewrap confines' };
}

/** The confinement itself, by attack. Default: by the program that would be chosen. */
export async function checkConfinement(sandbox?: Sandbox): Promise<Finding> {
  const name = 'confinement';
  try {
    const found = await tryToGetOut(sandbox);
    const ways = Object.keys(found);
    const out = ways.filter(way => !found[way]!.startsWith('refused'));
    if (ways.length === 0) return { name, state: 'fails', detail: 'the confined process said nothing' };
    if (out.length === 0) {
      return { name, state: 'holds', detail: `what was tried from inside was refused: ${ways.join(', ')}` };
    }
    const detail = out.map(way => `${way}: ${found[way]}`).join('; ');
    return { name, state: 'fails', detail, advice: 'do not run guests that you do not trust, and report this' };
  } catch (error) {
    return { name, state: 'fails', detail: messageOf(error), advice: NAMESPACES_ADVICE };
  }
}

/** Runs `confined-attempts.ts` confined. What it finds comes back in memory: its output is not ours to read. */
async function tryToGetOut(sandbox: Sandbox | undefined): Promise<Record<string, string>> {
  const { OwnedFd } = await import('../system/fd.js');
  const { native } = await import('../system/native.js');
  const { runConfined } = await import('../sandbox/run-confined.js');
  const report = new OwnedFd(native.memfd('virtwl-doctor', REPORT_BYTES, 0));
  try {
    const confinement = {
      name: 'process that tries to get out',
      command: [ATTEMPTS, String(process.pid)],
      writable: [],
      readable: [],
      fds: { [REPORT_FD]: new OwnedFd(native.dup(report.fd)) },
    };
    const { status } = await runConfined(confinement, { sandbox });
    if (status !== 0) throw new Error(`the confined process ended with status ${status}`);
    const mapping = native.map(report.fd, 0, REPORT_BYTES, false);
    const text = Buffer.from(mapping.buffer).toString('utf8').split('\0')[0]!;
    mapping.unmap();
    return JSON.parse(text) as Record<string, string>;
  } finally {
    report.close();
  }
}
