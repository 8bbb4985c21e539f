/**
 * Keyboard layouts on their way to an application. The link delivers a keymap in host memory, which is a vfd: it has no
 * size to ask for and stays writable for the other side. Applications get a memfd of their own with its contents, of a
 * size that is sealed, and the vfd, which costs the VM a mapping slot, is closed at once. Writing is not sealed: nobody
 * else has this copy, and before Linux 6.7 a write-sealed memfd could not be mapped MAP_SHARED, as older clients do.
 */
import type { OwnedFd } from '../system/fd.js';
import { OwnedFd as Fd } from '../system/fd.js';
import { native, SEAL_GROW, SEAL_SEAL, SEAL_SHRINK } from '../system/native.js';
import type { Call, EventValues } from './call.js';

/** The largest keymap that is carried: those of xkbcommon have some 60 KiB. */
export const MAX_KEYMAP_BYTES = 4 << 20;

/** Copies the first `size` bytes of `source`, which it closes, into a sealed memfd, which is the caller's. */
export function localKeymap(source: OwnedFd, size: number): OwnedFd {
  try {
    if (size === 0 || size > MAX_KEYMAP_BYTES) {
      throw new Error(`a keymap of ${size} bytes: 1 to ${MAX_KEYMAP_BYTES} are carried`);
    }
    const from = native.map(source.fd, 0, size, false);
    try {
      const copy = new Fd(native.memfd('virtwl-keymap', size, 0));
      try {
        const to = native.map(copy.fd, 0, size, true);
        try {
          native.copyRects(to, from, Float64Array.of(0, size, 0, size, size, 1), 1);
        } finally {
          to.unmap();
        }
        if (from.faulted) throw new Error(`a keymap of ${size} bytes in memory that has fewer`);
        native.addSeals(copy.fd, SEAL_SHRINK | SEAL_GROW | SEAL_SEAL);
        return copy;
      } catch (error) {
        copy.close();
        throw error;
      }
    } finally {
      from.unmap();
    }
  } finally {
    source.close();
  }
}

/** The keymap of an event, as {@link localKeymap} has it. A keyboard without one has an fd with nothing in it. */
export function keymapForApp(call: Call, fd: OwnedFd): OwnedFd {
  const { size } = call.args as EventValues<'wl_keyboard', 'keymap'>;
  return size > 0 ? localKeymap(fd, size) : fd;
}
