/**
 * Carrying fds that are not vfds over a link. Only vfds can be sent, so what an application or a compositor gives us is
 * brought over by what it is. In Wayland the fds of data transfers are write ends: one side says "write it here" and the
 * other writes. Such a sink stays here, a virtio_wl pipe goes to the other side in its place, and what comes out of the
 * pipe is spliced into the sink.
 */
import type { OwnedFd } from '../fd.js';
import type { Device } from '../virtwl/device.js';
import { splice } from '../virtwl/splice.js';
import type { PipeRemote } from '../virtwl/vfd.js';

/**
 * A pipe end for the other side, whatever is written to it comes out of `sink`, which this function takes ownership of.
 * The transfer ends when either end is closed.
 */
export function pipeForSink(device: Device, sink: OwnedFd): PipeRemote {
  let pair;
  try {
    pair = device.pipe('read');
  } catch (error) {
    sink.close();
    throw error;
  }
  splice(pair.local, sink);
  return pair.remote;
}

