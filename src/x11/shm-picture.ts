/** A picture of our own as a buffer of the compositor's: what Xwayland does not draw, title bars and the pointer over them. */
import type { RelayObject } from '../relay/object-map.js';
import { OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import { WlShmFormat } from '../wayland/protocols/wayland.js';
import type { Shell } from './shell.js';

export interface OwnPicture {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Four bytes each: blue, green, red, alpha, the colours multiplied by it. */
  readonly pixels: Uint8Array;
}

/** The buffer is the caller's to destroy. @throws Error where there is no memory, or the compositor has no `wl_shm` */
export function bufferOf(shell: Shell, { width, height, pixels }: OwnPicture): RelayObject<'wl_buffer'> {
  const { relay } = shell;
  const shm = shell.global('wl_shm');
  if (shm === undefined) throw new Error('the compositor has no wl_shm');
  const fd = new OwnedFd(native.memfd('virtwl-x11', pixels.length, 0));
  try {
    const mapping = native.map(fd.fd, 0, pixels.length, true);
    new Uint8Array(mapping.buffer).set(pixels);
    mapping.unmap();
  } catch (error) {
    fd.close();
    throw error;
  }
  const pool = relay.inject('wl_shm_pool', shm.version);
  relay.request(shm, 'create_pool', { id: pool, fd, size: pixels.length });
  const buffer = relay.inject('wl_buffer', 1);
  const format = WlShmFormat.argb8888;
  relay.request(pool, 'create_buffer', { id: buffer, offset: 0, width, height, stride: width * 4, format });
  relay.request(pool, 'destroy', {});
  return buffer;
}
