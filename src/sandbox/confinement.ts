/**
 * What a confined process may still do, and how it gives up the rest. Confinement comes in two steps. Outside, before
 * the process exists, bubblewrap gives it namespaces of its own, a root with nothing in it but what it needs, and the
 * first of two system call filters ({@link Confinement}, `bubblewrap.ts`). Inside, when it is set up and before it
 * reads a byte of a guest, it lowers its resource limits and installs the filter that counts ({@link lockDown}): from
 * then on it cannot start a program, make a process, or use a system call that it was not seen to need.
 */
import { closeSync, readFileSync } from 'node:fs';
import type { OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import { compileFilter, type Rule } from './seccomp.js';
import { isSupported, type Architecture } from './syscalls.js';

/** What is given to a confined process from outside. */
export interface Confinement {
  /** For messages: `host "vm"`. */
  readonly name: string;
  /** The module to run and its arguments. */
  readonly command: readonly string[];
  /** What it is to know, as JSON can say it; {@link inheritedValue} gives it there. */
  readonly value?: unknown;
  /** Directories that it may write to; they keep their paths. */
  readonly writable: readonly string[];
  /** Files and directories that it may read; they keep their paths. */
  readonly readable: readonly string[];
  /**
   * Descriptors that it inherits, by the name under which {@link inheritedFd} finds them. Given away: they are closed
   * here once the confined process has them, or cannot be started.
   */
  readonly fds: Readonly<Record<string, OwnedFd>>;
}

/** Set in a confined process: JSON of its inherited descriptors. */
export const CONFINED_ENV = 'VIRTWL_CONFINED';

/**
 * Whether this process was started by `runConfined`.
 *
 * @throws Error when the environment says so and it is not true: nobody shall come to run unconfined by an accident
 */
export function isConfined(): boolean {
  if (process.env[CONFINED_ENV] === undefined) return false;
  // In the PID namespace that it was given, it is the first process.
  if (process.pid !== 1) throw new Error(`${CONFINED_ENV} is set, but this process is not confined: unset it`);
  return true;
}

/** The number of an inherited descriptor, which becomes the caller's; undefined where none of that name was given. */
export function inheritedFd(name: string): number | undefined {
  const fds = JSON.parse(process.env[CONFINED_ENV] ?? '{}') as Record<string, number>;
  return fds[name];
}

/** The name of the descriptor of a confined process's value. */
export const VALUE_FD = 'value';

/**
 * What the process outside said that this one is to know. It comes as a file in memory, which has no bound on its size
 * as arguments and environment have, and is not shown in lists of processes. It can be asked for once.
 */
export function inheritedValue(): unknown {
  const fd = inheritedFd(VALUE_FD);
  if (fd === undefined) throw new Error('this confined process was given nothing to do');
  const text = readFileSync(fd, 'utf8');
  closeSync(fd);
  return JSON.parse(text);
}

// linux/resource.h (asm-generic); the same on x86-64 and arm64.
const RLIMIT_FSIZE = 1;
const RLIMIT_CORE = 4;
const RLIMIT_NOFILE = 7;
const RLIMIT_MEMLOCK = 8;
const RLIMIT_MSGQUEUE = 12;

/** Resource limits of a confined process. */
export interface ResourceLimits {
  /** Open descriptors. */
  readonly descriptors: number;
  /** The largest file that it may make, in bytes: a piece of the allocator's memory. */
  readonly fileBytes: number;
}

/** For a broker or a host process: each client and each connection is a descriptor or two. */
export const DEFAULT_LIMITS: ResourceLimits = { descriptors: 4096, fileBytes: 4 * 2 ** 30 };

/**
 * The flags with which glibc makes a thread: CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID and
 * CHILD_CLEARTID. Compared as a whole, so no namespace can be asked for beside them.
 */
const THREAD = 0x003d0f00;
/** musl adds CLONE_DETACHED, which has no effect. */
const THREAD_MUSL = 0x007d0f00;
const AF_UNIX = 1;
const FIONBIO = 0x5421;
const FIOCLEX = 0x5451;
const FIONREAD = 0x541b;
const TCGETS = 0x5401;
const FAN_MARK_ADD = 1;
const AT_EMPTY_PATH = 0x1000;
const PR_SET_NAME = 15;
const PR_SET_VMA = 0x53564d41;
const RLIMIT_READ_ONLY = 0;

/**
 * System calls of a process that serves Unix sockets and hands memory out, from what Node.js 20 to 24 and our own code
 * were seen to use. Threads may be made (V8 and libuv do), processes may not; sockets are Unix sockets; code may be
 * compiled (mprotect), which the JavaScript engine lives on.
 */
export const SERVER_RULES: readonly Rule[] = [
  ...([
    'read',
    'write',
    'readv',
    'writev',
    'pread64',
    'pwrite64',
    'preadv2',
    'pwritev2',
    'splice',
    'close',
    'fstat',
    'newfstatat',
    'statx',
    'lseek',
    'fcntl',
    'poll',
    'ppoll',
    'epoll_wait',
    'epoll_pwait',
    'epoll_pwait2',
    'epoll_ctl',
    'epoll_create1',
    'eventfd2',
    'pipe2',
    'dup',
    'dup3',
    'sendmsg',
    'recvmsg',
    'sendto',
    'accept',
    'accept4',
    'connect',
    'bind',
    'listen',
    'shutdown',
    'getsockname',
    'getpeername',
    'getsockopt',
    'setsockopt',
    'openat',
    'getdents64',
    'readlink',
    'readlinkat',
    'unlink',
    'unlinkat',
    'rmdir',
    'getcwd',
    'statfs',
    'fstatfs',
    'fallocate',
    'ftruncate',
    'memfd_create',
    'mmap',
    'munmap',
    'mremap',
    'mprotect',
    'madvise',
    'brk',
    'pkey_mprotect',
    'pkey_alloc',
    'pkey_free',
    'membarrier',
    'rt_sigaction',
    'rt_sigprocmask',
    'rt_sigreturn',
    'sigaltstack',
    'tgkill',
    'restart_syscall',
    'futex',
    'set_robust_list',
    'rseq',
    'sched_yield',
    'sched_getaffinity',
    'exit',
    'exit_group',
    'clock_gettime',
    'clock_getres',
    'clock_nanosleep',
    'nanosleep',
    'gettimeofday',
    'time',
    'getrandom',
    'getpid',
    'gettid',
    'getuid',
    'geteuid',
    'getgid',
    'getegid',
    'getrusage',
    'getrlimit',
  ] as const),
  { call: 'clone', when: { argument: 0, oneOf: [THREAD, THREAD_MUSL] } },
  { call: 'socket', when: { argument: 0, oneOf: [AF_UNIX] } },
  { call: 'socketpair', when: { argument: 0, oneOf: [AF_UNIX] } },
  // To learn when nobody holds memory any more: by its descriptor.
  { call: 'fanotify_mark', when: { argument: 1, oneOf: [FAN_MARK_ADD] } },
  { call: 'name_to_handle_at', when: { argument: 4, oneOf: [AT_EMPTY_PATH] } },
  { call: 'ioctl', when: { argument: 1, oneOf: [FIONBIO, FIOCLEX, FIONREAD, TCGETS] } },
  { call: 'prctl', when: { argument: 0, oneOf: [PR_SET_NAME, PR_SET_VMA] } },
  // Reading limits is harmless; setting them needs a pointer in the third argument.
  { call: 'prlimit64', when: { argument: 2, oneOf: [RLIMIT_READ_ONLY] } },
];

/**
 * Refused from the process's first instruction on, and not only once the list above holds: the reason is at
 * `compileRefusals`.
 */
export const EARLY_REFUSALS = ['io_uring_setup', 'io_uring_enter', 'io_uring_register'] as const;

/** The machine's name for the filters. Throws where there are none for it. */
export function filterArchitecture(): Architecture {
  if (isSupported(process.arch)) return process.arch;
  throw new Error(`no system call filter for ${process.arch}: use x64 or arm64, or run with --no-sandbox`);
}

/**
 * Gives up what is not on the list, for good. To be called when everything is set up and before anything is read from a
 * guest. Throws where the machine cannot filter system calls.
 */
export function lockDown(rules: readonly Rule[] = SERVER_RULES, limits: ResourceLimits = DEFAULT_LIMITS): void {
  const filter = compileFilter(rules, filterArchitecture());
  lowerLimit(RLIMIT_CORE, 0);
  lowerLimit(RLIMIT_MEMLOCK, 0);
  lowerLimit(RLIMIT_MSGQUEUE, 0);
  lowerLimit(RLIMIT_FSIZE, limits.fileBytes);
  lowerLimit(RLIMIT_NOFILE, limits.descriptors);
  native.installFilter(filter);
}

/** Lowers a limit, for good; one that is lower already stays. */
function lowerLimit(resource: number, limit: number): void {
  try {
    native.setResourceLimit(resource, limit);
  } catch (error) {
    // Only raising a limit takes a right, so this one is lower.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}
