/**
 * The one file that loads the native addon, and the types of what it exports.
 *
 * Everything here is a thin system call: no policy, no protocol, no ownership. File descriptors are plain numbers and
 * belong to the caller unless a function says otherwise; {@link OwnedFd} in `fd.ts` is where ownership begins. Every
 * failing call throws an `Error` with `code` ('ENOENT'), `errno` (2, positive) and `syscall` ('connect'), and with the
 * path in the message where there is one. All fds made here are close-on-exec; all sockets and pipes are non-blocking.
 * "Would block" is never an error: it is the return value -1.
 */
import { createRequire } from 'node:module';

/** What fstat(2) says a descriptor is. */
export type FdType = 'socket' | 'pipe' | 'regular' | 'character' | 'other';

/** A file as the kernel describes it. */
export interface FdInfo {
  readonly type: FdType;
  /** Access mode from fcntl(F_GETFL). */
  readonly access: 'r' | 'w' | 'rw';
  /** st_size in bytes; 0 for what has none. */
  readonly size: number;
  /** Whether lseek(2) works on it: how the wl device tells memory from a stream. */
  readonly seekable: boolean;
}

/** Bytes held and bytes at most of a private tmpfs (see {@link Native.createTmpfs}). */
export interface TmpfsUsage {
  readonly size: number;
  readonly used: number;
}

/**
 * A shared file mapping. `buffer` reads and writes the shared memory itself. After `unmap()` the ArrayBuffer is
 * detached (length 0), `buffer` throws, and so does every native call given this mapping. Nobody but `unmap()` can
 * detach the buffer. A mapping whose file shrank under it reads as zeros and sets `faulted`, it does not kill us.
 * Dropped without `unmap()`, the memory goes when both this object and the ArrayBuffer are garbage.
 */
export interface Mapping {
  readonly buffer: ArrayBuffer;
  /** Bytes mapped; 0 after unmap. */
  readonly length: number;
  /** True once an access met memory that the file no longer has (SIGBUS). */
  readonly faulted: boolean;
  unmap(): void;
}

/** Readiness of one fd through libuv. The fd must stay open until `close()` returned. */
export interface Poll {
  /** events: OR of 1 readable, 2 writable, 4 disconnect. Replaces what was asked before; 0 stops. */
  start(events: number): void;
  stop(): void;
  /** Idempotent. The callback is not called again. */
  close(): void;
  /** Let the process exit although this poll is active / keep it alive (the default). */
  unref(): void;
  ref(): void;
}

/** Bits of {@link Poll.start} and of its callback. */
export const POLL_READABLE = 1;
export const POLL_WRITABLE = 2;
export const POLL_DISCONNECT = 4;

/** memfd seals, as in fcntl(2). */
export const SEAL_SEAL = 1;
export const SEAL_SHRINK = 2;
export const SEAL_GROW = 4;
export const SEAL_WRITE = 8;

/** virtio_wl vfd kinds for {@link Native.virtwlNew}: `VIRTWL_IOCTL_NEW_*` of linux/virtwl.h. */
export const VIRTWL_NEW_CTX = 0;
export const VIRTWL_NEW_ALLOC = 1;
export const VIRTWL_NEW_PIPE_READ = 2;
export const VIRTWL_NEW_PIPE_WRITE = 3;
export const VIRTWL_NEW_DMABUF = 4;
export const VIRTWL_NEW_CTX_NAMED = 5;

/** Counters of what crossed into the kernel since load, for tests that prove what a steady frame does not do. */
export interface NativeCounters {
  mmap: number;
  munmap: number;
  /** Descriptors that this addon created or received. */
  fdsOpened: number;
  fdsClosed: number;
  copies: number;
  bytesCopied: number;
  sendmsg: number;
  recvmsg: number;
}

export interface Native {
  // ---- Unix stream sockets -------------------------------------------------------------------------------------
  socketpair(): [number, number];
  connectUnix(path: string): number;
  /** bind + listen; the path must not exist. */
  listenUnix(path: string, backlog: number): number;
  /** The accepted fd, or -1 when none waits. */
  accept(fd: number): number;
  /**
   * sendmsg with SCM_RIGHTS, MSG_NOSIGNAL. Sends data[offset, offset+length). Bytes sent, or -1 when it would block.
   * At least one byte is needed when fds are given. The fds stay the caller's. At most 253 fds.
   */
  send(fd: number, data: Uint8Array, offset: number, length: number, fds: readonly number[]): number;
  /**
   * recvmsg with room for 253 fds. Bytes received, 0 at the end of the stream, or -1 when it would block.
   * Received fds (close-on-exec) are pushed on `fds` and are the caller's. A truncated control message closes what
   * arrived and throws EMSGSIZE.
   */
  recv(fd: number, buffer: Uint8Array, fds: number[]): number;
  peerCredentials(fd: number): { pid: number; uid: number; gid: number };
  /** shutdown(fd, SHUT_WR). */
  shutdownWrite(fd: number): void;

  // ---- any fd --------------------------------------------------------------------------------------------------
  /** Bytes, 0 at the end, -1 when it would block. */
  read(fd: number, buffer: Uint8Array): number;
  /** Bytes written of data[offset, offset+length), -1 when it would block. EPIPE is an error; SIGPIPE never comes. */
  write(fd: number, data: Uint8Array, offset: number, length: number): number;
  /** [read end, write end], both non-blocking. */
  pipe(): [number, number];
  close(fd: number): void;
  dup(fd: number): number;
  setNonblocking(fd: number): void;
  info(fd: number): FdInfo;

  // ---- memory --------------------------------------------------------------------------------------------------
  memfd(name: string, size: number, seals: number): number;
  seals(fd: number): number;
  addSeals(fd: number, seals: number): void;
  /** fallocate(fd, 0, 0, size): memory that exists, not a promise that faults later. ENOSPC when there is no room. */
  reserve(fd: number, size: number): void;
  truncate(fd: number, size: number): void;
  /** An unnamed file (O_TMPFILE) in the directory `directoryFd`, truncated to 0. */
  temporaryFile(directoryFd: number): number;
  /**
   * A tmpfs of `size` bytes (a multiple of the page size) that is mounted nowhere and lives as long as this fd and the
   * files made in it. The kernel keeps the bound, whoever holds the files. Without CAP_SYS_ADMIN it is made in a user
   * namespace of a short-lived child and the fd is handed back.
   */
  createTmpfs(size: number): number;
  /** fstatvfs of any file or directory fd. */
  usage(fd: number): TmpfsUsage;
  /** mmap(MAP_SHARED). The fd may be closed afterwards. offset must be a multiple of the page size. */
  map(fd: number, offset: number, length: number, writable: boolean): Mapping;
  /**
   * Copies `count` rectangles. Each is 6 numbers in `rects`: dstOffset, dstStride, srcOffset, srcStride (bytes),
   * rowBytes, rows. All are checked against both mappings before the first byte moves (RangeError). Overlap is the
   * caller's mistake. Returns the bytes copied. If the source shrank meanwhile: zeros, and `src.faulted`.
   */
  copyRects(dst: Mapping, src: Mapping, rects: Float64Array, count: number): number;
  /** The system's page size in bytes. */
  readonly pageSize: number;

  // ---- virtio_wl (linux/virtwl.h) -------------------------------------------------------------------------------
  /** open(2) O_RDWR|O_CLOEXEC: for /dev/wl0. */
  openDevice(path: string): number;
  /** VIRTWL_IOCTL_NEW on the device or a context fd. size for ALLOC/PIPE, name for CTX_NAMED. Returns the new fd. */
  virtwlNew(fd: number, type: number, size: number, name: string): number;
  /** VIRTWL_IOCTL_SEND. At most 28 fds. Returns length, or -1 when it would block (nothing was sent). */
  virtwlSend(fd: number, data: Uint8Array, offset: number, length: number, fds: readonly number[]): number;
  /** VIRTWL_IOCTL_RECV. As {@link Native.recv}; 0 bytes with no fds is the end. May return 0 with fds. */
  virtwlRecv(fd: number, buffer: Uint8Array, fds: number[]): number;
  virtwlDmabufSync(fd: number, flags: number): void;

  // ---- events --------------------------------------------------------------------------------------------------
  /** callback(events) runs on the loop thread; events is 0 with a negative status on a poll error. */
  Poll: new (fd: number, callback: (events: number) => void) => Poll;
  /** A snapshot. */
  counters(): NativeCounters;
}

const require = createRequire(import.meta.url);

/** The addon. Loaded once; VIRTWL_NATIVE names another build (the sanitizer run uses it). */
export const native: Native = require(process.env['VIRTWL_NATIVE'] ?? '../../build/Release/virtwl.node') as Native;
