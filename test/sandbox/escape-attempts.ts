/**
 * Runs inside a sandbox and tries to get out, in every way that a process which an attacker has taken over would. Prints
 * a JSON object: the name of each attempt, and what came of it ("refused: CODE" or "SUCCEEDED: ...").
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createRequire } from 'node:module';
import { lockDown } from '../../src/sandbox/confinement.js';
import { native } from '../../src/native.js';

const [hostFile = '', hostPid = '', writable = '', hostSocket = ''] = process.argv.slice(2);

const attempts: Record<string, () => unknown | Promise<unknown>> = {
  'read a file of the host': () => readFileSync(hostFile),
  'read /etc/passwd': () => readFileSync('/etc/passwd'),
  'list the root of the host': () => {
    const seen = readdirSync('/').filter(name => ['etc', 'home', 'root', 'boot', 'var', 'sys'].includes(name));
    if (seen.length === 0) throw Object.assign(new Error('nothing of it'), { code: 'ENOENT' });
    return seen;
  },
  'write outside of its folders': () => writeFileSync('/escape', 'x'),
  'make a folder in the root': () => mkdirSync('/escape'),
  'write to its own code': () => writeFileSync(process.argv[1] as string, 'x', { flag: 'a' }),
  'connect to a Unix socket of the host': () => native.connectUnix(hostSocket),
  'connect out by TCP': () =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: 22 }, () => resolve('connected'));
      socket.once('error', reject);
    }),
  'start a program': () => execFileSync(process.execPath, ['-e', '0']),
  'start a shell': () => {
    const { error, status } = spawnSync('/bin/sh', ['-c', 'exit 0']);
    if (error !== undefined) throw error;
    return status;
  },
  'signal a process of the host': () => process.kill(Number(hostPid), 0),
  'list other processes': () => {
    const others = readdirSync('/proc').filter(name => /^\d+$/.test(name) && Number(name) !== process.pid);
    if (others.length === 0) throw Object.assign(new Error('none'), { code: 'ESRCH' });
    return others;
  },
  'become root': () => (process.setuid as (id: number) => void)(0),
  'change its groups': () => (process.setgroups as (ids: number[]) => void)([0]),
  'make a tmpfs': () => native.createTmpfs(1 << 20),
  'raise its limits': () => native.setResourceLimit(7, 1 << 20),
  'load another native module': () => createRequire(import.meta.url)(`${writable}/evil.node`),
  'read the memory of another process': () => readFileSync(`/proc/${hostPid}/mem`),
};

/** System calls that Node.js has no function for, made by number in `raw-syscall.ts`'s way: through /proc tells enough. */
function privileges(): Record<string, string> {
  const status = readFileSync('/proc/self/status', 'utf8');
  const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '';
  return {
    CapEff: field('CapEff'),
    CapBnd: field('CapBnd'),
    NoNewPrivs: field('NoNewPrivs'),
    Seccomp: field('Seccomp'),
    interfaces: readFileSync('/proc/self/net/dev', 'utf8').split('\n').slice(2).filter(Boolean).length.toString(),
    descriptors: readdirSync('/proc/self/fd').join(' '),
    tty: readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ')[4] ?? '',
    environment: Object.keys(process.env).sort().join(' '),
  };
}

const before = privileges();
lockDown();
const results: Record<string, string> = {};
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    results[name] = `SUCCEEDED: ${String(await attempt())}`.slice(0, 200);
  } catch (error) {
    results[name] = `refused: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
  }
}
console.log(JSON.stringify({ results, before, after: privileges() }));
