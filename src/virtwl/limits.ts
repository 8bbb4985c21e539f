/**
 * The limits of virtio_wl, kept in loopback as well, so that nothing works there that cannot work on /dev/wl0.
 */

/** Most fds in one transaction: VIRTWL_SEND_MAX_ALLOCS of linux/virtwl.h. */
export const MAX_FDS = 28;

/** Longest name of a named socket in bytes: `char name[32]` of struct virtwl_ioctl_new, less its NUL. */
export const MAX_NAME_BYTES = 31;

/** The size of one buffer on the device's queues in bytes. */
export const BUFFER_BYTES = 4096;

/**
 * The most data bytes in one transaction: one buffer less the header of VFD_SEND (type, flags, id, vfd_count: 16
 * bytes) and {@link MAX_FDS} vfd ids of 4 bytes, whether or not fds go along.
 */
export const MAX_CHUNK_BYTES = BUFFER_BYTES - 16 - 4 * MAX_FDS;

/** The largest NEW_ALLOC: its size field is a u32, and the driver rounds up to a page. */
export const MAX_ALLOCATION_BYTES = 0xffff_f000;

/**
 * Bytes that a context queues before `send` asks its caller to wait for `drain`. Large enough for a burst of Wayland
 * messages, small enough that a peer that never reads costs little.
 */
export const HIGH_WATER_BYTES = 256 * 1024;

/** Queued bytes over which a context breaks with ENOBUFS: its owner ignored `send`'s answer, or its peer never reads. */
export const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

/** Queued fds over which a context breaks with ENOBUFS: half of the usual limit of 1,024 open files. */
export const MAX_QUEUED_FDS = 512;

/** Checks a socket name as virtio_wl carries it. Throws an Error with code EINVAL. */
export function checkName(name: string): void {
  const bytes = Buffer.byteLength(name);
  let fault: string | undefined;
  if (bytes === 0) fault = 'it is empty';
  else if (bytes > MAX_NAME_BYTES) fault = `it has ${bytes} bytes, and virtio_wl carries at most ${MAX_NAME_BYTES}`;
  else if (name.includes('\0')) fault = 'it contains a NUL byte';
  else if (name.includes('/')) fault = 'it contains a slash: it is a name that the host gave, not a path';
  else if (name === '.' || name === '..') fault = 'it is the name of a directory';
  if (fault !== undefined) {
    throw Object.assign(new Error(`the server name ${JSON.stringify(name.slice(0, 64))} cannot be used: ${fault}`), {
      code: 'EINVAL',
    });
  }
}
