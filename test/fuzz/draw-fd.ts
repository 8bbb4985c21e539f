/** Descriptors of all kinds that can come over a socket. */
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import type { Draw } from './draw.js';

/** A new descriptor of the kind that the input says; the caller's. */
export function drawFd(draw: Draw): OwnedFd {
  switch (draw.below(6)) {
    case 0:
    case 1:
    case 2:
      return memory(draw.pick([4096, 65536, 1 << 20, 0, 1, 100]));
    case 3:
      return end(native.pipe(), draw.byte());
    case 4:
      return end(native.socketpair(), draw.byte());
    default:
      return memory(draw.below(65536));
  }
}

function memory(bytes: number): OwnedFd {
  return new OwnedFd(native.memfd('fuzz', bytes, 0));
}

function end(pair: readonly number[], which: number): OwnedFd {
  native.close(pair[1 - (which & 1)]!);
  return new OwnedFd(pair[which & 1]!);
}
