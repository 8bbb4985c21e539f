/**
 * virtio_gpu as a way to the host, as far as no device is needed: which node is one, what is said to the device, and the pipes
 * of a channel. The suite of all devices is run on a real one in a VM (test/vm/suite.test.ts).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { openDevice } from '../../src/virtwl/device.js';
import { findNode, isGpuPath, renderNodes } from '../../src/virtwl/gpu-node.js';
import { GpuPipes, type Commands } from '../../src/virtwl/gpu-pipes.js';
import {
  ChannelType,
  decodeImageRequirements,
  encodeImageRequirements,
  encodeInit,
  encodeWrite,
  FIRST_PIPE_ID,
  MESSAGE_BYTES,
} from '../../src/virtwl/gpu-wire.js';
import { Memory } from '../../src/virtwl/vfd.js';
import { openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

t.test('nodes are looked at in the order of their numbers, and each says why it is none', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-nodes-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  for (const name of ['renderD129', 'renderD1000', 'card0', 'renderD128', 'by-path']) {
    writeFileSync(join(directory, name), '');
  }
  const paths = ['renderD128', 'renderD129', 'renderD1000'].map(name => join(directory, name));
  t.same(renderNodes(directory), paths);
  const before = openDescriptors();
  t.same(findNode(directory), { path: undefined, reasons: paths.map(path => `${path} is no graphics device`) });
  t.equal(openDescriptors(), before);
  t.same(findNode(join(directory, 'nowhere')), { path: undefined, reasons: [] });
});

t.test('a path is of virtio_gpu by the device, or where there is none, by its place', async t => {
  t.equal(isGpuPath('/dev/dri/renderD4095'), true);
  t.equal(isGpuPath('/dev/null'), false);
  t.equal(isGpuPath('/dev/wl0'), false);
  t.throws(() => openDevice({ device: '/dev/dri/renderD4095' }), {
    code: 'ENOENT',
    message:
      'cannot open /dev/dri/renderD4095: it does not exist; load the module virtio_gpu and give the VM a gpu device',
  });
});

t.test('what is said to the device', async t => {
  t.equal(hex(encodeInit(7, ChannelType.Wayland)), '01001400000000000700000007000000' + '01000000');
  const named = '01003400000000000700000007000000' + '1e000000';
  t.equal(
    hex(encodeInit(7, ChannelType.Named, { name: 'wayland' })),
    `${named}${hex(Buffer.from('wayland'))}${'00'.repeat(25)}`,
  );
  t.equal(hex(encodeInit(7, ChannelType.Named, { id: 0x102 })), `${named}0000000002010000${'00'.repeat(24)}`);
  const longest = 'x'.repeat(31);
  t.equal(hex(encodeInit(7, ChannelType.Named, { name: longest })), `${named}${hex(Buffer.from(longest))}00`);
  t.equal(hex(encodeImageRequirements(4097)), '0200180000000000' + '01100000' + '01000000' + '52382020' + '10000000');
  const write = new Uint8Array(24);
  encodeWrite(write, 0x8000_0001, 3, true);
  t.equal(hex(write), '07001b0000000000' + '01000080' + '01000000' + '03000000' + '00000000');
  t.equal(MESSAGE_BYTES, 3744);
  const answer = new DataView(new ArrayBuffer(4096));
  answer.setBigUint64(40, 8192n, true);
  answer.setUint32(48, 9, true);
  t.same(decodeImageRequirements(answer.buffer), { size: 8192, blobId: 9 });
});

t.test('a pool over memory that can be mapped only as a whole is as large as that', async t => {
  const whole = new Memory(native.memfd('virtwl-test', 8192, 0), 5000, 8192, true);
  t.teardown(() => whole.close());
  t.equal(whole.poolBytes(5000), 8192);
  t.equal(whole.poolBytes(8192), 8192);
  t.equal(whole.poolBytes(9000), 9000, 'what is more is for the compositor to refuse');
  const other = whole.share();
  t.equal(other.poolBytes(1), 8192);
  const sized = other.withSize(4096);
  t.teardown(() => sized.close());
  t.equal(sized.poolBytes(1), 8192);
  const part = new Memory(native.memfd('virtwl-test', 8192, 0), 5000, 8192);
  t.teardown(() => part.close());
  t.equal(part.poolBytes(5000), 5000, 'all other memory is mapped as far as is wanted');
});

/** A device that takes so many commands, and what they were. */
class Taken implements Commands {
  readonly all: Buffer[] = [];
  room = Infinity;
  hasRoom(): boolean {
    return this.all.length < this.room;
  }
  submit(command: Uint8Array, length: number): void {
    this.all.push(Buffer.from(command.subarray(0, length)));
  }
  /** What was written to a pipe, and whether its end was said. */
  written(id: number): { text: string; ended: boolean } {
    const writes = this.all.filter(command => command[0] === 7 && command.readUInt32LE(8) === id);
    const text = Buffer.concat(writes.map(command => command.subarray(24, 24 + command.readUInt32LE(16)))).toString();
    return { text, ended: writes.some(command => command.readUInt32LE(12) === 1) };
  }
}

function pipeTo(pipes: GpuPipes): { id: number; read: OwnedFd } {
  const [read, write] = native.pipe();
  const id = pipes.sendWriteEnd(write);
  native.close(write);
  return { id, read: new OwnedFd(read) };
}

function readNow(fd: OwnedFd, most = 65_536): Buffer | undefined {
  const bytes = new Uint8Array(most);
  const length = native.read(fd.fd, bytes);
  return length < 0 ? undefined : Buffer.from(bytes.subarray(0, length));
}

t.test('what the host sends of a pipe comes out of it, and so does its end', async t => {
  const before = openDescriptors();
  const pipes = new GpuPipes(new Taken());
  const { id, read } = pipeTo(pipes);
  t.equal(id, FIRST_PIPE_ID);
  const second = pipeTo(pipes);
  t.equal(second.id, FIRST_PIPE_ID + 1, 'the device counts alike');
  const never = (): void => void t.fail('nothing has stalled');
  t.ok(pipes.take(id, Buffer.from('one'), false, never));
  t.equal(readNow(read)?.toString(), 'one');
  t.equal(readNow(read), undefined, 'it goes on');
  t.ok(pipes.take(id, Buffer.from('two'), true, never));
  t.equal(readNow(read)?.toString(), 'two');
  t.equal(readNow(read)?.length, 0);
  t.ok(pipes.take(id, Buffer.from('three'), true, never), 'what comes of a pipe that is over is nothing');
  second.read.close();
  t.ok(pipes.take(second.id, Buffer.from('for nobody'), false, never), 'nor is what nobody reads');
  read.close();
  pipes.close();
  t.equal(openDescriptors(), before);
});

t.test('a reader that is slow gets all of it, in order', async t => {
  const pipes = new GpuPipes(new Taken());
  t.teardown(() => pipes.close());
  const { id, read } = pipeTo(pipes);
  t.teardown(() => read.close());
  const message = Buffer.alloc(4000, 'x');
  let sent = 0;
  let stalls = 0;
  let done = true;
  while (stalls < 3) {
    done = pipes.take(id, message, false, () => void (done = true));
    sent += message.length;
    if (done) continue;
    stalls++;
    let got = 0;
    await eventually('it goes on', () => {
      got += readNow(read, 4096)?.length ?? 0;
      return done;
    });
    sent -= got;
  }
  let rest = 0;
  for (let bytes = readNow(read); bytes !== undefined; bytes = readNow(read)) rest += bytes.length;
  t.equal(rest, sent);
});

t.test('a reader that takes nothing has its pipe closed, and the channel goes on', async t => {
  const pipes = new GpuPipes(new Taken(), 50);
  t.teardown(() => pipes.close());
  const { id, read } = pipeTo(pipes);
  t.teardown(() => read.close());
  let done = true;
  while (done) done = pipes.take(id, Buffer.alloc(4000), false, () => void (done = true));
  await eventually('the end of its patience', () => done);
  while ((readNow(read)?.length ?? 0) > 0);
  t.equal(readNow(read)?.length, 0, 'the pipe has come to its end');
  t.ok(pipes.take(id, Buffer.from('more'), false, () => undefined));
});

t.test('a channel that ends takes its pipes along', async t => {
  const before = openDescriptors();
  const pipes = new GpuPipes(new Taken());
  const { id, read } = pipeTo(pipes);
  const stalled = pipeTo(pipes);
  let open = true;
  while (open) open = pipes.take(stalled.id, Buffer.alloc(4000), false, () => void t.fail('it is over'));
  const write = new OwnedFd(pipes.receiveWriteEnd(5));
  const end = new OwnedFd(pipes.receiveReadEnd(6));
  pipes.close();
  t.equal(readNow(read)?.length, 0);
  t.equal(readNow(end)?.length, 0);
  t.throws(() => native.write(write.fd, Buffer.from('x'), 0, 1), { code: 'EPIPE' });
  for (const fd of [read, stalled.read, write, end]) fd.close();
  t.equal(openDescriptors(), before);
  t.equal(id, FIRST_PIPE_ID);
});

t.test('what is written into a pipe goes to the host, as it has room, and so does the end', async t => {
  const before = openDescriptors();
  const device = new Taken();
  device.room = 1;
  const pipes = new GpuPipes(device);
  const write = new OwnedFd(pipes.receiveWriteEnd(5));
  const text = 'x'.repeat(MESSAGE_BYTES + 1);
  native.write(write.fd, Buffer.from(text), 0, text.length);
  await eventually('the first of it', () => device.all.length === 1);
  t.equal(device.written(5).text.length, MESSAGE_BYTES);
  write.close();
  device.room = Infinity;
  await eventually('the end', () => !pipes.active);
  t.same(device.written(5), { text, ended: true });

  const [read, other] = native.pipe();
  t.equal(pipes.sendReadEnd(read), 0xc000_0001, 'numbers that the device does not count');
  native.close(read);
  native.write(other, Buffer.from('mine'), 0, 4);
  native.close(other);
  await eventually('the end', () => !pipes.active);
  t.same(device.written(0xc000_0001), { text: 'mine', ended: true });
  t.equal(openDescriptors(), before);
});

t.test('the host is told of a pipe that nobody reads any more', async t => {
  const device = new Taken();
  const pipes = new GpuPipes(device);
  t.teardown(() => pipes.close());
  const { id, read } = pipeTo(pipes);
  read.close();
  await eventually('it is told', () => !pipes.active);
  t.same(device.written(id), { text: '', ended: true });
});

t.test('a pipe that the host has stopped reading can be written no more', async t => {
  const pipes = new GpuPipes(new Taken());
  t.teardown(() => pipes.close());
  const write = new OwnedFd(pipes.receiveWriteEnd(5));
  t.teardown(() => write.close());
  t.ok(pipes.take(5, new Uint8Array(0), true, () => {}));
  t.throws(() => native.write(write.fd, Buffer.from('x'), 0, 1), { code: 'EPIPE' });
});
