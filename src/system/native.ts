/**
 * The one file that loads the native addon, and the types of what it exports.
 *
 * Everything here is a thin system call: no policy, no protocol, no ownership. File descriptors are plain numbers and
 * belong to the caller unless a function says otherwise; {@link OwnedFd} in `fd.ts` is where ownership begins. All fds
 * made here are close-on-exec; all sockets are non-blocking.
 *
 * A system call that fails throws an `Error` with `code` ('ENOENT'), `errno` (2, positive) and `syscall` ('connect'),
 * with `path` where there is one, and the path or fd in the message. "Would block" is no error: it is the return value
 * -1. A call interrupted by a signal is repeated. An argument of the wrong type throws a `TypeError`, and one of the
 * right type that cannot be meant (NaN, a fraction, a negative number, offset + length past the end) a `RangeError`,
 * before anything has happened. So does whatever is used after its end: no misuse crashes the process.
 *
 * The addon can be loaded in any number of worker threads; each has its own counters, mappings and polls.
 */
import { createRequire } from 'node:module';
import { addonPath, whyNotLoaded } from './addon.js';

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
  /** Together they tell one file from any other, however many descriptors it has. */
  readonly device: number;
  readonly inode: number;
}

/** Bytes held and bytes at most of a private tmpfs (see {@link Native.createTmpfs}). */
export interface TmpfsUsage {
  readonly size: number;
  readonly used: number;
  /** Files in use, its root directory included. */
  readonly inodes: number;
}

/**
 * A shared file mapping, made by {@link Native.map}, and owned by who made it: {@link Mapping.unmap} ends it. Dropped
 * without that, the memory goes when both this object and its ArrayBuffer are garbage.
 *
 * Memory that the file no longer has, because another process shrank it, reads as zeros and sets `faulted`; SIGBUS does
 * not kill the process. From the place of the first fault to its end, the mapping then shows private zeros and no
 * longer the file, so a mapping that faulted is of no further use.
 */
export interface Mapping {
  /**
   * The shared memory itself: what is written here, the others see. Detached (length 0) by `unmap()`, and by nobody
   * else: it cannot be moved to another thread or buffer, and to try throws. Two exceptions, both harmless to the
   * memory: in Node.js 20, structuredClone and postMessage copy it instead; and up to Node.js 22,
   * ArrayBuffer.prototype.transfer and a ReadableStream of bytes do take it away, this getter throws then, and the
   * memory stays mapped as long as the new buffer lives.
   *
   * @throws Error after `unmap()`
   */
  readonly buffer: ArrayBuffer;
  /** Bytes mapped, as asked for; 0 after unmap. */
  readonly length: number;
  /** True once an access met memory that the file no longer has (SIGBUS). Can still be asked after `unmap()`. */
  readonly faulted: boolean;
  /**
   * Detaches `buffer` and gives the memory back.
   *
   * @throws Error when it was unmapped already
   */
  unmap(): void;
}

/**
 * Readiness of one fd through libuv (level-triggered). The fd stays the caller's and must stay open until `close()`
 * returned: {@link Native.close} refuses a watched fd with EBUSY. One fd has one Poll at a time (EEXIST), and a file or
 * directory, which is always ready, has none (EPERM). All methods but `close()` throw once it is closed.
 *
 * A Poll that is started stays alive by itself; one that is stopped and forgotten is closed by the garbage collector.
 */
export interface Poll {
  /** events: OR of 1 readable, 2 writable, 4 disconnect. Replaces what was asked before; 0 stops. */
  start(events: number): void;
  stop(): void;
  /** Idempotent. The callback is not called again, and the fd may be closed. */
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

/**
 * Counters of what crossed into the kernel since load in this thread, for tests that prove what a steady frame does not
 * do.
 */
export interface NativeCounters {
  mmap: number;
  munmap: number;
  /** Descriptors that this addon created or received. */
  fdsOpened: number;
  /** Descriptors that this addon closed, those closed on error paths included. */
  fdsClosed: number;
  /** Rectangles copied by {@link Native.copyRects}, and their bytes. */
  copies: number;
  bytesCopied: number;
  /** Messages sent and received, by sockets or by virtio_wl; attempts that would have blocked are counted too. */
  sendmsg: number;
  recvmsg: number;
}

export interface Native {
  // ---- Unix stream sockets -------------------------------------------------------------------------------------
  socketpair(): [number, number];
  /**
   * socket + connect. The path has at most 107 bytes (ENAMETOOLONG). A listener whose backlog is full is an error too
   * (EAGAIN), since nothing tells when there is room again: try again later.
   */
  connectUnix(path: string): number;
  /** bind + listen; the path must not exist (EADDRINUSE) and has at most 107 bytes. Removing it is the caller's. */
  listenUnix(path: string, backlog: number): number;
  /**
   * Sends one datagram to the Unix socket at `path`, without waiting; with `@` at its beginning, to a name of the abstract
   * namespace. Throws with ENOENT, ECONNREFUSED, EAGAIN where nobody takes it.
   */
  sendDatagram(path: string, text: string): void;
  /** The accepted fd, or -1 when none waits. */
  accept(fd: number): number;
  /**
   * sendmsg with SCM_RIGHTS, MSG_NOSIGNAL. Sends data[offset, offset+length). Bytes sent, which can be fewer, or -1
   * when it would block (nothing was sent then, and no fd). At least one byte is needed when fds are given; they go
   * with the first byte. The fds stay the caller's. At most 253 fds (SCM_MAX_FD of the kernel).
   */
  send(fd: number, data: Uint8Array, offset: number, length: number, fds: readonly number[]): number;
  /**
   * recvmsg with room for 253 fds. Bytes received, 0 at the end of the stream, or -1 when it would block. The buffer
   * has at least one byte. Received fds (close-on-exec) are appended to `fds` and are the caller's. A truncated control
   * message, which means that this process has no room for more fds, closes what arrived and throws EMSGSIZE; the bytes
   * of that message are lost with it.
   */
  recv(fd: number, buffer: Uint8Array, fds: number[]): number;
  /** Who called connect, listen or socketpair at the other end (SO_PEERCRED). ENOTCONN when there is no other end. */
  peerCredentials(fd: number): { pid: number; uid: number; gid: number };
  /**
   * What was sent and the peer has not read yet, in bytes of the kernel's memory; 0 when it has read all (SO_MEMINFO).
   * A message counts whole until its last byte was read.
   */
  unread(fd: number): number;
  /**
   * How many bytes of the kernel's memory may be on their way from this socket (SO_SNDBUF): some 700 beside those of each
   * message. A process without CAP_NET_ADMIN gets twice net.core.wmem_max at most. What it has from now on.
   */
  setSendBuffer(fd: number, bytes: number): number;

  // ---- any fd --------------------------------------------------------------------------------------------------
  /**
   * Bytes, 0 at the end, -1 when it would block: it does not, whatever the flags of the open file, which others may
   * share. Only a regular file is read as it comes. The buffer has at least one byte.
   */
  read(fd: number, buffer: Uint8Array): number;
  /**
   * Bytes written of data[offset, offset+length), -1 when it would block, as {@link Native.read}. EPIPE is an error;
   * SIGPIPE never comes.
   */
  write(fd: number, data: Uint8Array, offset: number, length: number): number;
  /** [read end, write end]. Blocking for the process that is given one; {@link Native.read} and `write` never wait. */
  pipe(): [number, number];
  /** EBUSY while a {@link Poll} of this thread watches it: libuv would abort. Never retried. */
  close(fd: number): void;
  /** A second descriptor (close-on-exec) of the same open file. */
  dup(fd: number): number;
  /** O_NONBLOCK, which belongs to the open file: all other holders get it too. */
  setNonblocking(fd: number): void;
  info(fd: number): FdInfo;

  // ---- memory --------------------------------------------------------------------------------------------------
  /**
   * memfd_create + ftruncate, then the seals (0 for none), which can be added to later. `name`, of at most 249 bytes, is
   * for /proc only. The size is a promise, not memory: see {@link Native.reserve}.
   */
  memfd(name: string, size: number, seals: number): number;
  /** F_GET_SEALS. EINVAL for what cannot have any. */
  seals(fd: number): number;
  /** F_ADD_SEALS. EPERM when SEAL_SEAL is set; EBUSY for SEAL_WRITE while a process maps it writable. */
  addSeals(fd: number, seals: number): void;
  /**
   * fallocate(fd, 0, offset, size): memory that exists, not a promise that faults later. ENOSPC when there is no room.
   * `offset` is 0 unless given.
   */
  reserve(fd: number, size: number, offset?: number): void;
  /**
   * A descriptor by which the kernel tells when nobody holds memory any more: it becomes readable then. ENOSYS, EINVAL
   * or EPERM where there is no fanotify for unprivileged processes (before Linux 5.13), EMFILE over
   * fs.fanotify.max_user_groups.
   */
  memoryWatch(): number;
  /**
   * Watches a memfd, which `watch` does not hold. Returns its key: no other file has the same as long as this one is
   * held.
   */
  watchMemory(watch: number, fd: number): string;
  /** Keys of watched memory that is gone, each once. */
  goneMemory(watch: number): string[];
  /** An unnamed file (O_TMPFILE) in the directory `directoryFd`, truncated to 0. */
  temporaryFile(directoryFd: number): number;
  /**
   * A tmpfs of `size` bytes (a multiple of the page size) that is mounted nowhere and lives as long as this fd and the
   * files made in it. The kernel keeps the bound, no matter who holds the files. Without CAP_SYS_ADMIN it is made in a
   * user namespace of a short-lived child and the fd is handed back; where that is forbidden too: EPERM, and the
   * message names the settings. Needs Linux 5.2 (ENOSYS).
   */
  createTmpfs(size: number): number;
  /** fstatvfs of any file or directory fd. */
  usage(fd: number): TmpfsUsage;
  /**
   * mmap(MAP_SHARED). The fd may be closed afterwards. offset must be a multiple of the page size, length 1 byte to
   * 4 GiB. A file of huge pages is refused (EOPNOTSUPP): it could not be guarded against being shrunk.
   */
  map(fd: number, offset: number, length: number, writable: boolean): Mapping;
  /**
   * Copies `count` rectangles. Each is 6 numbers in `rects`: dstOffset, dstStride, srcOffset, srcStride (bytes),
   * rowBytes, rows. All are checked against both mappings before the first byte moves (RangeError); one without rows or
   * bytes copies nothing, and rows may not be longer than their strides. They are copied in order. Rows that overlap
   * within one copy are the caller's mistake. Returns the bytes copied. If the source shrank meanwhile: zeros, and
   * `src.faulted`. `file`, where it is given, is the file that `src` maps from its beginning, lent for the call: large
   * rectangles are read from it and not through the mapping, whose pages cost a fault each when they are touched for the
   * first time, holes most of all.
   */
  copyRects(dst: Mapping, src: Mapping, rects: Float64Array, count: number, file?: number): number;
  /**
   * The same in a thread, while everything else goes on: `done` is called with the bytes copied. Both mappings may be
   * unmapped meanwhile, the memory stays until then. `file` is lent for the call.
   */
  copyRectsInThread(
    dst: Mapping,
    src: Mapping,
    rects: Float64Array,
    count: number,
    file: number | undefined,
    done: (copied: number) => void,
  ): void;
  /**
   * The 16-bit number at `offset` (even) of a mapping, in the machine's byte order; what others stored before they
   * released it is seen by every access after this one (acquire).
   */
  loadAcquire16(mapping: Mapping, offset: number): number;
  /** Stores it after everything that was stored before (release). The mapping must be writable. */
  storeRelease16(mapping: Mapping, offset: number, value: number): void;
  /** A full barrier: what is stored before it is seen by others before anything after it is loaded. */
  fence(): void;
  /** The system's page size in bytes. */
  readonly pageSize: number;

  // ---- virtio_wl (linux/virtwl.h) -------------------------------------------------------------------------------
  /** open(2) O_RDWR|O_CLOEXEC: for /dev/wl0. */
  openDevice(path: string): number;
  /**
   * VIRTWL_IOCTL_NEW on the device or a context fd. size (32 bits) for ALLOC, name (at most 31 bytes) for
   * CTX_NAMED; what does not apply is ignored. Returns the new fd. NEW_DMABUF, which would need more, is a RangeError.
   */
  virtwlNew(fd: number, type: number, size: number, name: string): number;
  /**
   * VIRTWL_IOCTL_SEND of data[offset, offset+length). At most 28 fds and 1 MiB. Returns length, or -1 when it would
   * block (nothing was sent). The fds stay the caller's.
   */
  virtwlSend(fd: number, data: Uint8Array, offset: number, length: number, fds: readonly number[]): number;
  /** VIRTWL_IOCTL_RECV. As {@link Native.recv}, at most 28 fds and 1 MiB at once; 0 bytes with no fds is the end. */
  virtwlRecv(fd: number, buffer: Uint8Array, fds: number[]): number;

  // ---- virtio_gpu (linux/virtgpu_drm.h) --------------------------------------------------------------------------
  /** DRM_IOCTL_VERSION: the name of the driver behind a file of /dev/dri. ENOTTY where it is none. */
  drmDriver(fd: number): string;
  /** GETPARAM. EINVAL for one that this kernel does not know. */
  drmParameter(fd: number, parameter: number): number;
  /** GET_CAPS: what the device says of a kind of context, as many bytes as `buffer` has (at most 4,096). */
  drmCapset(fd: number, id: number, version: number, buffer: Uint8Array): void;
  /** CONTEXT_INIT: the file becomes a context of that kind, with so many rings; `polled`: bits of those that give events. */
  drmContext(fd: number, capset: number, rings: number, polled: number): void;
  /** RESOURCE_CREATE_BLOB: [handle, resource], the handle to be closed. What the device refuses shows only in a mapping. */
  drmBlob(fd: number, memory: number, flags: number, size: number, id: number): [handle: number, resource: number];
  /** GEM_CLOSE. */
  drmCloseHandle(fd: number, handle: number): void;
  /** PRIME_HANDLE_TO_FD: a dma-buf that keeps the memory, the caller's; it can be mapped for reading and writing. */
  drmExport(fd: number, handle: number): number;
  /** PRIME_FD_TO_HANDLE and RESOURCE_INFO: the same memory in another file. One handle, however often it is imported. */
  drmImport(fd: number, memory: number): [handle: number, resource: number];
  /** MAP: the offset at which a mapping of `fd` shows what a handle stands for. */
  drmMapOffset(fd: number, handle: number): number;
  /**
   * EXECBUFFER of one command of at most 4,096 bytes. `ring` counts from 1; 0: none. `handle`: waited for by
   * {@link Native.drmWait}; 0: none.
   */
  drmExecute(fd: number, command: Uint8Array, ring: number, handle: number): void;
  /** WAIT until the commands with that handle were answered. EBUSY after some seconds. */
  drmWait(fd: number, handle: number): void;
  /**
   * Makes the file's context a channel: maps the ring that `handle` stands for. It ends with the descriptor, closed by
   * {@link Native.close}.
   */
  gpuChannel(fd: number, handle: number): void;
  /** POLL: the ring may be written, and there is to be an event when it was. */
  gpuNext(fd: number): void;
  /** Waits for an event, so long at most. Whether there is one. */
  gpuWait(fd: number, milliseconds: number): boolean;
  /**
   * The message in the ring, -1 where there is none yet: its data into `buffer` (at least 4,096 bytes), its length returned.
   * `about` (352 bytes) gets its command, how many identifiers it has (of READ: whose data it is), bytes, and of READ
   * whether that was all; then 28 ids, 28 types, 28 sizes, 32 bits each. The ring is not written before
   * {@link Native.gpuNext}.
   */
  gpuReceive(fd: number, buffer: Uint8Array, about: Uint8Array): number;
  /** Whether the host has answered what was sent, as far as is needed before more is. */
  gpuHasRoom(fd: number): boolean;
  /**
   * SEND of data[offset, offset+length), at most 3,744 bytes, with the first `count` of the `identifiers`: 28 ids, 28
   * types, 28 sizes. Returns length, or -1 where there is no room.
   */
  gpuSend(fd: number, data: Uint8Array, offset: number, length: number, identifiers: Uint8Array, count: number): number;
  /** Another command of data[offset, offset+length), at most 4,096 bytes. Whether there was room. */
  gpuSubmit(fd: number, data: Uint8Array, offset: number, length: number): boolean;

  // ---- confinement ---------------------------------------------------------------------------------------------
  /** setrlimit(resource, {limit, limit}): both the soft and the hard limit. Resources by number: RLIMIT_* of Linux. */
  setResourceLimit(resource: number, limit: number): void;
  /**
   * Sets no_new_privs and puts every thread of this process under a seccomp filter, for good. `program`: an array of
   * `struct sock_filter`, 8 bytes each.
   */
  installFilter(program: Uint8Array): void;
  /** Marks every descriptor from `fd` on close-on-exec, those of which nobody here knows included. */
  closeOnExecFrom(fd: number): void;
  /** setsid(): a session of this process's own, without a terminal. EPERM where it leads its process group already. */
  newSession(): void;
  /** Has this process killed (SIGKILL) when the thread that made it ends, which for our launchers is their process. */
  dieWithParent(): void;

  // ---- the native pass of a relay: src/relay/pass.ts -----------------------------------------------------------
  /** What passes of which interfaces; closed by {@link Native.closePassTypes}. Its number. */
  openPassTypes(): number;
  /** One more of them. Its number there. */
  passType(types: number, description: Int32Array): number;
  /** Passes that have them keep them. */
  closePassTypes(types: number): void;
  /**
   * A pass that shares `words` with its caller, who closes it by {@link Native.closePass}. `callbacks`: the type of what
   * `wl_display.sync` makes; 0: it makes nothing here. Its number.
   */
  openPass(words: Int32Array, types: number, callbacks: number): number;
  /**
   * What is known of 64 ids, three words each: `side` 0 the client's, 1 the compositor's; `page`: the first of them by 64.
   * The array is kept, and may not be resizable.
   */
  passRows(pass: number, side: number, page: number, words: Int32Array): void;
  /** A stack of free ids, kept as well. */
  passFree(pass: number, free: Int32Array): void;
  /** By which it admits requests; without it, all are. */
  passLedger(pass: number, vm: Float64Array, connection: Float64Array): void;
  /**
   * Frames are those of surfaces that were lent, whose pixels are copied: `numbers` counts frames, bytes copied and bytes not
   * copied, `uses` those of link buffers of the process. Both are kept.
   */
  passCopies(pass: number, numbers: Float64Array, uses: Float64Array): void;
  /**
   * Lends a surface: `words`, `count` of them, say what `bindings/frame_copies.cc` documents, with the mappings of its `links`
   * link buffers and then of the application's. Mappings are kept until it is taken back, or the pass closed. False: it is
   * not taken.
   */
  passLend(pass: number, words: Int32Array, count: number, mappings: readonly Mapping[], links: number): boolean;
  /** Takes a surface back: what it is by now is written to `words`. How many of them; 0: it was not lent. */
  passTakeBack(pass: number, surface: number, words: Int32Array): number;
  /**
   * What comes in at `from`, which a {@link Poll} watches, is received into `buffer`, and sent on at `to` where
   * all of it passes, at most `most` bytes at once. Each is a socket (0), a context of /dev/wl0 (1) or of virtio_gpu (2); otherwise the Poll's callback is called.
   * Both are lent until the Poll or the pass is closed. `way`: 0 for requests, 1 for events.
   */
  passWay(
    pass: number,
    way: number,
    from: number,
    fromCarrier: number,
    to: number,
    toCarrier: number,
    most: number,
    buffer: Uint8Array,
  ): void;
  /** What came with descriptors, or could not be received: as {@link Native.recv}, without receiving. */
  passTake(pass: number, way: number, fds: number[]): number;
  closePass(pass: number): void;

  // ---- events --------------------------------------------------------------------------------------------------
  /**
   * Stopped at first. callback(events, status) runs on the loop thread, and what it throws is an uncaughtException.
   * When the fd itself is in error (EPOLLERR: say, the readers of a pipe are gone), events is 0, status negative and
   * the Poll stopped: read or write to learn what it is.
   */
  Poll: new (fd: number, callback: (events: number, status: number) => void) => Poll;
  /** A snapshot. */
  counters(): NativeCounters;
}

function load(): Native {
  const path = addonPath();
  try {
    return createRequire(import.meta.url)(path) as Native;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'MODULE_NOT_FOUND' && code !== 'ERR_DLOPEN_FAILED') throw error;
    throw new Error(whyNotLoaded(path, code === 'MODULE_NOT_FOUND' ? undefined : message), { cause: error });
  }
}

/** The addon. Loaded once; VIRTWL_NATIVE names another build by its absolute path (the sanitizer run uses it). */
export const native: Native = load();
