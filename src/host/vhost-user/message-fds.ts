/** Takes the descriptors that a message came with. Each becomes the caller's; what is left is the message's to close. */
import type { OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';
import { GuestFault } from './guest-memory.js';

/** The first descriptor of a message that must have one. */
export function takeFd(fds: OwnedFd[]): OwnedFd {
  const fd = fds.shift();
  if (fd === undefined) throw new GuestFault('it came without a descriptor');
  return fd;
}

/** As {@link takeFd}, of what can be waited for and written to without end: an eventfd. */
export function takeEventFd(fds: OwnedFd[]): OwnedFd {
  const fd = takeFd(fds);
  try {
    if (fd.info().type !== 'other') throw new GuestFault('it came with a descriptor that is no eventfd');
    native.setNonblocking(fd.fd);
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}
