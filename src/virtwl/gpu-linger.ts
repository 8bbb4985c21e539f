/**
 * What is left of a channel that was closed: its pipes. A program may write into a pipe and end, with its connection over
 * before its bytes are through; elsewhere a pipe needs no connection. So the device is told that the connection is closed,
 * and the channel stays until its pipes have ended.
 */
import type { OwnedFd } from '../system/fd.js';
import { native, POLL_READABLE } from '../system/native.js';
import type { GpuPipes } from './gpu-pipes.js';
import { Command, encodeClose, RING_BYTES } from './gpu-wire.js';
import { MAX_FDS } from './limits.js';

/** How long nothing may come of the pipes of a closed channel, in milliseconds: as long as a transfer may stand still. */
export const LINGER_MS = 30_000;

const CLOSE = encodeClose();

/** Used during one call. */
const data = new Uint8Array(RING_BYTES);
const about = new Uint8Array(16 + 12 * MAX_FDS);
const words = new Uint32Array(about.buffer);

/** Takes ownership of a channel and its pipes, and closes both when the pipes have ended, or nothing moves. */
export function linger(fd: OwnedFd, pipes: GpuPipes, lingerMs = LINGER_MS): void {
  const end = (): void => {
    clearTimeout(timer);
    poll.close();
    pipes.close();
    fd.close();
  };
  /** Whatever goes wrong with it now, nobody is left to be told. */
  const attempt = (act: () => void): void => {
    try {
      act();
      if (!pipes.active) end();
    } catch {
      end();
    }
  };
  const next = (): void => attempt(() => native.gpuNext(fd.fd));
  const poll = new native.Poll(fd.fd, () => {
    attempt(() => {
      const length = native.gpuReceive(fd.fd, data, about);
      if (length < 0) return;
      timer.refresh();
      const [command, id = 0, , hangUp] = words;
      if (command === Command.Read && !pipes.take(id, data.subarray(0, length), hangUp !== 0, next)) return;
      native.gpuNext(fd.fd);
    });
  });
  const timer = setTimeout(end, lingerMs);
  pipes.ended = () => attempt(() => timer.refresh());
  attempt(() => {
    native.gpuSubmit(fd.fd, CLOSE, 0, CLOSE.length);
    poll.start(POLL_READABLE);
  });
}
