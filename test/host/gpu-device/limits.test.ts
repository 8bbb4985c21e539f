/** What one guest may have of a gpu device, on both sides of each bound, and that it may have no more of two devices together. */
import { openSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ChannelType, IdType } from '../../../src/host/gpu-device/cross-domain.js';
import {
  MAX_ATTACHMENTS,
  MAX_COMMANDS_PER_SUBMIT,
  MAX_CONTEXT_QUEUED_BYTES,
  MAX_CONTEXTS,
  MAX_COPIED_BYTES,
  MAX_HELD_ANSWERS,
  MAX_POLLS_PER_CONTEXT,
  MAX_RING_ENTRIES,
  MAX_STREAM_UNSENT_BYTES,
  MAX_UNTAKEN,
  POLLED_SHARE,
} from '../../../src/host/gpu-device/limits.js';
import { GpuDeviceServer } from '../../../src/host/gpu-device/server.js';
import { Control, numbers, Response } from '../../../src/host/gpu-device/wire.js';
import { makeShares } from '../../../src/host/guest/device-server.js';
import { DEFAULT_GUEST_LIMITS, MAX_MAPPINGS, MAX_UNSENT_BYTES } from '../../../src/host/guest/limits.js';
import { WlDeviceServer } from '../../../src/host/wl-device/server.js';
import { closeAll, OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { eventually } from '../../eventually.js';
import { GUEST_ADDRESS, GUEST_BYTES, TestFrontEnd } from '../wl-device/front-end.js';
import { allocCommand, GuestDriver } from '../wl-device/guest-driver.js';
import { FENCE, GpuDriver, guestBlob, POLL, sendCommand, type GpuProgram } from './gpu-driver.js';
import { withGpuHouse, type GpuHouse } from './gpu-house.js';

const PAGE = 4096;
const ENOMEM = 12;
const PIPE = 0x8000_0001;
/** The longest message. */
const MOST = 3744;

type Server = GpuHouse['connections'][0];

async function connected(house: GpuHouse, guest: GpuDriver): Promise<[GpuProgram, Server]> {
  const program = await guest.program();
  const before = house.connections.length;
  if ((await program.connect('plain')) !== 0) throw new Error('no connection');
  await eventually('the server to see it', () => house.connections.length > before);
  return [program, house.connections[before]!];
}

/** A program with a context alone, for memory. */
async function home(guest: GpuDriver): Promise<GpuProgram> {
  const program = await guest.program();
  await program.init(ChannelType.None);
  return program;
}

withGpuHouse(t, 'resources', { vfds: 4 }, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  const { resource } = await program.memory(PAGE);
  server.socket.send(Buffer.from('m'), [memfd(PAGE)]);
  const { ids } = await program.next();
  t.equal(house.server.counts!.resources, 4, 'what was sent and is no resource yet counts');
  t.equal((await program.memory(PAGE)).answer, Response.OutOfMemory);
  t.equal(await guest.hostBlob(program.id, guest.id(), ids[0]!.id, PAGE), Response.Ok, 'and becomes one');
  t.equal((await program.memory(PAGE)).answer, Response.OutOfMemory);
  await guest.unref(resource);
  server.socket.send(Buffer.from('m'), [memfd(PAGE)]);
  t.equal((await program.next()).ids.length, 1);
  server.socket.send(Buffer.from('m'), [memfd(PAGE)]);
  t.equal((await program.next()).command, 0, 'a server that sends more ends the channel');
});

withGpuHouse(t, 'connections and pipes', { connections: 2, pipes: 2 }, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program] = await connected(house, guest);
  const [other] = await connected(house, guest);
  t.equal(await (await guest.program()).connect('plain'), ENOMEM);
  await other.destroy();
  t.equal(await (await guest.program()).connect('plain'), 0);
  const pipes = [PIPE, PIPE + 1, PIPE + 2].map(id => ({ id, type: IdType.ReadPipe }));
  t.equal(await program.send('p', pipes), Response.OutOfMemory, 'all or none');
  t.equal(house.server.counts!.pipes, 0);
  t.equal(await program.send('p', pipes.slice(1)), Response.Ok);
  t.equal(await program.send('p', pipes.slice(0, 1)), Response.OutOfMemory);
  t.equal(await program.write(PIPE + 1, '', true), Response.Ok, 'the guest gives one up');
  t.equal(await program.send('p', pipes.slice(0, 1)), Response.Ok);
});

withGpuHouse(t, 'mappings', { mappings: 2 }, async (t, house) => {
  const guest = await house.gpuGuest();
  const program = await home(guest);
  const made = [await program.memory(PAGE), await program.memory(PAGE), await program.memory(PAGE)];
  t.equal(await guest.map(made[0]!.resource, 0), Response.MapInfo);
  t.equal(await guest.map(made[1]!.resource, PAGE), Response.MapInfo);
  t.equal(await guest.map(made[2]!.resource, 2 * PAGE), Response.Unspecified);
  t.equal(guest.frontEnd.maps, 2, 'the VMM was not even asked');
  t.ok(house.logged('no further memory can be mapped'));
  await guest.unref(made[0]!.resource);
  t.equal(await guest.map(made[2]!.resource, 0), Response.MapInfo, 'one that was closed makes room, at its place too');
  t.ok(DEFAULT_GUEST_LIMITS.mappings <= MAX_MAPPINGS);
});

withGpuHouse(t, 'both devices of a VM share its memory and its mapping slots', {}, async (t, house) => {
  const limits = { mappings: 2, allocBytes: 3 * PAGE };
  const log = (line: string): void => void house.lines.push(line);
  const options = { directory: house.directory, servers: new Set<string>(), limits, log };
  const shares = makeShares(options);
  const paths = ['wl', 'gpu'].map(name => join(house.directory, name));
  const [wlSocket, gpuSocket] = paths.map(path => new OwnedFd(native.listenUnix(path, 1))) as [OwnedFd, OwnedFd];
  const servers = [
    new WlDeviceServer({ ...options, shares, socket: wlSocket }),
    new GpuDeviceServer({ ...options, shares, socket: gpuSocket }),
  ];
  const [one, two] = paths.map(path => new TestFrontEnd(new OwnedFd(native.connectUnix(path)))) as [
    TestFrontEnd,
    TestFrontEnd,
  ];
  const wl = new GuestDriver(one);
  await one.negotiate(wl.features);
  wl.start();
  const gpu = new GpuDriver(two);
  await two.negotiate(gpu.features);
  gpu.start();
  const program = await home(gpu);
  const memory = await program.memory(PAGE);
  t.equal(await gpu.map(memory.resource, 0), Response.MapInfo);
  t.match(await wl.make(allocCommand(1, PAGE)), { id: 1 });
  t.type(await wl.make(allocCommand(2, PAGE)), 'number', 'two are mapped');
  const last = await program.memory(PAGE);
  t.equal(last.answer, Response.Ok);
  t.equal(await gpu.map(last.resource, PAGE), Response.Unspecified);
  t.equal((await program.memory(PAGE)).answer, Response.OutOfMemory, 'three pages are made');
  one.close();
  await eventually('the VMM to be noticed gone', () => !servers[0]!.connected);
  t.equal(await gpu.map(last.resource, PAGE), Response.MapInfo, 'what was mapped goes with its VMM');
  two.close();
  for (const server of servers) server.close();
  shares.resources.close();
});

withGpuHouse(t, 'contexts, and resources that are attached to them', { vfds: 20 }, async (t, house) => {
  const guest = await house.gpuGuest({ size: 64 });
  const contexts = Array.from({ length: MAX_CONTEXTS }, (_, i) => i + 1);
  for (const id of contexts) {
    if ((await guest.createContext(id)) !== Response.Ok) t.fail(`context ${id}`);
  }
  t.equal(await guest.createContext(MAX_CONTEXTS + 1), Response.OutOfMemory);
  await guest.type(Control.CtxDestroy, 5);
  t.equal(await guest.createContext(MAX_CONTEXTS + 1), Response.Ok);
  contexts[4] = MAX_CONTEXTS + 1;
  const each = MAX_ATTACHMENTS / MAX_CONTEXTS;
  const pages: number[] = [];
  for (let i = 0; i <= each; i++) pages.push((await guest.guestPage()).resource);
  for (const id of contexts) {
    for (const resource of pages.slice(0, each)) {
      const answer = await guest.attach(id, resource);
      if (answer !== Response.Ok) t.fail(`attachment of ${resource} to ${id}`);
    }
  }
  t.equal(await guest.attach(1, pages[0]!), Response.Ok, 'once more is none more');
  t.equal(await guest.attach(1, pages[each]!), Response.OutOfMemory);
  await guest.unref(pages[0]!);
  t.equal(await guest.attach(1, pages[each]!), Response.Ok);
});

withGpuHouse(t, 'POLLs that wait', {}, async (t, house) => {
  const size = 16;
  const guest = await house.gpuGuest({ size });
  const most = size * POLLED_SHARE;
  const programs: GpuProgram[] = [];
  for (let i = 0; i < most; i++) programs.push((await connected(house, guest))[0]);
  const one = await guest.program();
  t.equal(await one.connect('plain'), ENOMEM, 'no more channels than may wait');
  await one.destroy();

  const poll = (program: GpuProgram): number => program.begin(POLL, FENCE);
  const refused = async (program: GpuProgram): Promise<void> => {
    t.equal((await guest.finished(poll(program))).readUInt32LE(0), Response.OutOfMemory);
  };
  const waiting = [poll(programs[0]!)];
  await refused(programs[0]!);
  for (const program of programs.slice(1)) waiting.push(poll(program));
  await eventually('each to have one that waits', () => house.server.counts!.polls === most);
  t.equal((await guest.command(Control.GetDisplayInfo, 0)).readUInt32LE(0), Response.DisplayInfo, 'commands go on');
  t.notOk(waiting.some(slot => guest.answered(slot)));

  // Where there are fewer channels, some may have more.
  for (const program of programs.splice(0, 2)) await program.destroy();
  t.equal(house.server.counts!.polls, most - 2);
  for (let i = 1; i < MAX_POLLS_PER_CONTEXT; i++) waiting.push(poll(programs[0]!));
  await refused(programs[0]!);
  waiting.push(poll(programs[1]!));
  await refused(programs[2]!);
  t.equal(house.server.counts!.polls, most);
  t.equal(await (await guest.program()).connect('plain'), ENOMEM, 'which is no place for a channel then');
});

withGpuHouse(t, 'commands in a submission, and pieces of a ring', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program] = await connected(house, guest);
  const close = Uint8Array.of(0x41, 0, 8, 0, 0, 0, 0, 0);
  const many = (count: number): Uint8Array => Buffer.concat(Array.from({ length: count }, () => close));
  t.equal(await program.submit(many(MAX_COMMANDS_PER_SUBMIT)), Response.Ok);
  t.equal(await program.submit(many(MAX_COMMANDS_PER_SUBMIT + 1)), Response.InvalidParameter);

  const ring = async (pieces: number): Promise<number> => {
    const other = await guest.program();
    const page = GUEST_ADDRESS + guest.page();
    const piece = Math.floor(PAGE / pieces);
    const entries = Array.from({ length: pieces }, (_, i): [number, number] => [
      page + piece * i,
      i < pieces - 1 ? piece : PAGE - piece * i,
    ]);
    const resource = guest.id();
    await guest.type(Control.ResourceCreateBlob, 0, guestBlob(resource, entries));
    await guest.attach(other.id, resource);
    const init = numbers(1 | (20 << 16), 0, resource, resource, ChannelType.Wayland);
    return other.submit(init);
  };
  t.equal(await ring(MAX_RING_ENTRIES), Response.Ok);
  t.equal(await ring(MAX_RING_ENTRIES + 1), Response.InvalidResource);
});

withGpuHouse(t, 'what waits for a server that does not read', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  const [other] = await connected(house, guest);
  server.socket.pause();
  const data = Buffer.alloc(MOST, 'x');
  const held: number[] = [];
  let sent = 0;
  const sendOne = async (): Promise<number | undefined> => {
    const slot = program.begin(sendCommand(data));
    sent += MOST;
    // What is handled after it has an answer when it would have one.
    await guest.command(Control.GetDisplayInfo, 0);
    if (guest.answered(slot)) return guest.takeAnswer(slot).readUInt32LE(0);
    held.push(slot);
    return undefined;
  };
  while (held.length === 0) await sendOne();
  t.ok(sent > MAX_UNSENT_BYTES, 'an answer waits when much does');
  for (let i = 1; i < MAX_HELD_ANSWERS; i++) t.equal(await sendOne(), undefined);
  t.equal(await sendOne(), Response.Ok, 'no more answers than may wait');
  while (sent < MAX_STREAM_UNSENT_BYTES) if ((await sendOne()) !== Response.Ok) t.fail(`after ${sent} bytes`);
  t.notOk(program.ready, 'the channel is there');
  t.equal(await other.send('x'), Response.Ok, 'others go on');
  let answer: number | undefined = Response.Ok;
  while (answer === Response.Ok && sent < 2 * MAX_STREAM_UNSENT_BYTES) answer = await sendOne();
  t.equal(answer, Response.Unspecified);
  t.ok(house.logged(/a channel has ended: \d+ bytes wait for its server/));
  t.equal((await program.next()).command, 0);
  for (const slot of held) t.equal((await guest.finished(slot)).readUInt32LE(0), Response.Unspecified);
});

withGpuHouse(t, 'what waits for a program that does not poll', { queuedBytes: 200_000 }, async (t, house) => {
  const guest = await house.gpuGuest();
  const pairs = [await connected(house, guest), await connected(house, guest), await connected(house, guest)];
  const bytes = Buffer.alloc(2 ** 20, 'x');
  pairs[0]![1].socket.send(bytes);
  const queued = (): number => house.server.counts!.queuedBytes;
  const settled = async (): Promise<number> => {
    for (let last = -1; last !== queued();) {
      last = queued();
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    return queued();
  };
  const one = await settled();
  t.ok(one > MAX_CONTEXT_QUEUED_BYTES && one < 3 * MAX_CONTEXT_QUEUED_BYTES, `${one} bytes of one`);
  for (const [, server] of pairs.slice(1)) server.socket.send(bytes);
  const all = await settled();
  t.ok(all > 200_000 && all < 200_000 + 3 * MAX_CONTEXT_QUEUED_BYTES, `${all} bytes of all`);
  for (const [program] of pairs) t.equal((await program.receive(bytes.length)).length, bytes.length);
  t.equal(queued(), 0);
});

withGpuHouse(t, 'connections that nobody takes', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  const ends: OwnedFd[] = [];
  const hand = (): void => {
    const [ours, theirs] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    ends.push(ours);
    server.socket.send(Buffer.from('s'), [theirs]);
  };
  for (let i = 0; i < MAX_UNTAKEN; i++) {
    hand();
    t.equal((await program.next()).ids.length, 1);
  }
  hand();
  t.equal((await program.next()).command, 0);
  t.ok(house.logged(`the guest has not taken ${MAX_UNTAKEN} connections`));
  closeAll(ends);
});

withGpuHouse(t, 'files that are copied', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [program, server] = await connected(house, guest);
  const readOnly = (bytes: number): OwnedFd => {
    const file = memfd(bytes);
    const again = new OwnedFd(openSync(`/proc/self/fd/${file.fd}`, 'r'));
    file.close();
    return again;
  };
  server.socket.send(Buffer.from('c'), [readOnly(MAX_COPIED_BYTES)]);
  t.match((await program.next()).ids, [{ type: IdType.Blob, size: MAX_COPIED_BYTES }]);
  server.socket.send(Buffer.from('c'), [readOnly(MAX_COPIED_BYTES + 1)]);
  t.equal((await program.next()).command, 0);
  t.ok(house.logged(/cannot be mapped into the guest: it is read-only/));
});

withGpuHouse(t, 'a ring that goes away, or lies nowhere, ends its channel and nothing else', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  const [gone, server] = await connected(house, guest);
  const [other, its] = await connected(house, guest);
  gone.poll();
  await guest.unref(gone.channel.resource);
  server.socket.send(Buffer.from('x'));
  await eventually('it to end', () => server.ended);
  t.ok(house.logged('a channel has ended: a ring that is there no more'));

  let count = house.connections.length;
  for (const address of [GUEST_ADDRESS + GUEST_BYTES - 8, 0, 2 ** 31]) {
    const program = await guest.program();
    const resource = guest.id();
    await guest.type(Control.ResourceCreateBlob, 0, guestBlob(resource, [[address, PAGE]]));
    await guest.attach(program.id, resource);
    await program.submit(numbers(1 | (20 << 16), 0, resource, resource, ChannelType.Wayland));
    const slot = program.begin(POLL, FENCE);
    await eventually('the server to see it', () => house.connections.length === count + 1);
    count++;
    house.connections.at(-1)!.socket.send(Buffer.alloc(100));
    t.equal((await guest.finished(slot)).readUInt32LE(0), Response.Unspecified, `at ${address}`);
    t.equal((await guest.finished(program.begin(POLL, FENCE))).readUInt32LE(0), Response.InvalidContext);
  }
  its.socket.send(Buffer.from('still here'));
  t.equal((await other.next()).data.toString(), 'still here');
});

function memfd(bytes: number): OwnedFd {
  return new OwnedFd(native.memfd('test', bytes, 0));
}
