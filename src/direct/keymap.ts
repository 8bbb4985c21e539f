/**
 * A keyboard's layout, as the compositor hands it over: what the codes of keys mean. It arrives as a descriptor of shared
 * memory, which is copied and closed at once: in a VM it would hold a piece of the host's memory. Making characters of
 * codes is xkbcommon's work, not ours.
 */
import { readSync } from 'node:fs';
import type { OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';

/** The largest keymap that is read, in bytes: those of xkbcommon have some 60 KiB. A compositor cannot make us copy more. */
export const MAX_KEYMAP_BYTES = 4 * 1024 * 1024;
/** wl_keyboard.keymap_format.xkb_v1 */
const XKB_V1 = 1;

/**
 * Reads the text of an xkb keymap.
 * @param format `wl_keyboard.keymap_format`
 * @param fd is closed
 * @param size in bytes, as the compositor says
 * @returns the text, as `xkb_keymap_new_from_string` takes it; undefined for a keyboard without a keymap
 * @throws RangeError for a size of 0 or more than {@link MAX_KEYMAP_BYTES}, Error when the memory is smaller
 */
export function readKeymap(format: number, fd: OwnedFd, size: number): string | undefined {
  try {
    if (format !== XKB_V1) return undefined;
    if (size < 1 || size > MAX_KEYMAP_BYTES) {
      throw new RangeError(`the compositor sends a keymap of ${size} bytes: 1 to ${MAX_KEYMAP_BYTES} are read`);
    }
    const bytes = fd.info().type === 'regular' ? bytesOfFile(fd, size) : bytesOfMemory(fd, size);
    // A C string: what follows its end is no part of it.
    const end = bytes.indexOf(0);
    return Buffer.from(bytes.subarray(0, end < 0 ? size : end)).toString('utf8');
  } finally {
    fd.close();
  }
}

/** By read(2): a memfd that is sealed against writing cannot be mapped shared before Linux 6.7. */
function bytesOfFile(fd: OwnedFd, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let read = 0; read < size;) {
    const count = readSync(fd.fd, bytes, read, size - read, read);
    if (count === 0) throw tooSmall(size);
    read += count;
  }
  return bytes;
}

/** By a mapping: memory of the host has no read(2). */
function bytesOfMemory(fd: OwnedFd, size: number): Uint8Array {
  const mapping = native.map(fd.fd, 0, size, false);
  try {
    const bytes = new Uint8Array(mapping.buffer).slice();
    if (mapping.faulted) throw tooSmall(size);
    return bytes;
  } finally {
    mapping.unmap();
  }
}

function tooSmall(size: number): Error {
  return new Error(`the compositor sends a keymap of ${size} bytes in memory that has fewer`);
}
