/** Reads what another program writes into a pipe. */
import { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';

const INTERVAL_MS = 5;

/** `ask` gets the write end, its to keep. Resolves with all that came, when the other end is closed. */
export async function drain(ask: (sink: OwnedFd) => void): Promise<Buffer> {
  const [reading, writing] = native.pipe();
  const fd = new OwnedFd(reading);
  ask(new OwnedFd(writing));
  const all: Buffer[] = [];
  const buffer = new Uint8Array(1 << 16);
  for (;;) {
    const length = native.read(fd.fd, buffer);
    if (length === 0) break;
    if (length > 0) all.push(Buffer.from(buffer.slice(0, length)));
    else await new Promise(resolve => setTimeout(resolve, INTERVAL_MS));
  }
  fd.close();
  return Buffer.concat(all);
}
