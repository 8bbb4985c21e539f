/**
 * System call numbers of the two machines that we run on, from the kernel's tables: arch/x86/entry/syscalls/
 * syscall_64.tbl and include/uapi/asm-generic/unistd.h. Only calls that a filter names are here: those that a confined
 * process may make, and a few that have to be refused in a way of their own.
 */

/** Numbers on x86-64 and arm64; undefined where the machine has no such call (the other column's successor serves). */
const TABLE = {
  read: [0, 63],
  write: [1, 64],
  close: [3, 57],
  fstat: [5, 80],
  poll: [7, undefined],
  lseek: [8, 62],
  mmap: [9, 222],
  mprotect: [10, 226],
  munmap: [11, 215],
  brk: [12, 214],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  rt_sigreturn: [15, 139],
  ioctl: [16, 29],
  pread64: [17, 67],
  pwrite64: [18, 68],
  readv: [19, 65],
  writev: [20, 66],
  sched_yield: [24, 124],
  mremap: [25, 216],
  madvise: [28, 233],
  dup: [32, 23],
  nanosleep: [35, 101],
  getpid: [39, 172],
  socket: [41, 198],
  connect: [42, 203],
  accept: [43, 202],
  sendto: [44, 206],
  sendmsg: [46, 211],
  recvmsg: [47, 212],
  shutdown: [48, 210],
  bind: [49, 200],
  listen: [50, 201],
  getsockname: [51, 204],
  getpeername: [52, 205],
  socketpair: [53, 199],
  setsockopt: [54, 208],
  getsockopt: [55, 209],
  clone: [56, 220],
  exit: [60, 93],
  fcntl: [72, 25],
  ftruncate: [77, 46],
  getcwd: [79, 17],
  rmdir: [84, undefined],
  unlink: [87, undefined],
  readlink: [89, undefined],
  gettimeofday: [96, 169],
  getrlimit: [97, 163],
  getrusage: [98, 165],
  getuid: [102, 174],
  getgid: [104, 176],
  geteuid: [107, 175],
  getegid: [108, 177],
  sigaltstack: [131, 132],
  statfs: [137, 43],
  fstatfs: [138, 44],
  prctl: [157, 167],
  gettid: [186, 178],
  time: [201, undefined],
  futex: [202, 98],
  sched_getaffinity: [204, 123],
  getdents64: [217, 61],
  restart_syscall: [219, 128],
  clock_gettime: [228, 113],
  clock_getres: [229, 114],
  clock_nanosleep: [230, 115],
  exit_group: [231, 94],
  epoll_wait: [232, undefined],
  epoll_ctl: [233, 21],
  tgkill: [234, 131],
  openat: [257, 56],
  newfstatat: [262, 79],
  unlinkat: [263, 35],
  readlinkat: [267, 78],
  ppoll: [271, 73],
  set_robust_list: [273, 99],
  epoll_pwait: [281, 22],
  fallocate: [285, 47],
  accept4: [288, 242],
  eventfd2: [290, 19],
  epoll_create1: [291, 20],
  dup3: [292, 24],
  pipe2: [293, 59],
  prlimit64: [302, 261],
  getrandom: [318, 278],
  memfd_create: [319, 279],
  statx: [332, 291],
  rseq: [334, 293],
  name_to_handle_at: [303, 264],
  fanotify_mark: [301, 263],
  splice: [275, 76],
  preadv2: [327, 286],
  pwritev2: [328, 287],
  pkey_mprotect: [329, 288],
  pkey_alloc: [330, 289],
  pkey_free: [331, 290],
  membarrier: [324, 283],
  epoll_pwait2: [441, 441],
  /** Refused with ENOSYS and not EPERM: its flags cannot be filtered, and the C library then uses clone. */
  clone3: [435, 435],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
} as const;

export type SyscallName = keyof typeof TABLE;

/** Every call in the table. */
export const SYSCALL_NAMES = Object.keys(TABLE) as readonly SyscallName[];

/** AUDIT_ARCH_* of linux/audit.h. */
const ARCHITECTURES = { x64: { column: 0, audit: 0xc000003e }, arm64: { column: 1, audit: 0xc00000b7 } } as const;
export type Architecture = keyof typeof ARCHITECTURES;

/** Whether filters can be made for a machine, by its name in `process.arch`. */
export function isSupported(arch: string): arch is Architecture {
  return Object.hasOwn(ARCHITECTURES, arch);
}

/** The value of seccomp_data.arch. */
export function auditArchitecture(arch: Architecture): number {
  return ARCHITECTURES[arch].audit;
}

/** The number of a call, or undefined where the machine does not have it. */
export function syscallNumber(name: SyscallName, arch: Architecture): number | undefined {
  return TABLE[name][ARCHITECTURES[arch].column];
}
