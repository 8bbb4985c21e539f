/**
 * What a guest gets from the wl device: every command of virtio_wl with its answers, what comes from servers, and the
 * bounds. A driver on rings in shared memory on one side, servers on sockets on the other.
 */
import t, { type Test } from 'tap';
import { closeAll, OwnedFd } from '../../../src/system/fd.js';
import { native, POLL_READABLE, SEAL_WRITE } from '../../../src/system/native.js';
import { DEFAULT_VM_SHARE } from '../../../compositor-glue/vm-account.js';
import { DEFAULT_GUEST_LIMITS, MAX_UNSENT_BYTES } from '../../../src/host/guest/limits.js';
import { MAX_UNREAD_BUFFERS } from '../../../src/host/wl-device/limits.js';
import { Command, NO_PFN, SHARED_MEMORY_BYTES, Response } from '../../../src/host/wl-device/wire.js';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import { eventually } from '../../eventually.js';
import { Random } from '../../wayland/random.js';
import {
  allocCommand,
  contextCommand,
  numbers,
  pipeCommand,
  sendCommand,
  type Announced,
  type GuestDriver,
} from './guest-driver.js';
import { withHouse, type House } from './house.js';
import { testNative } from '../../test-native.js';

const WRITE = 1;
const READ = 2;

/** A context of the guest's and the server's end of it. */
async function connect(t: Test, house: House, guest: GuestDriver, id: number): Promise<House['connections'][0]> {
  const before = house.connections.length;
  t.match(await guest.make(contextCommand(id, 'plain')), { id, flags: READ | WRITE, pfn: NO_PFN, size: 0 });
  await eventually('the server to see it', () => house.connections.length > before);
  return house.connections[before]!;
}

/** What the guest sees of memory in the region. */
function shown(
  guest: GuestDriver,
  vfd: Announced,
): { byte: (at: number) => number; write: (at: number, value: number) => void } {
  const place = guest.frontEnd.mappings.get(vfd.pfn * 4096)!;
  const use = <T>(writable: boolean, work: (bytes: Uint8Array) => T): T => {
    const mapping = native.map(place.fd.fd, 0, place.length, writable);
    try {
      return work(new Uint8Array(mapping.buffer));
    } finally {
      mapping.unmap();
    }
  };
  return {
    byte: at => use(false, bytes => bytes[at]!),
    write: (at, value) => use(true, bytes => (bytes[at] = value)),
  };
}

for (const options of [
  { indirect: true, eventIndex: true },
  { indirect: false, eventIndex: true },
  { indirect: true, eventIndex: false },
  { indirect: false, eventIndex: false, size: 32 },
]) {
  withHouse(t, `bytes go both ways through a named server: ${JSON.stringify(options)}`, {}, async (t, house) => {
    const guest = await house.guest(options);
    const server = await connect(t, house, guest, 1);
    const random = new Random(30);
    const sent: Buffer[] = [];
    const replied: Buffer[] = [];
    for (let i = 0; i < 300; i++) {
      const bytes = Buffer.from(Array.from({ length: 1 + random.below(1500) }, () => random.below(256)));
      sent.push(bytes);
      t.equal(await guest.send(1, bytes), Response.Ok);
      const reply = bytes.subarray(0, 1 + random.below(bytes.length));
      replied.push(reply);
      server.socket.send(reply);
    }
    await eventually('all of it', () => server.data.length === Buffer.concat(sent).length);
    t.ok(server.data.equals(Buffer.concat(sent)));
    await guest.has(1, Buffer.concat(replied).length);
    t.ok(guest.received(1).equals(Buffer.concat(replied)));
    t.equal(await guest.close(1), Response.Ok);
    await eventually('the server to learn that', () => server.ended);
  });
}

withHouse(
  t,
  'a context without a name is of the default server, as any other is',
  {},
  async (t, house) => {
    const guest = await house.guest();
    // crosvm's drivers say no more than they have to.
    for (const [id, words] of [
      [1, [0, 0, 0, 0, 0]],
      [2, []],
    ] as const) {
      const made = await guest.make(numbers(Command.NewCtx, 0, id, ...words));
      t.match(made, { id, flags: READ | WRITE, pfn: NO_PFN, size: 0 });
    }
    await eventually('the server to see both', () => house.connections.length === 2);
    t.same(
      house.connections.map(({ name }) => name),
      ['plain', 'plain'],
    );
    t.equal(await guest.send(2, Buffer.from('hello')), Response.Ok);
    await eventually('what it says', () => String(house.connections[1]!.data) === 'hello');
    t.equal(await guest.type(numbers(Command.NewCtx, 0, 1)), Response.InvalidId, 'an id that is there');
    t.equal(await guest.type(numbers(Command.NewCtx, 0)), Response.Err, 'none at all');
  },
  'plain',
);

withHouse(t, 'what is not offered is refused', {}, async (t, house) => {
  const guest = await house.guest();
  t.equal(
    await guest.make(contextCommand(1, 'other')),
    Response.InvalidId,
    'a server of the directory that is not this VM’s',
  );
  t.equal(await guest.make(contextCommand(1, 'vhost-user')), Response.InvalidId, 'not even the device itself');
  t.equal(await guest.make(contextCommand(1, 'gone')), Response.InvalidId, 'one that is not there');
  for (const name of ['', '../plain', '.', 'x'.repeat(32), Buffer.from([0xff, 0xfe])]) {
    t.equal(await guest.make(contextCommand(1, name)), Response.InvalidId, JSON.stringify(name));
  }
  t.equal(await guest.type(numbers(Command.NewCtx, 0, 1)), Response.InvalidCmd, 'a context without a name');
  t.equal(
    await guest.type(numbers(Command.NewDmabuf, 0, 1, 0, 0, 0, 0, 64, 64, 0, 0, 0, 0, 0, 0, 0)),
    Response.InvalidCmd,
  );
  t.equal(await guest.type(numbers(Command.DmabufSync, 0, 1, 0)), Response.InvalidCmd);
  t.equal(await guest.type(numbers(0x10b, 0, 1)), Response.InvalidCmd);
  t.equal(await guest.type(numbers(0)), Response.InvalidCmd, 'less than a header');
  t.equal(await guest.type(numbers(Command.New, 0, 1)), Response.Err, 'less than the command has');
  t.equal(await guest.type(numbers(Command.Close, 0)), Response.Err);
  t.equal(await guest.type(numbers(Command.Send, 0, 1, 29)), Response.Err, 'more vfds than a transaction has');
  t.equal(await guest.type(numbers(Command.Send, 0, 1, 2, 5)), Response.Err, 'fewer ids than it says');
  t.equal(await guest.type(numbers(Command.Send, 0, 1, 0xffffffff)), Response.Err);
  t.equal(await guest.close(1), Response.InvalidId);
  t.equal(house.connections.length, 0);
});

withHouse(t, 'ids are the guest’s own: none twice, none of the device’s', {}, async (t, house) => {
  const guest = await house.guest();
  for (const id of [0, 0x40000000, 0x40000001, 0x80000001, 0xffffffff]) {
    t.equal(await guest.make(allocCommand(id, 4096)), Response.InvalidId, String(id));
    t.equal(await guest.make(pipeCommand(id, READ)), Response.InvalidId);
    t.equal(await guest.make(contextCommand(id, 'plain')), Response.InvalidId);
  }
  t.match(await guest.make(pipeCommand(0x3fffffff, READ)), { id: 0x3fffffff });
  t.equal(await guest.make(allocCommand(0x3fffffff, 4096)), Response.InvalidId);
  t.equal(await guest.close(0x3fffffff), Response.Ok);
  t.match(await guest.make(allocCommand(0x3fffffff, 4096)), { size: 4096 }, 'and again when it is free');
});

withHouse(
  t,
  'memory that the guest makes is in the region, is real, and is what a server gets',
  {},
  async (t, house) => {
    const guest = await house.guest();
    const server = await connect(t, house, guest, 1);
    const memory = (await guest.make(allocCommand(2, 5000))) as Announced;
    t.match(memory, { id: 2, flags: READ | WRITE, size: 8192 }, 'whole pages');
    t.ok(memory.pfn * 4096 + memory.size <= SHARED_MEMORY_BYTES);
    shown(guest, memory).write(8191, 17);
    t.equal(await guest.send(1, 'm', [2, 2]), Response.Ok, 'twice in one message too');
    await eventually('it to arrive', () => server.fds.length === 2);
    const there = native.map(server.fds[0]!.fd, 0, 8192, true);
    t.equal(new Uint8Array(there.buffer)[8191], 17);
    new Uint8Array(there.buffer)[0] = 18;
    there.unmap();
    t.equal(shown(guest, memory).byte(0), 18);
    t.equal(await guest.close(2), Response.Ok);
    await eventually('its place to be free', () => guest.frontEnd.mappings.size === 0);
    t.equal(house.server.counts!.allocBytes, 8192, 'the server still holds it');
    closeAll(server.fds.splice(0));
    t.equal(house.server.counts!.allocBytes, 0);
  },
);

withHouse(t, 'memory has a bound that counts what others still hold', { allocBytes: 4 * 4096 }, async (t, house) => {
  const guest = await house.guest();
  const server = await connect(t, house, guest, 1);
  t.equal(await guest.make(allocCommand(2, 0)), Response.Err);
  t.equal(await guest.make(allocCommand(2, 5 * 4096)), Response.OutOfMemory);
  t.equal(await guest.make(allocCommand(2, 0xffffffff)), Response.OutOfMemory);
  t.match(await guest.make(allocCommand(2, 4 * 4096)), { size: 4 * 4096 });
  t.equal(await guest.make(allocCommand(3, 1)), Response.OutOfMemory);
  await guest.send(1, 'm', [2]);
  await eventually('it to arrive', () => server.fds.length === 1);
  await guest.close(2);
  await eventually('it to be unmapped', () => guest.frontEnd.unmaps === 1);
  t.equal(await guest.make(allocCommand(3, 1)), Response.OutOfMemory, 'closed here, held there');
  closeAll(server.fds.splice(0));
  t.match(await guest.make(allocCommand(3, 1)), { size: 4096 });
});

withHouse(t, 'mappings are bounded, since each takes a memory slot of the VMM', { mappings: 3 }, async (t, house) => {
  const guest = await house.guest();
  for (const id of [1, 2, 3]) t.match(await guest.make(allocCommand(id, 4096)), { id });
  t.equal(await guest.make(allocCommand(4, 4096)), Response.OutOfMemory);
  t.equal(guest.frontEnd.maps, 3, 'the VMM was not even asked');
  await guest.close(2);
  await eventually('the place to be free', () => guest.frontEnd.unmaps === 1);
  t.match(await guest.make(allocCommand(4, 4096)), { id: 4 });
  t.ok(DEFAULT_GUEST_LIMITS.mappings <= 480);
});

withHouse(t, 'a place is used again only when the VMM has said that it is free', {}, async (t, house) => {
  const guest = await house.guest();
  const first = (await guest.make(allocCommand(1, 4096))) as Announced;
  guest.frontEnd.holdAnswers = true;
  t.equal(await guest.close(1), Response.Ok);
  const slot = guest.submit(allocCommand(2, 4096));
  await eventually('both to be asked for', () => guest.frontEnd.held.length === 2);
  t.notOk(guest.answered(slot));
  t.equal(await guest.close(2), Response.InvalidId, 'what is being made is not there yet');
  guest.frontEnd.held.splice(0).forEach(answer => answer());
  guest.frontEnd.holdAnswers = false;
  await eventually('the answer', () => guest.answered(slot));
  const second = guest.takeAnswer(slot);
  t.equal(second.readUInt32LE(0), Response.VfdNew);
  t.not(Number(second.readBigUInt64LE(16)), first.pfn);
});

withHouse(t, 'a VMM that refuses a mapping costs the guest that memory, and nothing else', {}, async (t, house) => {
  const guest = await house.guest();
  guest.frontEnd.refuseMaps = true;
  t.equal(await guest.make(allocCommand(1, 4096)), Response.OutOfMemory);
  t.equal(house.server.counts!.allocBytes, 0);
  guest.frontEnd.refuseMaps = false;
  t.match(await guest.make(allocCommand(1, 4096)), { id: 1 });
});

withHouse(
  t,
  'without USE_SHMEM there is no memory; without TRANS_FLAGS flags are the old ones',
  {},
  async (t, house) => {
    const guest = await house.guest({ features: 0n });
    t.equal(await guest.make(allocCommand(1, 4096)), Response.OutOfMemory);
    t.equal(guest.frontEnd.maps, 0);
    t.match(await guest.make(contextCommand(1, 'plain')), { flags: 4 });
  },
);

withHouse(t, 'flags that make no sense', {}, async (t, house) => {
  const guest = await house.guest();
  t.equal(await guest.make(allocCommand(1, 4096, WRITE)), Response.InvalidFlags);
  for (const flags of [0, READ | WRITE, 4, 0xffffffff])
    t.equal(await guest.make(pipeCommand(1, flags)), Response.InvalidFlags, String(flags));
});

withHouse(
  t,
  'a pipe that the guest reads: the bytes of whom the other end was sent to, then the hang-up',
  {},
  async (t, house) => {
    const guest = await house.guest();
    const server = await connect(t, house, guest, 1);
    t.match(await guest.make(pipeCommand(2, READ)), { id: 2, flags: READ });
    t.equal(await guest.send(1, 'p', [2]), Response.Ok);
    await eventually('it to arrive', () => server.fds.length === 1);
    t.equal(await guest.send(1, 'p', [2]), Response.InvalidType, 'the device has no second one to send');
    t.equal(await guest.send(2, 'x'), Response.InvalidType, 'it cannot be written here');
    const text = Buffer.alloc(20_000, 'pipe ');
    native.write(server.fds[0]!.fd, text, 0, text.length);
    closeAll(server.fds.splice(0));
    await guest.hangUp(2);
    t.ok(guest.received(2).equals(text), 'and all that was written had come before it');
    t.equal(await guest.close(2), Response.Ok);
  },
);

withHouse(t, 'a pipe that the guest writes: its bytes, and an end when it is closed', {}, async (t, house) => {
  const guest = await house.guest();
  const server = await connect(t, house, guest, 1);
  t.match(await guest.make(pipeCommand(2, WRITE)), { id: 2, flags: WRITE });
  await guest.send(1, 'p', [2]);
  await eventually('it to arrive', () => server.fds.length === 1);
  t.equal(await guest.send(2, 'some text'), Response.Ok);
  t.equal(await guest.send(2, 'x', [1]), Response.InvalidType, 'nothing but bytes goes through a pipe');
  t.equal(await guest.close(2), Response.Ok);
  t.equal((await readAll(server.fds[0]!)).toString(), 'some text');
});

withHouse(
  t,
  'a pipe whose reader is slow holds back its writer, and delivers what was sent before it was closed',
  {},
  async (t, house) => {
    const guest = await house.guest({ size: 256 });
    const server = await connect(t, house, guest, 1);
    await guest.make(pipeCommand(2, WRITE));
    await guest.send(1, 'p', [2]);
    await eventually('it to arrive', () => server.fds.length === 1);
    const chunk = Buffer.alloc(4000, 'slow');
    let taken = 0;
    let slot: number;
    for (;;) {
      slot = guest.submit(sendCommand(2, chunk));
      await turns();
      if (!guest.answered(slot)) break;
      guest.takeAnswer(slot);
      taken++;
    }
    t.ok(taken * 4000 >= MAX_UNSENT_BYTES, `${taken} were taken before`);
    t.ok(taken * 4000 < 2 * MAX_UNSENT_BYTES);
    t.match(await guest.make(pipeCommand(3, WRITE)), { id: 3 }, 'nobody else waits');
    const [text] = await Promise.all([
      readAll(server.fds[0]!, (taken + 1) * 4000),
      eventually('the answer', () => guest.answered(slot)),
    ]);
    t.equal(text.length, (taken + 1) * 4000);
    t.equal(guest.takeAnswer(slot).readUInt32LE(0), Response.Ok);
  },
);

withHouse(t, 'a pipe whose reader goes away hangs up, and can be written no more', {}, async (t, house) => {
  const guest = await house.guest();
  const server = await connect(t, house, guest, 1);
  await guest.make(pipeCommand(2, WRITE));
  await guest.send(1, 'p', [2]);
  await eventually('it to arrive', () => server.fds.length === 1);
  closeAll(server.fds.splice(0));
  await guest.hangUp(2);
  t.equal(await guest.send(2, 'anybody?'), Response.Err);
  t.equal(guest.messages.filter(({ type }) => type === Command.Hup).length, 1, 'once');
});

withHouse(t, 'what a server sends becomes vfds by what it is', {}, async (t, house) => {
  const guest = await house.guest();
  const server = await connect(t, house, guest, 1);
  const writable = new OwnedFd(native.memfd('virtwl-test', 3 * 4096, 0));
  const sealed = new OwnedFd(native.memfd('virtwl-test', 100, SEAL_WRITE));
  const empty = new OwnedFd(native.memfd('virtwl-test', 0, 0));
  const [ours, theirs] = native.socketpair();
  const peer = new UnixSocket(new OwnedFd(ours));
  const [reader, writer] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  const [reader2, writer2] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  server.socket.send(Buffer.from('six'), [writable, sealed, empty, new OwnedFd(theirs), reader, writer2]);
  await guest.has(1, 3, 6);
  const [a, b, c, d, e, f] = guest.receivedVfds(1) as [
    Announced,
    Announced,
    Announced,
    Announced,
    Announced,
    Announced,
  ];
  t.match(a, { flags: READ | WRITE, size: 3 * 4096 });
  t.equal(guest.frontEnd.mappings.get(a.pfn * 4096)!.writable, true);
  t.match(b, { flags: READ, size: 100 });
  t.match(guest.frontEnd.mappings.get(b.pfn * 4096), { writable: false, length: 4096 });
  t.match(c, { flags: READ | WRITE, size: 0, pfn: NO_PFN });
  t.match(d, { flags: READ | WRITE, pfn: NO_PFN });
  t.match(e, { flags: READ, pfn: NO_PFN });
  t.match(f, { flags: WRITE, pfn: NO_PFN });
  t.ok([a, b, c, d, e, f].every(({ id }) => (id & 0x40000000) !== 0));
  t.equal(new Set([a, b, c, d, e, f].map(({ id }) => id)).size, 6);

  peer.send(Buffer.from('from the socket'));
  await guest.has(d.id, 15);
  const said = new Promise(resolve =>
    peer.on('data', (bytes, fds) => {
      closeAll(fds);
      resolve(Buffer.from(bytes).toString());
    }),
  );
  peer.start();
  t.equal(await guest.send(d.id, 'to the socket', [a.id]), Response.Ok, 'memory that came can go on');
  t.equal(await said, 'to the socket');
  native.write(writer.fd, Buffer.from('in the pipe'), 0, 11);
  await guest.has(e.id, 11);
  t.equal(await guest.send(f.id, 'out'), Response.Ok);
  t.equal((await readAll(reader2, 3)).toString(), 'out');
  t.equal(await guest.send(d.id, 'x', [e.id]), Response.InvalidType, 'a pipe that came has no other end');
  t.equal(await guest.send(d.id, 'x', [d.id]), Response.InvalidType, 'nor has a socket');
  peer.close();
  await guest.hangUp(d.id);
  writer.close();
  await guest.hangUp(e.id);
  for (const vfd of [a, b, c, d, e, f]) t.equal(await guest.close(vfd.id), Response.Ok);
  await eventually('the places to be free', () => guest.frontEnd.mappings.size === 0);
});

withHouse(t, 'a vfd is announced before it is brought, and what comes on it comes after', {}, async (t, house) => {
  const guest = await house.guest();
  const server = await connect(t, house, guest, 1);
  for (let i = 0; i < 20; i++) {
    const [ours, theirs] = native.socketpair();
    const peer = new UnixSocket(new OwnedFd(ours));
    peer.send(Buffer.from('early'));
    peer.closeWhenDrained();
    server.socket.send(Buffer.from('s'), [new OwnedFd(theirs)]);
  }
  await guest.has(1, 20, 20);
  for (const { id } of guest.receivedVfds(1)) {
    await guest.hangUp(id);
    const places = guest.messages.flatMap((message, place) =>
      message.id === id || (message.type === Command.Recv && message.bytes.includes(Buffer.from(numbers(id))))
        ? [place]
        : [],
    );
    t.same(
      places.map(place => guest.messages[place]!.type),
      [Command.New, Command.Recv, Command.Recv, Command.Hup],
    );
    t.equal(guest.received(id).toString(), 'early');
  }
});

withHouse(t, 'more than 28 vfds in one message of a server come in several', {}, async (t, house) => {
  const guest = await house.guest();
  const server = await connect(t, house, guest, 1);
  const memories = (count: number): OwnedFd[] =>
    Array.from({ length: count }, () => new OwnedFd(native.memfd('virtwl-test', 4096, 0)));
  server.socket.send(Buffer.alloc(8000, 'd'), memories(28));
  await guest.has(1, 8000, 28);
  for (const message of guest.messages) t.ok(message.bytes.length <= 4096);
  const [ours, theirs] = native.socketpair();
  const raw = memories(60);
  native.send(
    ours,
    Buffer.from('r'),
    0,
    1,
    raw.map(fd => fd.fd),
  );
  closeAll(raw);
  server.socket.send(Buffer.from('s'), [new OwnedFd(theirs)]);
  await guest.has(1, 8001, 29);
  const socket = guest.receivedVfds(1)[28]!;
  await guest.has(socket.id, 1, 60);
  t.ok(guest.messages.filter(({ type }) => type === Command.Recv).every(({ bytes }) => bytes.readUInt32LE(12) <= 28));
  native.close(ours);
});

withHouse(t, 'what cannot be a vfd hangs the connection up', {}, async (t, house) => {
  const guest = await house.guest();
  for (const [id, make] of [
    [1, () => testNative.eventfd()],
    [2, () => native.memfd('virtwl-test', 2 ** 33, 0)],
  ] as const) {
    const server = await connect(t, house, guest, id);
    server.socket.send(Buffer.from('x'), [new OwnedFd(native.memfd('virtwl-test', 4096, 0)), new OwnedFd(make())]);
    await guest.hangUp(id);
    t.equal(guest.received(id).length, 0);
  }
  await eventually('what went with it to be released', () => guest.frontEnd.mappings.size === 0);
  t.equal(house.server.counts!.vfds, 2);
});

withHouse(t, 'memory of servers that the guest has open has a bound', { receivedBytes: 4 * 4096 }, async (t, house) => {
  const guest = await house.guest();
  const memory = (pages: number): OwnedFd => new OwnedFd(native.memfd('virtwl-test', pages * 4096, 0));
  const server = await connect(t, house, guest, 1);
  server.socket.send(Buffer.from('m'), [memory(3), memory(1)]);
  await guest.has(1, 1, 2);
  t.equal(house.server.counts!.receivedBytes, 4 * 4096, 'all of it may be had');
  const other = await connect(t, house, guest, 2);
  other.socket.send(Buffer.from('m'), [memory(1)]);
  await guest.hangUp(2);
  t.equal(guest.received(2).length, 0);
  t.ok(house.logged(/16384 of 16384 bytes of servers' memory open, and was sent 4096 more/));
  // Whatever the guest has told the server: what counts is that it has closed it.
  await guest.close(guest.receivedVfds(1)[1]!.id);
  t.equal(house.server.counts!.receivedBytes, 3 * 4096);
  const again = await connect(t, house, guest, 3);
  again.socket.send(Buffer.from('m'), [memory(1)]);
  await guest.has(3, 1, 1);
  again.socket.send(Buffer.from('m'), [memory(1)]);
  await guest.hangUp(3);
  t.match(await guest.make(allocCommand(9, 4096)), { id: 9 }, 'what it makes itself is another account');
  t.ok(DEFAULT_GUEST_LIMITS.receivedBytes > DEFAULT_VM_SHARE, 'the share that the glue lends fits into it');
});

withHouse(t, 'vfds that wait when their context is closed are closed with it', {}, async (t, house) => {
  const guest = await house.guest({ keepBuffers: true });
  const server = await connect(t, house, guest, 1);
  const other = await connect(t, house, guest, 2);
  // Its share of the guest's buffers is used up first, so that the vfds stay with the device.
  for (let i = 0; i < 2 * MAX_UNREAD_BUFFERS; i++) {
    server.socket.send(Buffer.from([i]));
    await turns(2);
  }
  const [ours, theirs] = native.socketpair();
  server.socket.send(Buffer.from('v'), [new OwnedFd(theirs), new OwnedFd(native.memfd('virtwl-test', 4096, 0))]);
  await eventually('them to be made', () => house.server.counts!.vfds === 4);
  t.equal(await guest.close(1), Response.Ok);
  await eventually('them to be gone', () => house.server.counts!.vfds === 1 && guest.frontEnd.mappings.size === 0);
  t.throws(
    () => {
      for (let i = 0; i < 2; i++) native.send(ours, Buffer.from('x'), 0, 1, []);
    },
    { code: 'EPIPE' },
  );
  native.close(ours);
  guest.release();
  other.socket.send(Buffer.from('goes on'));
  await guest.has(2, 7);
});

withHouse(
  t,
  'a server that hangs up: its last bytes first, and the vfd stays until it is closed',
  {},
  async (t, house) => {
    const guest = await house.guest();
    const server = await connect(t, house, guest, 1);
    const text = Buffer.alloc(150_000, 'goodbye ');
    server.socket.send(text);
    server.socket.closeWhenDrained();
    await guest.hangUp(1);
    t.ok(guest.received(1).equals(text));
    t.equal(await guest.make(pipeCommand(1, READ)), Response.InvalidId, 'the id is still taken');
    t.equal(await guest.close(1), Response.Ok);
  },
);

withHouse(t, 'a server that does not read holds back who sends to it, and nobody else', {}, async (t, house) => {
  const guest = await house.guest();
  const silent = await connect(t, house, guest, 1);
  const lively = await connect(t, house, guest, 2);
  silent.socket.pause();
  const chunk = Buffer.alloc(4000, 'x');
  let slot: number;
  let count = 0;
  for (;;) {
    slot = guest.submit(sendCommand(1, chunk));
    count++;
    await turns();
    if (!guest.answered(slot)) break;
    guest.takeAnswer(slot);
  }
  t.ok(count * 4000 < 1_000_000, `${count} sends were taken`);
  t.equal(await guest.send(2, 'still here'), Response.Ok);
  await eventually('it', () => lively.data.length === 10);
  silent.socket.resume();
  await eventually('the answer', () => guest.answered(slot));
  t.equal(guest.takeAnswer(slot).readUInt32LE(0), Response.Ok);
  await eventually('all of it', () => silent.data.length === count * 4000);
});

withHouse(t, 'a server that goes while a sender is held back ends the waiting', {}, async (t, house) => {
  const guest = await house.guest();
  const silent = await connect(t, house, guest, 1);
  silent.socket.pause();
  let slot: number;
  do {
    slot = guest.submit(sendCommand(1, Buffer.alloc(4000)));
    await turns();
  } while (guest.answered(slot) && guest.takeAnswer(slot).length > 0);
  silent.socket.close();
  await eventually('the answer', () => guest.answered(slot));
  await guest.hangUp(1);
  guest.takeAnswer(slot);
});

withHouse(t, 'what was sent before the close still arrives', {}, async (t, house) => {
  const guest = await house.guest();
  const slow = await connect(t, house, guest, 1);
  slow.socket.pause();
  for (let i = 0; i < 90; i++) t.equal(await guest.send(1, Buffer.alloc(4000, i)), Response.Ok);
  t.equal(await guest.close(1), Response.Ok);
  t.equal(house.server.counts!.vfds, 0);
  t.equal(house.server.counts!.connections, 1, 'it counts until it has delivered');
  slow.socket.resume();
  await eventually('all of it', () => slow.data.length === 90 * 4000 && slow.ended);
  t.equal(house.server.counts!.connections, 0);
});

withHouse(
  t,
  'a guest that does not read: its context is not read either, and the others go on',
  {},
  async (t, house) => {
    const guest = await house.guest({ keepBuffers: true, size: 256 });
    const server = await connect(t, house, guest, 1);
    const other = await connect(t, house, guest, 2);
    let refused = false;
    for (let i = 0; i < 2000 && !refused; i++) refused = !server.socket.send(Buffer.alloc(4000, 'x'));
    t.ok(refused, 'the server cannot send any more');
    await turns(100);
    guest.collect();
    t.equal(guest.kept.length, MAX_UNREAD_BUFFERS, 'so many of its buffers are filled, and no more');
    t.ok(house.server.counts!.queuedBytes < 300_000, `${house.server.counts!.queuedBytes} bytes wait in the device`);
    other.socket.send(Buffer.from('still here'));
    await guest.has(2, 10);
    const total = server.socket.queuedBytes;
    t.ok(total > 0);
    while (server.socket.queuedBytes > 0 || house.server.counts!.queuedBytes > 0) {
      guest.release();
      guest.collect();
      await turns(1);
    }
    guest.release();
    t.pass('and goes on when it reads');
  },
);

withHouse(
  t,
  'a driver that gives no buffers back holds up only itself, within a bound',
  { queuedBytes: 200_000 },
  async (t, house) => {
    const guest = await house.guest({ size: 32 });
    const servers = [];
    for (let id = 1; id <= 10; id++) servers.push(await connect(t, house, guest, id));
    // Nobody collects from here on: all buffers are used soon.
    for (const server of servers) for (let i = 0; i < 500; i++) server.socket.send(Buffer.alloc(4000, 'x'));
    await turns(300);
    t.ok(house.server.counts!.queuedBytes < 200_000 + 80_000, `${house.server.counts!.queuedBytes} bytes`);
    for (let id = 1; id <= 10; id++) await guest.has(id, 500 * 4000);
  },
);

withHouse(t, 'vfds, connections and pipes are bounded', { vfds: 4, connections: 2, pipes: 1 }, async (t, house) => {
  const guest = await house.guest();
  const server = await connect(t, house, guest, 1);
  await connect(t, house, guest, 2);
  t.equal(await guest.make(contextCommand(3, 'plain')), Response.OutOfMemory);
  t.match(await guest.make(pipeCommand(3, READ)), { id: 3 });
  t.equal(await guest.make(pipeCommand(4, READ)), Response.OutOfMemory);
  t.match(await guest.make(allocCommand(4, 4096)), { id: 4 });
  t.equal(await guest.make(allocCommand(5, 4096)), Response.OutOfMemory);
  server.socket.send(Buffer.from('x'), [new OwnedFd(native.memfd('virtwl-test', 4096, 0))]);
  await guest.hangUp(1);
  t.equal(guest.received(1).length, 0, 'one vfd too many: the stream ends rather than to have a gap');
  for (const id of [1, 2, 3, 4]) t.equal(await guest.close(id), Response.Ok);
  await connect(t, house, guest, 1);
});

withHouse(t, 'foreign ids: local ones are as good as any, others are refused', {}, async (t, house) => {
  const guest = await house.guest();
  const server = await connect(t, house, guest, 1);
  await guest.make(allocCommand(2, 4096));
  const foreign = (kind: number, id: number): Uint8Array =>
    Buffer.concat([numbers(Command.SendForeignId, 0, 1, 1, kind, id), Buffer.from('f')]);
  t.equal(await guest.type(foreign(0, 2)), Response.Ok);
  await eventually('it', () => server.fds.length === 1 && server.data.length === 1);
  for (const kind of [1, 2, 3, 4, 0xffffffff])
    t.equal(await guest.type(foreign(kind, 2)), Response.InvalidId, String(kind));
  t.equal(server.data.length, 1);
});

withHouse(t, 'vfds need a byte to go with; nothing at all is no mistake', {}, async (t, house) => {
  const guest = await house.guest();
  await connect(t, house, guest, 1);
  await guest.make(pipeCommand(2, READ));
  t.equal(await guest.send(1, '', [2]), Response.Err);
  t.equal(await guest.send(1, ''), Response.Ok);
  t.equal(await guest.send(1, 'now', [2]), Response.Ok, 'the pipe’s end had not been taken');
  t.equal(await guest.send(7, 'x'), Response.InvalidId);
  t.equal(await guest.send(1, 'x', [7, 2]), Response.InvalidId);
  await guest.make(allocCommand(3, 4096));
  t.equal(await guest.send(3, 'x'), Response.InvalidType, 'memory is no stream');
});

function turns(count = 20): Promise<void> {
  return new Promise(resolve => {
    const step = (): void => void (count-- > 0 ? setImmediate(step) : resolve());
    step();
  });
}

/** Reads a pipe to its end, or so many bytes. */
async function readAll(fd: OwnedFd, most = Infinity): Promise<Buffer> {
  native.setNonblocking(fd.fd);
  const chunks: Buffer[] = [];
  let length = 0;
  await new Promise<void>(resolve => {
    const poll = new native.Poll(fd.fd, () => {
      const chunk = new Uint8Array(65536);
      const read = native.read(fd.fd, chunk);
      if (read > 0) {
        chunks.push(Buffer.from(chunk.subarray(0, read)));
        length += read;
      }
      if (read !== 0 && length < most) return;
      poll.close();
      fd.close();
      resolve();
    });
    poll.start(POLL_READABLE);
  });
  return Buffer.concat(chunks);
}
