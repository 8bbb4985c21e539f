/**
 * Starting a confined process and standing by it: signals are passed on to it, and its end is ours. The process outside
 * holds nothing of what the confined one works with; it reads nothing from any guest.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { native } from '../native.js';
import { bubblewrapArguments } from './bubblewrap.js';
import { CONFINED_ENV, FORWARDED_SIGNALS, type Confinement } from './confinement.js';

/** The first descriptors of the confined process: standard ones, then the pipe on which bwrap tells its process id. */
const INFO_FD = 3;
const FIRST_INHERITED_FD = 4;

/** Environment variables that a confined process keeps. */
const KEPT_ENVIRONMENT = ['VIRTWL_NATIVE', 'LANG', 'TZ'] as const;

/** What to do where there is no bubblewrap or it is not allowed to work. */
const ADVICE = 'install it (apt-get install bubblewrap), see "virtwl doctor", or, for debugging only, use --no-sandbox';

/** Runs a confined process to its end and returns its exit status. Throws where it cannot be started. */
export async function runConfined(confinement: Confinement): Promise<number> {
  const names = Object.keys(confinement.fds);
  const environment: Record<string, string> = {
    [CONFINED_ENV]: JSON.stringify(Object.fromEntries(names.map((name, i) => [name, FIRST_INHERITED_FD + i]))),
  };
  for (const name of KEPT_ENVIRONMENT) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  // Whatever descriptors we were started with are not the confined process's business.
  native.closeOnExecFrom(3);
  const child = spawn('bwrap', bubblewrapArguments(confinement, INFO_FD, environment), {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', ...Object.values(confinement.fds)],
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'there is no bubblewrap (bwrap) here' : error.message;
      reject(new Error(`cannot confine the ${confinement.name}: ${why}; ${ADVICE}`));
    });
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal as NodeJS.Signals]));
  });

  let told = '';
  const info = child.stdio[INFO_FD] as NodeJS.ReadableStream;
  info.setEncoding('utf8').on('data', (text: string) => (told += text));
  const pid = new Promise<number | undefined>(resolve => {
    info.once('end', () => {
      const found = /"child-pid":\s*(\d+)/.exec(told);
      resolve(found === null ? undefined : Number(found[1]));
    });
    info.once('error', () => resolve(undefined));
  });
  const forward = (signal: NodeJS.Signals): void => {
    void pid.then(known => {
      try {
        if (known !== undefined) process.kill(known, signal);
        else child.kill(signal);
      } catch {
        // it ended meanwhile
      }
    });
  };
  for (const signal of FORWARDED_SIGNALS) process.on(signal, forward);
  try {
    return await ended;
  } finally {
    for (const signal of FORWARDED_SIGNALS) process.off(signal, forward);
  }
}
