/**
 * What a guest gets from the gpu device: virtio-gpu's commands without a screen, and cross-domain's channels with all that
 * goes over them. A driver on rings in shared memory on one side, servers on sockets on the other.
 */
import t, { type Test } from 'tap';
import { ChannelType, IdType, receiveRoom } from '../../../src/host/gpu-device/cross-domain.js';
import { Control, HOST_VISIBLE_ID, numbers, Response } from '../../../src/host/gpu-device/wire.js';
import { FrontEnd, ProtocolFeature } from '../../../src/host/vhost-user/message.js';
import { OwnedFd } from '../../../src/system/fd.js';
import { native, SEAL_WRITE } from '../../../src/system/native.js';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import { eventually } from '../../eventually.js';
import { CURSOR, FENCE, POLL, type GpuDriver, type GpuProgram } from './gpu-driver.js';
import { withGpuHouse, type GpuHouse } from './gpu-house.js';

const PAGE = 4096;
const END = 0;
const READ = 6;
/** Ids of a guest's own pipes, as rutabaga counts them. */
const PIPE = 0x8000_0001;

type Server = GpuHouse['connections'][0];

/** A program with a channel to the server `plain`, and that server's end of it. */
async function connected(house: GpuHouse, guest: GpuDriver, named = true): Promise<[GpuProgram, Server]> {
  const program = await guest.program();
  const before = house.connections.length;
  if (named) await program.connect('plain');
  else await program.init(ChannelType.Wayland);
  await eventually('the server to see it', () => house.connections.length > before);
  return [program, house.connections[before]!];
}

/** The bytes that a file has. */
function contents(fd: OwnedFd, bytes: number): Buffer {
  const mapping = native.map(fd.fd, 0, bytes, false);
  try {
    return Buffer.from(mapping.buffer.slice(0, bytes));
  } finally {
    mapping.unmap();
  }
}

function memfd(bytes: number, seals = 0): OwnedFd {
  return new OwnedFd(native.memfd('test', bytes, seals));
}

withGpuHouse(t, 'it is a virtio-gpu without a screen and with cross-domain', {}, async (t, house) => {
  const frontEnd = house.frontEnd();
  const offered = (await frontEnd.ask(FrontEnd.GetFeatures)).readBigUInt64LE(0);
  t.equal(offered & 0b11111n, 0b11001n, 'VIRGL, RESOURCE_BLOB, CONTEXT_INIT');
  const protocol = (await frontEnd.ask(FrontEnd.GetProtocolFeatures)).readBigUInt64LE(0);
  t.ok(protocol & (1n << BigInt(ProtocolFeature.Config)), 'a configuration space');
  const regions = await frontEnd.ask(FrontEnd.GetShmemConfig);
  t.equal(regions.readUInt32LE(0), 2);
  t.equal(regions.readBigUInt64LE(8), 0n);
  t.equal(regions.readBigUInt64LE(16), 2n ** 32n, 'the host-visible memory is number 1');
  const asked = Buffer.concat([numbers(0, 16, 0), new Uint8Array(16)]);
  const configuration = await frontEnd.ask(FrontEnd.GetConfig, asked);
  t.same([...configuration.subarray(12)], [...numbers(0, 0, 1, 1)], 'one screen, one capability set');
  const beyond = await frontEnd.ask(FrontEnd.GetConfig, Buffer.concat([numbers(12, 8, 0), new Uint8Array(8).fill(7)]));
  t.same([...beyond.subarray(12)], [...numbers(1, 0)], 'zeros beyond its end');
  frontEnd.close();

  const guest = await house.gpuGuest();
  const displays = await guest.command(Control.GetDisplayInfo, 0);
  t.equal(displays.readUInt32LE(0), Response.DisplayInfo);
  t.ok(displays.length === 24 + 16 * 24 && displays.subarray(24).every(byte => byte === 0), 'none is enabled');
  const info = await guest.command(Control.GetCapsetInfo, 0, numbers(0, 0));
  t.same([...info.subarray(24)], [...numbers(5, 1, 16, 0)]);
  const capset = await guest.command(Control.GetCapset, 0, numbers(5, 1));
  t.same([...capset.subarray(24)], [...numbers(1, 2 ** 1 + 2 ** 30, 0, 0)], 'Wayland, and servers by name');
  t.equal(await guest.type(Control.GetCapset, 0, numbers(4, 1)), Response.InvalidParameter);
  t.equal(await guest.type(0x101, 0, numbers(1, 1, 1, 1)), Response.Unspecified, 'no 2D resources');

  guest.cursor.describe(0, guest.page(), 56, 0);
  guest.cursor.offer(0);
  guest.frontEnd.kick(CURSOR);
  await eventually('the cursor queue', () => guest.cursor.take() !== undefined);
});

withGpuHouse(
  t,
  'without a default server it has no Wayland channel',
  {},
  async (t, house) => {
    const guest = await house.gpuGuest();
    const capset = await guest.command(Control.GetCapset, 0, numbers(5, 1));
    t.equal(capset.readUInt32LE(28), 2 ** 30);
    const program = await guest.program();
    await program.init(ChannelType.Wayland);
    t.equal((await program.next()).command, END, 'who asks for one all the same is told');
  },
  'none',
);

withGpuHouse(t, 'an answer has its command’s fence, context and ring', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const slot = guest.submit(guest.encode(Control.CtxCreate, 7, 3 | 0x8000, numbers(4, 5), new Uint8Array(64)));
  const answer = await guest.finished(slot);
  t.equal(answer.length, 24);
  t.same(
    [0, 4, 16, 20].map(at => answer.readUInt32LE(at)),
    [Response.Ok, 3, 7, 1],
  );
  t.equal(answer.readBigUInt64LE(8), 1n);
});

for (const indirect of [true, false]) {
  withGpuHouse(t, `a channel to the default server${indirect ? '' : ', without tables'}`, {}, async (t, house) => {
    const guest = await house.gpuGuest({ indirect });
    const [program, server] = await connected(house, guest, false);
    program.poll();
    t.equal(await program.send('hello'), Response.Ok);
    await eventually('it to arrive', () => server.data.length === 5);
    t.equal(server.data.toString(), 'hello');
    t.notOk(program.ready, 'a POLL waits as long as there is nothing');
    server.socket.send(Buffer.from('welcome'));
    const message = await program.next();
    t.match(message, { command: 5, ids: [] });
    t.equal(message.data.toString(), 'welcome');
    t.match(house.server.counts, { contexts: 1, connections: 1, polls: 0, resources: 2 });
    server.socket.close();
    t.equal((await program.next()).command, END, 'the end is told');
    program.poll();
    t.equal(await program.destroy(), Response.Ok);
    await eventually('the POLL to be answered', () => program.ready);
    t.match(house.server.counts, { contexts: 0, connections: 0, polls: 0 });
  });
}

withGpuHouse(t, 'servers by name', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  await program.send('x');
  await eventually('it to arrive', () => server.data.length === 1);
  t.equal(server.name, 'plain');
  t.equal(await (await guest.program()).connect('none'), 2, 'ENOENT');
  t.equal(await (await guest.program()).connect('other'), 2, 'one that is on the host and not for this VM');
  t.equal(await (await guest.program()).connect('gone'), 2, 'one that does not run');
  t.equal(await (await guest.program()).connect('../plain'), 22, 'EINVAL');
  t.equal(await (await guest.program()).connect('x'.repeat(31)), 2);
  t.equal(
    await (await guest.program()).init(ChannelType.Named, new Uint8Array(32).fill(120)),
    Response.InvalidParameter,
  );
  t.equal(await (await guest.program()).init(ChannelType.Named), Response.InvalidParameter, 'without a name');
  t.equal(await (await guest.program()).init(7), Response.InvalidParameter, 'a type that is not here');
});

withGpuHouse(t, 'bytes come in order, one message for each POLL', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => Math.floor(i / 3)));
  server.socket.send(bytes);
  const first = await program.next();
  t.equal(first.data.length, receiveRoom(28));
  await guest.command(Control.GetDisplayInfo, 0);
  t.ok(program.read().data.equals(first.data), 'the ring stays as it is until the next POLL');
  const rest = await program.receive(bytes.length - first.data.length);
  t.ok(Buffer.concat([first.data, rest]).equals(bytes));
  for (let at = 0; at < 50_000; at += 3744) await program.send(bytes.subarray(at, Math.min(at + 3744, 50_000)));
  await eventually('all to arrive', () => server.data.length === 50_000);
  t.ok(server.data.equals(bytes.subarray(0, 50_000)));
});

withGpuHouse(t, 'clients with room for 4 identifiers, as they were before', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest, false);
  program.room = 4;
  t.equal(await program.send('x'), Response.Ok);
  await eventually('it to arrive', () => server.data.length === 1);
  const fds = Array.from({ length: 6 }, () => memfd(PAGE));
  server.socket.send(Buffer.alloc(5000, 'a'), fds);
  const first = await program.next();
  t.equal(first.ids.length, 4);
  t.equal(first.data.length, receiveRoom(4));
  const second = await program.next();
  t.equal(second.ids.length, 2);
  t.equal(first.data.length + second.data.length, 5000);
  server.socket.send(
    Buffer.from('ab'),
    Array.from({ length: 6 }, () => memfd(PAGE)),
  );
  t.same(
    [(await program.next()).data.toString(), (await program.next()).data.toString()],
    ['a', 'b'],
    'never without a byte',
  );
});

withGpuHouse(t, 'memory that the guest makes itself', { allocBytes: 4 * PAGE }, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  t.match(await program.image(100, 60, 'XR24'), { stride: 400, bytes: 6 * PAGE });
  t.match(await program.image(100, 60, 'NV12'), { stride: 0, bytes: 0, blob: 0 }, 'none of several planes');
  const made = await program.memory(PAGE + 1);
  t.match(made, { answer: Response.Ok, bytes: 2 * PAGE });
  t.equal(await guest.map(made.resource, 0x10000), Response.MapInfo);
  const mapping = guest.frontEnd.mappings.get(0x10000)!;
  t.match(mapping, { length: 2 * PAGE, writable: true });
  t.same(guest.frontEnd.ids, [HOST_VISIBLE_ID]);
  t.equal(await program.send('m', [{ id: made.resource, type: IdType.Blob }]), Response.Ok);
  await eventually('it to arrive', () => server.fds.length === 1);
  const view = native.map(mapping.fd.fd, 0, PAGE, true);
  new Uint8Array(view.buffer)[5] = 77;
  view.unmap();
  t.equal(contents(server.fds[0]!, PAGE)[5], 77, 'it is the same memory');
  t.equal((await program.memory(3 * PAGE)).answer, Response.OutOfMemory, 'the budget is the VM’s');
  t.equal((await program.memory(2 * PAGE)).answer, Response.Ok);
  t.equal((await program.memory(1)).answer, Response.OutOfMemory);
  t.equal(await guest.unmap(made.resource), Response.Ok);
  await eventually('the unmapping', () => guest.frontEnd.mappings.size === 0);
  t.equal(await guest.unref(made.resource), Response.Ok);
  t.equal((await program.memory(1)).answer, Response.OutOfMemory, 'as long as a process holds it, it counts');
  server.fds.shift()!.close();
  t.equal((await program.memory(1)).answer, Response.Ok);
});

withGpuHouse(t, 'memory that a server sends', { receivedBytes: 4 * PAGE }, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  const memory = memfd(2 * PAGE);
  server.socket.send(Buffer.from('m'), [new OwnedFd(native.dup(memory.fd))]);
  const { ids } = await program.next();
  t.match(ids, [{ type: IdType.Blob, size: 2 * PAGE }]);
  const blob = ids[0]!.id;
  const resource = guest.id();
  t.equal(
    await guest.hostBlob(program.id, resource, blob, 3 * PAGE),
    Response.InvalidParameter,
    'not more than there is',
  );
  t.equal(await guest.hostBlob(program.id, resource, blob, 2 * PAGE), Response.Ok);
  t.equal(await guest.hostBlob(program.id, guest.id(), blob, 2 * PAGE), Response.InvalidParameter, 'once');
  t.equal(await guest.map(resource, 0), Response.MapInfo);
  const view = native.map(memory.fd, 0, PAGE, true);
  new Uint8Array(view.buffer)[9] = 5;
  view.unmap();
  t.equal(contents(guest.frontEnd.mappings.get(0)!.fd, PAGE)[9], 5);
  memory.close();

  // A keymap: read-only, or sealed, or no whole pages.
  const keymap = memfd(100);
  const writable = native.map(keymap.fd, 0, 100, true);
  new Uint8Array(writable.buffer).set(Buffer.from('keymap'));
  writable.unmap();
  server.socket.send(Buffer.from('k'), [keymap]);
  const copied = (await program.next()).ids[0]!;
  t.equal(copied.size, 100, 'its size is the true one');
  const second = guest.id();
  t.equal(await guest.hostBlob(program.id, second, copied.id, PAGE), Response.Ok);
  t.equal(await guest.map(second, 4 * PAGE), Response.MapInfo, 'and it can be mapped as a page');
  t.equal(
    contents(guest.frontEnd.mappings.get(4 * PAGE)!.fd, PAGE)
      .subarray(0, 6)
      .toString(),
    'keymap',
  );
  server.socket.send(Buffer.from('s'), [memfd(PAGE, SEAL_WRITE)]);
  const sealed = (await program.next()).ids[0]!;
  const third = guest.id();
  await guest.hostBlob(program.id, third, sealed.id, PAGE);
  await guest.map(third, 8 * PAGE);
  t.equal(guest.frontEnd.mappings.get(8 * PAGE)!.writable, false);
  t.equal(house.server.counts!.receivedBytes, 4 * PAGE);

  for (const each of [resource, second]) await guest.unref(each);
  await eventually('two to be unmapped', () => guest.frontEnd.mappings.size === 1);
  t.equal(house.server.counts!.receivedBytes, PAGE, 'what was closed counts no more');
  server.socket.send(Buffer.from('l'), [memfd(3 * PAGE)]);
  t.match(await program.next(), { command: 5, ids: [{ size: 3 * PAGE }] }, 'as much as may be');
  server.socket.send(Buffer.from('t'), [memfd(PAGE)]);
  t.equal((await program.next()).command, END, 'one page more ends the channel');
  t.ok(house.logged(/a channel has ended: .*--max-received/));
});

withGpuHouse(t, 'a pipe that the guest reads', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest, false);
  t.equal(await program.send('p', [{ id: PIPE, type: IdType.ReadPipe }]), Response.Ok);
  await eventually('it to arrive', () => server.fds.length === 1);
  const writer = server.fds.shift()!;
  const bytes = Buffer.alloc(6000, 'abc');
  native.write(writer.fd, bytes, 0, bytes.length);
  writer.close();
  const parts = [await program.next(), await program.next(), await program.next()];
  t.match(parts, [
    { command: READ, id: PIPE, hangUp: false },
    { command: READ, id: PIPE, hangUp: false },
    { command: READ, id: PIPE, hangUp: true },
  ]);
  t.ok(Buffer.concat(parts.map(({ data }) => data)).equals(bytes));
  t.equal(house.server.counts!.pipes, 0);
  t.equal(await program.send('p', [{ id: 5, type: IdType.ReadPipe }]), Response.InvalidParameter, 'ids of others');
});

withGpuHouse(t, 'a pipe that the guest writes', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest, false);
  const [reader, writer] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  server.socket.send(Buffer.from('p'), [writer]);
  const { ids } = await program.next();
  t.match(ids, [{ type: IdType.WritePipe }]);
  t.equal(await program.write(ids[0]!.id, 'hello'), Response.Ok);
  t.equal(await program.write(ids[0]!.id, ' there', true), Response.Ok);
  const buffer = Buffer.alloc(100);
  t.equal(buffer.subarray(0, native.read(reader.fd, buffer)).toString(), 'hello there');
  t.equal(native.read(reader.fd, buffer), 0, 'and its end');
  t.equal(await program.write(ids[0]!.id, 'x'), Response.InvalidParameter);
  reader.close();
});

withGpuHouse(t, 'on a named channel, pipes of all kinds, also after its end', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  const source = 0xc000_0001;
  t.equal(
    await program.send('w', [{ id: source, type: IdType.WritePipe }]),
    Response.Ok,
    'one of the guest’s to write',
  );
  await eventually('it to arrive', () => server.fds.length === 1);
  t.equal(await program.write(source, 'out'), Response.Ok);
  const buffer = Buffer.alloc(100);
  const reader = server.fds.shift()!;
  t.equal(buffer.subarray(0, native.read(reader.fd, buffer)).toString(), 'out');
  reader.close();
  t.match(await program.next(), { command: READ, id: source, hangUp: true }, 'nobody reads it any more');
  t.equal(await program.write(source, 'more'), Response.Ok, 'which is no mistake');
  t.equal(await program.write(source, '', true), Response.Ok);

  const [end, other] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  server.socket.send(Buffer.from('r'), [end]);
  const { ids } = await program.next();
  t.match(ids, [{ type: IdType.ReadPipe }], 'one of the server’s to read');
  server.socket.close();
  t.equal((await program.next()).command, END);
  native.write(other.fd, Buffer.from('late'), 0, 4);
  const late = await program.next();
  t.match(late, { command: READ, id: ids[0]!.id, hangUp: false });
  t.equal(late.data.toString(), 'late');
  other.close();
  t.match(await program.next(), { command: READ, hangUp: true });
});

withGpuHouse(t, 'on other channels, pipes have a moment before the end is told', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest, false);
  await program.send('p', [{ id: PIPE, type: IdType.ReadPipe }]);
  await eventually('it to arrive', () => server.fds.length === 1);
  server.socket.close();
  native.write(server.fds[0]!.fd, Buffer.from('rest'), 0, 4);
  server.fds.shift()!.close();
  t.equal((await program.next()).data.toString(), 'rest');
  t.match(await program.next(), { command: READ, hangUp: true });
  t.equal((await program.next()).command, END);

  const [stuck, second] = await connected(house, guest, false);
  await stuck.send('p', [{ id: PIPE, type: IdType.ReadPipe }]);
  await eventually('it to arrive', () => second.fds.length === 1);
  second.socket.close();
  t.equal((await stuck.next()).command, END, 'one that never ends does not keep it');
});

withGpuHouse(t, 'a connection that a server hands over', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  const [ours, theirs] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  server.socket.send(Buffer.from('s'), [theirs]);
  const { ids } = await program.next();
  t.match(ids, [{ type: IdType.Connection, size: 0 }]);
  t.equal(house.server.counts!.connections, 2, 'it counts before it is taken');
  const taker = await guest.program();
  t.equal(await taker.take(ids[0]!.id), 0);
  t.equal(house.server.counts!.connections, 2);
  const socket = new UnixSocket(ours);
  let data = '';
  socket.on('data', bytes => (data += Buffer.from(bytes).toString()));
  socket.start();
  await taker.send('taken');
  await eventually('it to arrive', () => data === 'taken');
  socket.send(Buffer.from('back'));
  t.equal((await taker.next()).data.toString(), 'back');
  socket.close();
  t.equal(await (await guest.program()).take(ids[0]!.id), 2, 'once');
  t.equal(
    await program.send('x', [{ id: 1, type: IdType.Connection }]),
    Response.InvalidParameter,
    'not the other way',
  );

  const pair = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  server.socket.send(Buffer.from('s'), [pair[1]]);
  await program.next();
  await program.destroy();
  t.equal(native.recv(pair[0].fd, new Uint8Array(1), []), 0, 'what nobody has taken ends with the channel');
  pair[0].close();

  const [other, its] = await connected(house, guest, false);
  const lost = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  its.socket.send(Buffer.from('s'), [lost[1]]);
  t.equal((await other.next()).command, END, 'clients of others are not told of what they do not know');
  lost[0].close();
});

withGpuHouse(t, 'a guest that closes a connection, and what it sent is still delivered', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  server.socket.pause();
  for (let i = 0; i < 60; i++) await program.send(Buffer.alloc(3744, i));
  t.equal(await program.submit(Uint8Array.of(0x41, 0, 8, 0, 0, 0, 0, 0)), Response.Ok);
  t.equal(await program.send('x'), Response.Unspecified);
  server.socket.resume();
  await eventually('all to arrive', () => server.data.length === 60 * 3744 && server.ended);
  t.equal(house.server.counts!.connections, 0);
});

withGpuHouse(t, 'places are the guest’s choice', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const program = await guest.program();
  await program.init(ChannelType.None);
  const [one, two] = [await program.memory(2 * PAGE), await program.memory(PAGE)];
  t.equal(await guest.map(one.resource, PAGE), Response.MapInfo);
  t.equal(await guest.map(one.resource, 8 * PAGE), Response.InvalidParameter, 'not twice');
  for (const place of [PAGE, 2 * PAGE, 100, 2 ** 32, 2 ** 32 - 100, 2 ** 52]) {
    t.equal(await guest.map(two.resource, place), Response.Unspecified, `not at ${place}`);
  }
  t.equal(await guest.map(two.resource, 2 ** 32 - PAGE), Response.MapInfo, 'the last page');
  t.equal(await guest.unmap(one.resource), Response.Ok);
  t.equal(await guest.unmap(one.resource), Response.InvalidParameter);
  const three = await program.memory(3 * PAGE);
  t.equal(await guest.map(three.resource, 0), Response.MapInfo, 'a place that was given back');
  guest.frontEnd.refuseMaps = true;
  const four = await program.memory(PAGE);
  t.equal(await guest.map(four.resource, 16 * PAGE), Response.Unspecified, 'the VMM may refuse');
  guest.frontEnd.refuseMaps = false;
  t.equal(await guest.map(four.resource, 16 * PAGE), Response.MapInfo);
  t.equal(await guest.map(guest.id(), 0), Response.InvalidResource);
  const { resource } = await guest.guestPage();
  t.equal(await guest.map(resource, 32 * PAGE), Response.InvalidResource, 'the guest’s own memory is not mapped');
});

withGpuHouse(t, 'a blob that is closed while it is being mapped', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const program = await guest.program();
  await program.init(ChannelType.None);
  const { resource } = await program.memory(PAGE);
  guest.frontEnd.holdAnswers = true;
  const map = guest.submit(guest.encode(Control.ResourceMapBlob, 0, 0, numbers(resource, 0, 0, 0)));
  const unmap = guest.submit(guest.encode(Control.ResourceUnmapBlob, 0, 0, numbers(resource, 0)));
  const unref = guest.submit(guest.encode(Control.ResourceUnref, 0, 0, numbers(resource, 0)));
  await guest.finished(unref);
  await eventually('the request', () => guest.frontEnd.held.length === 1);
  t.notOk(guest.answered(map));
  guest.frontEnd.holdAnswers = false;
  for (const answer of guest.frontEnd.held.splice(0)) answer();
  await guest.finished(map);
  t.equal((await guest.finished(unmap)).readUInt32LE(0), Response.Ok);
  await eventually('it to be unmapped', () => guest.frontEnd.mappings.size === 0);
  const next = await program.memory(PAGE);
  t.equal(await guest.map(next.resource, 0), Response.MapInfo, 'the place is free');
});

withGpuHouse(t, 'a blob that is unmapped and let go of in one breath, as the kernel does', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const program = await guest.program();
  await program.init(ChannelType.None);
  const { resource } = await program.memory(PAGE);
  await guest.map(resource, 0);
  const unmap = guest.submit(guest.encode(Control.ResourceUnmapBlob, 0, 0, numbers(resource, 0)));
  const unref = guest.submit(guest.encode(Control.ResourceUnref, 0, 0, numbers(resource, 0)));
  for (const [slot, what] of [
    [unmap, 'unmapped'],
    [unref, 'let go of'],
  ] as const)
    t.equal((await guest.finished(slot)).readUInt32LE(0), Response.Ok, what);
  await eventually('it to be unmapped', () => guest.frontEnd.mappings.size === 0);
});

withGpuHouse(t, 'a reset takes everything, and the next guest finds all places free', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  const { resource } = await program.memory(PAGE);
  await guest.map(resource, 0);
  program.poll();
  await guest.frontEnd.stopQueue(0);
  await guest.frontEnd.stopQueue(1);
  t.notOk(server.ended, 'a pause is none');
  guest.start();
  await eventually('the server to learn that', () => server.ended);
  const next = await guest.program();
  await next.init(ChannelType.None);
  const memory = await next.memory(PAGE);
  t.equal(await guest.map(memory.resource, 0), Response.MapInfo);
  t.equal(guest.frontEnd.mappings.size, 1);
  t.match(house.server.counts, { contexts: 1, connections: 0, polls: 0, mappings: 1 });
});

withGpuHouse(t, 'a paused VM gets what came meanwhile when it goes on', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  program.poll();
  const bases = [await guest.frontEnd.stopQueue(0), await guest.frontEnd.stopQueue(1)] as const;
  server.socket.send(Buffer.from('meanwhile'));
  await eventually('it to be read', () => house.server.counts!.queuedBytes > 0);
  t.not(program.read().data.toString(), 'meanwhile', 'the memory of a paused VM is left alone');
  guest.resume(...bases);
  t.equal((await program.next()).data.toString(), 'meanwhile');
});

withGpuHouse(t, 'what a guest says wrong is answered, and nothing changes', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  const wrong = async (what: string, answer: Promise<number>, response: number): Promise<Test> => {
    const given = await answer;
    t.equal(given, response, what);
    return t;
  };
  const { InvalidParameter, InvalidContext, InvalidResource } = Response;
  await wrong('a context twice', guest.createContext(program.id), InvalidContext);
  await wrong('context 0', guest.createContext(0), InvalidContext);
  await wrong(
    'a context of virgl',
    guest.type(Control.CtxCreate, 99, numbers(0, 1), new Uint8Array(64)),
    InvalidParameter,
  );
  await wrong('a context that is not there', guest.type(Control.CtxDestroy, 99), InvalidContext);
  await wrong('to attach what is not there', guest.attach(program.id, 999), InvalidResource);
  await wrong('to attach to none', guest.attach(99, program.channel.resource), InvalidContext);
  await wrong(
    'a resource twice',
    guest.hostBlob(program.id, program.channel.resource, 2 ** 30 + 1, PAGE),
    InvalidResource,
  );
  await wrong('an unknown memory', guest.hostBlob(program.id, guest.id(), 12, PAGE), InvalidParameter);
  await wrong('memory of no size', guest.hostBlob(program.id, guest.id(), 2 ** 30 + 1, 0), InvalidParameter);
  await wrong('no such resource', guest.unref(999), InvalidResource);
  await wrong(
    'entries that are not there',
    guest.type(Control.ResourceCreateBlob, 0, numbers(50, 1, 1, 9, 0, 0, PAGE, 0)),
    InvalidParameter,
  );
  await wrong('a second INIT', program.init(ChannelType.Named, new Uint8Array(32)), InvalidParameter);
  await wrong('a command without a header', program.submit(Uint8Array.of(4, 0, 8)), InvalidParameter);
  await wrong('a command of no size', program.submit(new Uint8Array(8)), InvalidParameter);
  await wrong(
    'a command longer than the submission',
    program.submit(Uint8Array.of(3, 0, 99, 0, 0, 0, 0, 0)),
    InvalidParameter,
  );
  await wrong('an unknown command', program.submit(Uint8Array.of(9, 0, 8, 0, 0, 0, 0, 0)), InvalidParameter);
  await wrong('a POLL without a fence', program.submit(POLL), InvalidParameter);
  await wrong('a POLL that is not the last', program.submit(Buffer.concat([POLL, POLL]), FENCE), InvalidParameter);
  await wrong('an id of no resource', program.send('x', [{ id: 999, type: IdType.Blob }]), InvalidResource);
  await wrong(
    'the guest’s own memory',
    program.send('x', [{ id: program.channel.resource, type: IdType.Blob }]),
    InvalidResource,
  );
  await wrong('an unknown type', program.send('x', [{ id: 1, type: 9 }]), InvalidParameter);
  await wrong('ids without a byte', program.send('', [{ id: PIPE, type: IdType.ReadPipe }]), InvalidParameter);
  await wrong(
    'the same pipe twice',
    program.send(
      'x',
      [PIPE, PIPE].map(id => ({ id, type: IdType.ReadPipe })),
    ),
    InvalidParameter,
  );
  await wrong('a pipe that is not there', program.write(PIPE, 'x'), InvalidParameter);
  await wrong(
    'a foreign ring',
    (await guest.program()).submit(init(program.query.resource, program.channel.resource)),
    InvalidResource,
  );
  await wrong(
    'a submission that waits',
    guest.type(Control.Submit3d, program.id, numbers(8, 1), POLL),
    InvalidParameter,
  );
  await wrong(
    'a submission that is cut off',
    guest.type(Control.Submit3d, program.id, numbers(64, 0), POLL),
    InvalidParameter,
  );
  t.equal(await program.send('still here'), Response.Ok);
  await eventually('it to arrive', () => server.data.toString() === 'still here');
  t.match(house.server.counts, { pipes: 0, connections: 1 });
});

function init(query: number, channel: number): Uint8Array {
  return Buffer.concat([Uint8Array.of(1, 0, 20, 0, 0, 0, 0, 0), numbers(query, channel, ChannelType.Wayland)]);
}
