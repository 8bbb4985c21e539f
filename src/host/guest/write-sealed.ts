/** Whether memory that came from a server may be written, for devices that show it to the guest. */
import type { OwnedFd } from '../../system/fd.js';
import { native, SEAL_WRITE } from '../../system/native.js';

/** F_SEAL_FUTURE_WRITE of fcntl(2): it may not be mapped writable any more, though mappings that exist still write. */
const SEAL_FUTURE_WRITE = 0x10;

/** Whether a file is sealed against new writers. */
export function writeSealed(fd: OwnedFd): boolean {
  try {
    return (native.seals(fd.fd) & (SEAL_WRITE | SEAL_FUTURE_WRITE)) !== 0;
  } catch {
    return false; // a file that cannot have seals
  }
}
