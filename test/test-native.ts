/**
 * System calls that only tests make, by an addon of their own (`test/bindings/native/addon.cc`). One that fails throws an
 * `Error` with `code`; descriptors are the caller's.
 */
import { createRequire } from 'node:module';

export interface TestNative {
  /** eventfd(2) with count 0, non-blocking. */
  eventfd(): number;
  /** shutdown(fd, SHUT_WR). */
  shutdownWrite(fd: number): void;
  /** ftruncate: sets the size, either way. */
  truncate(fd: number, size: number): void;
  /** fallocate(fd, mode, offset, length). */
  allocate(fd: number, mode: number, offset: number, length: number): void;
  /** VIRTWL_IOCTL_DMABUF_SYNC. */
  dmabufSync(fd: number, flags: number): void;
  /** Clears O_NONBLOCK of the open file, as any process that shares it can. */
  setBlocking(fd: number): void;
  /** How natives read and write a pipe where the kernel knows no RWF_NOWAIT for it; -1 when it would block. */
  readPipeBySplice(fd: number, buffer: Uint8Array): number;
  writePipeBySplice(fd: number, data: Uint8Array): number;
}

export const testNative = createRequire(import.meta.url)('../../build/Release/virtwl-test.node') as TestNative;
