/**
 * Descriptors that servers send, by what they are: what can seek is memory, what has one direction is a pipe, a socket is a
 * connection.
 *
 * Memory is mapped into the guest as whole pages of a file that may be written, or QEMU refuses it. Small files that are
 * none of that (keymaps, tables of formats) are copied: nobody writes to them after they were sent.
 */
import { readSync } from 'node:fs';
import { roundUpToPages } from '../../allocator/budget.js';
import { OwnedFd } from '../../system/fd.js';
import { native, SEAL_GROW, SEAL_SEAL, SEAL_SHRINK } from '../../system/native.js';
import type { ReceivedBytes } from '../guest/resources.js';
import { writeSealed } from '../guest/write-sealed.js';
import type { HostMemory } from './blobs.js';
import { MAX_COPIED_BYTES } from './limits.js';
import { HOST_VISIBLE_BYTES } from './wire.js';

/** What came. It is the receiver's. */
export type Arrival =
  | { readonly kind: 'memory'; readonly memory: HostMemory; /** In bytes, as the file has it. */ readonly size: number }
  | { readonly kind: 'pipe'; readonly fd: OwnedFd; /** What the guest does. */ readonly direction: 'read' | 'write' }
  | { readonly kind: 'connection'; readonly fd: OwnedFd };

/** Takes ownership of `fd`, also when it throws. `received` counts memory until it is closed. */
export function identify(fd: OwnedFd, received: ReceivedBytes): Arrival {
  try {
    const { type, size, seekable, access } = fd.info();
    if (type === 'socket') return { kind: 'connection', fd };
    // Eventfds can seek, too, in a way.
    if (seekable && size > 0) return { kind: 'memory', size, memory: memoryOf(fd, size, access === 'r', received) };
    if (seekable || access === 'rw') throw new Error('a descriptor that is neither memory, socket nor pipe');
    return { kind: 'pipe', fd, direction: access === 'w' ? 'write' : 'read' };
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** Takes ownership of `fd` unless it throws. */
function memoryOf(fd: OwnedFd, size: number, readOnly: boolean, received: ReceivedBytes): HostMemory {
  const bytes = roundUpToPages(size);
  if (bytes > HOST_VISIBLE_BYTES) throw new Error(`memory of ${size} bytes is larger than the host-visible memory`);
  received.take(bytes);
  const closed = (): void => received.give(bytes);
  try {
    if (!readOnly && bytes === size) return { fd, bytes, writable: !writeSealed(fd), closed };
    const copy = copyOf(fd, size, bytes);
    fd.close();
    return { fd: copy, bytes, writable: true, closed };
  } catch (error) {
    closed();
    throw error;
  }
}

function copyOf(fd: OwnedFd, size: number, bytes: number): OwnedFd {
  if (bytes > MAX_COPIED_BYTES) {
    throw new Error(`memory of ${size} bytes cannot be mapped into the guest: it is read-only, or no whole pages`);
  }
  const copy = new OwnedFd(native.memfd('virtwl-copy', bytes, 0));
  try {
    native.reserve(copy.fd, bytes);
    const mapping = native.map(copy.fd, 0, bytes, true);
    try {
      // What its owner has cut off meanwhile stays zero.
      readSync(fd.fd, new Uint8Array(mapping.buffer), 0, size, 0);
    } finally {
      mapping.unmap();
    }
    native.addSeals(copy.fd, SEAL_GROW | SEAL_SHRINK | SEAL_SEAL);
    return copy;
  } catch (error) {
    copy.close();
    throw error;
  }
}
