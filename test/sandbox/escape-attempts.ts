/**
 * Runs inside a sandbox and tries to get out, in every way that a process which an attacker has taken over would.
 * Its argument is {@link Surroundings} as JSON. It prints one line of JSON, {@link Findings}, and stays until it is
 * ended, so that a test can inspect it from outside.
 *
 * With `die` it makes one call instead that must be its end.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, symlinkSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { encodeRecord, Kind, Role } from '../../src/broker/protocol.js';
import { EARLY_REFUSALS, lockDown, SERVER_RULES } from '../../src/sandbox/confinement.js';
import { isSupported, syscallNumber } from '../../src/sandbox/syscalls.js';
import { native } from '../../src/system/native.js';

/** What the test has put outside, for this process to get at. */
export interface Surroundings {
  /** raw-syscall.c, compiled. */
  readonly rawSyscall: string;
  /** A file of the host that every user there may read. */
  readonly hostFile: string;
  /** A process of the host. */
  readonly hostPid: number;
  /** A Unix socket of the host, by path, and one in its abstract name space. */
  readonly hostSocket: string;
  readonly abstractSocket: string;
  /** The broker's control socket: a process that reaches it may speak for any VM. */
  readonly brokerSocket: string;
  /** Sockets of its own servers that the process outside has bound for it: a wl device connects to them. */
  readonly servers: readonly string[];
  /** A TCP port on which the host listens. */
  readonly hostPort: number;
  /** Our own directories. In the first that may be written is a symbolic link `out` to hostFile. */
  readonly writable: readonly string[];
  readonly readable: readonly string[];
  readonly die?: 'foreign' | 'x32';
}

export interface Findings {
  /** Each attempt, and what came of it: `refused: CODE` or `SUCCEEDED: ...`. */
  readonly attempts: Readonly<Record<string, string>>;
  /** Numbers of calls that are not on the list, and were not refused with EPERM: `NUMBER: result`. Should be empty. */
  readonly unlisted: readonly string[];
  /** Numbers tried for that. */
  readonly tried: number;
  /** Each thing that it must be able to do, and what came of it: `works` or the error. */
  readonly needs: Readonly<Record<string, string>>;
  /** Names in the root, and beside its own directories. */
  readonly root: readonly string[];
  /** What io_uring_setup said before the list held. */
  readonly earlyRing: number;
}

/** raw-syscall.c */
interface RawSyscall {
  call(number: bigint, ...args: bigint[]): number;
  foreign(): number;
  readonly numbers: Readonly<Record<string, number>>;
}

/** Past the last call of any kernel. */
const NUMBERS = 1024;
/**
 * uretprobe and uprobe of x86-64: they are there for the kernel's own code in a process that is being probed. No filter
 * sees them, and any other process that makes them is killed by SIGILL.
 */
const UNFILTERED = process.arch === 'x64' ? [335, 336] : [];
const EPERM = 1;
/** What a root has, and an empty one has not. */
const HOST_DIRECTORIES = ['etc', 'home', 'root', 'boot', 'var', 'sys', 'proc', 'dev', 'run'];
/** Whether a directory of the root is there only because what the process runs on is somewhere below it: a checkout in /root. */
const onTheWay = (name: string): boolean =>
  [process.execPath, process.argv[1]!].some(path => path.startsWith(`/${name}/`)) &&
  readdirSync(`/${name}`).length === 1;
/** More than a process has that was just started. */
const FIRST_DESCRIPTORS = 64;
const SIGCHLD = 17n;
const CLONE_THREAD_FLAGS = 0x3d0f00n;
const CLONE_NEWUSER = 0x10000000n;
const TIOCSTI = 0x5412n;
const TIOCLINUX = 0x541cn;
/** AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK. */
const FAMILIES = { AF_INET: 2n, AF_INET6: 10n, AF_NETLINK: 16n, AF_PACKET: 17n, AF_ALG: 38n, AF_VSOCK: 40n };

const around = JSON.parse(process.argv[2] ?? '') as Surroundings;
const raw = loadRawSyscall(around.rawSyscall);

function loadRawSyscall(path: string): RawSyscall {
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports as RawSyscall;
}

/** A call that fails as Node.js's do. */
function call(name: string, ...args: bigint[]): number {
  const number = raw.numbers[name];
  if (number === undefined) throw new Error(`no ${name} in the headers`);
  const result = raw.call(BigInt(number), ...args);
  if (result < 0) throw Object.assign(new Error(name), { code: errorName(-result) });
  return result;
}

function errorName(errno: number): string {
  return { 1: 'EPERM', 2: 'ENOENT', 14: 'EFAULT', 22: 'EINVAL', 38: 'ENOSYS' }[errno] ?? `errno ${errno}`;
}

/**
 * Opens, and does no more: should the sandbox have a hole one day, the machine that the test runs on takes no harm.
 * What is opened for writing could be written.
 */
function open(path: string, flags: string): string {
  closeSync(openSync(path, flags));
  return `${path} could be opened (${flags})`;
}

/** Makes a file, and takes it away again. */
function create(path: string): string {
  open(path, 'wx');
  unlinkSync(path);
  return `${path} could be made`;
}

function nothingOf(seen: readonly string[]): readonly string[] {
  if (seen.length === 0) throw Object.assign(new Error('nothing of it is here'), { code: 'ENOENT' });
  return seen;
}

function connected(where: { host: string; port: number } | { path: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(where, () => resolve('connected'));
    socket.once('error', reject);
  });
}

/** Sockets anywhere below `directory`, but for those in our own directories. */
function foreignSockets(directory: string): string[] {
  return readdirSync(directory).flatMap(name => {
    const path = `${directory === '/' ? '' : directory}/${name}`;
    if (isOurs(path)) return [];
    const there = lstatSync(path);
    if (there.isSocket()) return [path];
    return there.isDirectory() ? foreignSockets(path) : [];
  });
}

/** What a host process says to the broker, said into everything that it holds but its standard output. */
function registerByDescriptor(): string {
  const record = encodeRecord({ kind: Kind.Register, detail: Role.Compositor, text: 'taken-over' });
  const pair = native.socketpair();
  const [listening] = pair;
  let refusal: unknown;
  for (let fd = 3; fd < FIRST_DESCRIPTORS; fd++) {
    if (pair.includes(fd)) continue;
    try {
      native.send(fd, record, 0, record.length, [listening]);
    } catch (error) {
      refusal = error;
      continue;
    }
    return `descriptor ${fd} took it`;
  }
  throw refusal;
}

/** Threads made later are under the filter like the others. */
function inWorker(): Promise<string> {
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     const module_ = { exports: {} };
     process.dlopen(module_, workerData.path);
     parentPort.postMessage(module_.exports.call(workerData.number));`,
    { eval: true, workerData: { path: around.rawSyscall, number: BigInt(raw.numbers.execve!) } },
  );
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (result: number) => {
      if (result >= 0) resolve(String(result));
      else reject(Object.assign(new Error('execve'), { code: errorName(-result) }));
    });
  });
}

const attempts: Record<string, () => unknown> = {
  // ---- files of the host
  'read a file of the host': () => readFileSync(around.hostFile),
  'read /etc/passwd': () => readFileSync('/etc/passwd'),
  'list /etc': () => readdirSync('/etc'),
  'list the root of the host': () =>
    nothingOf(readdirSync('/').filter(name => HOST_DIRECTORIES.includes(name) && !onTheWay(name))),
  'write core_pattern': () => open('/proc/sys/kernel/core_pattern', 'r+'),
  'read what the kernel tells of processes': () => readFileSync('/proc/self/status'),
  'read the memory of another process': () => readFileSync(`/proc/${around.hostPid}/mem`),
  'list other processes': () => readdirSync('/proc'),
  'open a device': () => readFileSync('/dev/zero'),
  'write in the root': () => create('/escape'),
  'write to its own code': () => open(process.argv[1]!, 'a'),
  'put a file beside Node.js': () => create(`${dirname(process.execPath)}/escape`),
  'make a directory in the root': () => mkdirSync('/escape'),
  // ---- talking to others
  'connect to a Unix socket of the host': () => native.connectUnix(around.hostSocket),
  'connect to an abstract Unix socket of the host': () => connected({ path: around.abstractSocket }),
  'connect to the broker, to speak for another VM': () => native.connectUnix(around.brokerSocket),
  'find a socket that is none of its own': () => nothingOf(foreignSockets('/')),
  'register as the compositor VM by a descriptor that it was given': registerByDescriptor,
  'connect by TCP': () => connected({ host: '127.0.0.1', port: around.hostPort }),
  'signal a process of the host': () => process.kill(around.hostPid, 0),
  'trace a process of the host': () => call('ptrace', 16n, BigInt(around.hostPid), 0n, 0n),
  'be traced': () => call('ptrace', 0n),
  'type into the terminal': () => call('ioctl', 1n, TIOCSTI, 0n),
  'paste into the console': () => call('ioctl', 1n, TIOCLINUX, 0n),
  'use a ring': () => call('io_uring_setup', 8n, 0n),
  // ---- programs and processes
  'start Node.js': () => execFileSync(process.execPath, ['-e', '0']),
  'start a shell': () => {
    const { error, status } = spawnSync('/bin/sh', ['-c', 'exit 0']);
    if (error !== undefined) throw error;
    return status;
  },
  'execve from another thread': inWorker,
  'fork by clone': () => call('clone', SIGCHLD),
  'make a user namespace': () => call('clone', SIGCHLD | CLONE_NEWUSER),
  'make a thread in a user namespace': () => call('clone', CLONE_THREAD_FLAGS | CLONE_NEWUSER),
  'clone by flags that no filter can see': () => call('clone3', 0n, 0n),
  // ---- privileges
  'become root': () => (process.setuid as (id: number) => void)(0),
  'change its groups': () => (process.setgroups as (ids: number[]) => void)([0]),
  'make a tmpfs': () => native.createTmpfs(1 << 20),
  'raise its limits': () => native.setResourceLimit(7, 1 << 20),
  'install another filter': () => native.installFilter(new Uint8Array(8)),
  'become dumpable': () => call('prctl', 4n, 1n),
  'a socket whose family has a bit above the 32nd': () => call('socket', 1n | (1n << 32n), 1n, 0n),
};
for (const [name, family] of Object.entries(FAMILIES)) {
  attempts[`a socket of ${name}`] = () => call('socket', family, 3n, 0n);
}
for (const [family, name] of [
  [2n, 'AF_INET'],
  [40n, 'AF_VSOCK'],
] as const) {
  attempts[`a pair of sockets of ${name}`] = () => call('socketpair', family, 1n, 0n, 0n);
}
const CHECKED = ['clone', 'clone3', 'socket', 'socketpair', 'ioctl', 'prctl', 'prlimit64'];
for (const name of Object.keys(raw.numbers)) {
  if (!CHECKED.includes(name)) attempts[`call ${name}`] = () => call(name);
}
for (const directory of around.writable) {
  const beside = dirname(directory);
  attempts[`leave ${directory}`] = () => nothingOf(readdirSync(beside).filter(name => !isOurs(`${beside}/${name}`)));
  attempts[`follow a link out of ${directory}`] = () => readFileSync(`${directory}/out`);
  attempts[`make a link in ${directory}`] = () => symlinkSync(around.hostFile, `${directory}/link`);
}
for (const directory of around.readable) {
  attempts[`write in ${directory}`] = () => create(`${directory}/escape`);
  attempts[`remove what is in ${directory}`] = () => unlinkSync(`${directory}/here`);
}

function isOurs(path: string): boolean {
  return [...around.writable, ...around.readable].some(ours => ours === path || ours.startsWith(`${path}/`));
}

/** What its work takes: refusing everything would be no sandbox either. */
const needs: Record<string, () => unknown> = {
  'a thread': () =>
    new Promise((resolve, reject) => {
      new Worker('0', { eval: true }).once('exit', resolve).once('error', reject);
    }),
  'a pair of Unix sockets': () => native.socketpair().forEach(fd => native.close(fd)),
  'a pipe': () => native.pipe().forEach(fd => native.close(fd)),
  'a mapping': () => {
    const fd = native.memfd('need', 4096, 0);
    native.map(fd, 0, 4096, true).unmap();
    native.close(fd);
  },
  'its own code': () => readFileSync(process.argv[1]!),
  ...Object.fromEntries(
    around.servers.map(path => [`its server ${path}`, () => native.close(native.connectUnix(path))]),
  ),
  ...Object.fromEntries(
    around.writable.map(directory => [
      `its directory ${directory}`,
      () => {
        const path = `${directory}/socket`;
        native.close(native.listenUnix(path, 1));
        unlinkSync(path);
      },
    ]),
  ),
};

async function outcomes(of: typeof attempts, worked: (result: unknown) => string, failed: (error: Error) => string) {
  const found: Record<string, string> = {};
  for (const [name, attempt] of Object.entries(of)) {
    try {
      found[name] = worked(await attempt());
    } catch (error) {
      found[name] = failed(error as Error);
    }
  }
  return found;
}

/** Every call there is but those that the list allows, whatever it is called. */
function callUnlisted(): { unlisted: string[]; tried: number } {
  if (!isSupported(process.arch)) throw new Error(process.arch);
  const listed = new Set<number | undefined>([syscallNumber('clone3', process.arch), ...UNFILTERED]);
  for (const rule of SERVER_RULES) listed.add(syscallNumber(typeof rule === 'string' ? rule : rule.call, process.arch));
  const unlisted: string[] = [];
  let tried = 0;
  for (let number = 0; number < NUMBERS; number++) {
    if (listed.has(number)) continue;
    tried++;
    const result = raw.call(BigInt(number));
    if (result !== -EPERM) unlisted.push(`${number}: ${result}`);
  }
  return { unlisted, tried };
}

const earlyRing = raw.call(BigInt(raw.numbers[EARLY_REFUSALS[0]]!), 8n, 0n);
lockDown();
if (around.die === 'foreign') raw.foreign();
if (around.die === 'x32') raw.call(0x40000000n | 39n);
const findings: Findings = {
  attempts: await outcomes(
    attempts,
    result => `SUCCEEDED: ${String(result)}`.slice(0, 200),
    error => `refused: ${(error as NodeJS.ErrnoException).code ?? error.message}`,
  ),
  ...callUnlisted(),
  needs: await outcomes(
    needs,
    () => 'works',
    error => error.message,
  ),
  root: readdirSync('/'),
  earlyRing,
};
process.stdout.write(`${JSON.stringify(findings)}\n`);
setInterval(() => {}, 1000);
process.on('SIGTERM', () => process.exit());
