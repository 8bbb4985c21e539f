/** What a virtio_gpu device must do beside `suite.ts`: its memory is a dma-buf, and takes a place in the VM each. */
import type { Test } from 'tap';
import { native } from '../../src/system/native.js';
import { type Device, type Memory } from '../../src/virtwl/device.js';
import { heldPieces } from '../../src/virtwl/held-pieces.js';
import { localKeymap } from '../../src/relay/keymap.js';

const PAGE = native.pageSize;

/** `mappings`: places that the device has for the VM, all of them free. */
export function gpuSuite(t: Test, makeDevice: () => Device, mappings: number): void {
  const open = (t: Test): Device => {
    const device = makeDevice();
    t.teardown(() => device.close());
    return device;
  };

  t.test('a part of memory that the driver maps only as a whole', async t => {
    const memory = open(t).allocate(3 * PAGE);
    t.teardown(() => memory.close());
    const whole = memory.map(3 * PAGE, true);
    new Uint8Array(whole.buffer)[PAGE + 7] = 1;
    const part = memory.map(100, true, PAGE);
    t.equal(part.length, 100);
    t.equal(part.buffer.byteLength, 100);
    t.equal(new Uint8Array(part.buffer)[7], 1);
    new Uint8Array(part.buffer)[8] = 2;
    t.equal(new Uint8Array(whole.buffer)[PAGE + 8], 2);
    part.unmap();
    whole.unmap();
    t.throws(() => native.map(memory.fd, 0, 3 * PAGE + 1, true), { code: 'EINVAL' });
    t.throws(() => native.map(memory.fd, 4 * PAGE, 1, true), { code: 'EINVAL' });
    t.equal(memory.poolBytes(PAGE + 1), 3 * PAGE, 'a pool is as large as all of it');
  });

  t.test('a keymap in such memory becomes a file of its own', async t => {
    const memory = open(t).allocate(2 * PAGE);
    const mapping = memory.map(2 * PAGE, true);
    const text = Buffer.from('xkb_keymap {}\0');
    new Uint8Array(mapping.buffer).set(text);
    mapping.unmap();
    const copy = localKeymap(memory, text.length);
    t.teardown(() => copy.close());
    t.ok(memory.closed);
    const read = native.map(copy.fd, 0, text.length, false);
    t.equal(Buffer.from(read.buffer).toString(), text.toString());
    read.unmap();
  });

  t.test(`${mappings} pieces of memory, and one more when one of them is gone`, async t => {
    const device = open(t);
    t.equal(heldPieces(), 0, 'what was before is gone');
    const pieces: Memory[] = [];
    t.teardown(() => pieces.forEach(piece => piece.close()));
    while (pieces.length < mappings) pieces.push(device.allocate(PAGE));
    t.equal(heldPieces(), mappings);
    t.throws(() => device.allocate(PAGE), {
      code: 'ENOMEM',
      message: new RegExp(`not mapped this memory.*--max-mappings.*this process holds ${mappings + 1}`),
    });
    const mapping = pieces[0]!.map(PAGE, true);
    pieces.shift()!.close();
    t.throws(() => device.allocate(PAGE), { code: 'ENOMEM' }, 'a mapping holds its place');
    mapping.unmap();
    pieces.push(device.allocate(PAGE));
    t.equal(heldPieces(), mappings);
  });
}
