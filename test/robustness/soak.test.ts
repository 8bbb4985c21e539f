/**
 * Buffers and clients come and go, in number; afterwards nobody has become larger. Half of the clients draw straight into
 * slabs, their buffers are the compositor's; half are served by `virtwl run`. A third leaves in order, a third without
 * destroying anything, a third in the middle of a request.
 *
 * VIRTWL_SOAK=full: 1,000,000 buffers of 10,000 clients. Resident memory at the end is held against that after the first
 * tenth; descriptors, mappings and books must be equal.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { NODE_FLAGS, VIRTWL } from '../../src/demo/loopback-stack.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { openDevice } from '../../src/virtwl/device.js';
import { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { DIRECT, House } from './house.js';
import { residentBytes } from './process-holdings.js';

const FULL = process.env.VIRTWL_SOAK === 'full';
const BUFFERS = FULL ? 1_000_000 : 20_000;
const CLIENTS = FULL ? 10_000 : 300;
/** Clients at the same time. */
const TOGETHER = 10;
const BUFFERS_EACH = Math.ceil(BUFFERS / CLIENTS);
/** Of how many buffers each one is shown. */
const SHOWN = 5;
const SIDE = 64;
const BYTES = SIDE * SIDE * 4;
/**
 * Growth of resident memory from the first tenth to the end that is allowed. The tenth of a short run is too short for
 * Node.js to have its code compiled and its heap at its size.
 */
const GROWTH = FULL ? 0.05 : 0.5;
/** How often resident memory is read, of which the smallest counts, and the time between two readings in ms. */
const LOOKS = 10;
const LOOK_INTERVAL_MS = 300;

t.test('the command starts itself as it is started here', async t => {
  const [first] = readFileSync(VIRTWL, 'utf8').split('\n');
  t.equal(first, ['#!/usr/bin/env -S node', ...NODE_FLAGS].join(' '));
});

t.setTimeout(FULL ? 7_200_000 : 240_000);
t.test(`${BUFFERS} buffers of ${CLIENTS} clients`, async t => {
  const house = new House();
  t.teardown(() => house.stop());
  await house.start();
  await house.served(t, 'before');

  await comeAndGo(house, 0, CLIENTS / 10);
  await house.settle();
  const before = { holdings: house.holdings(), resident: await resident(house) };
  for (let tenth = 1; tenth < 10; tenth++) {
    await comeAndGo(house, (CLIENTS / 10) * tenth, CLIENTS / 10);
    if (FULL) t.comment(`after ${tenth + 1} tenths`, await resident(house));
  }
  await house.settle(before.holdings);
  const after = { holdings: house.holdings(), resident: await resident(house) };

  t.same(after.holdings, before.holdings, 'descriptors and mappings are as many as after the first tenth');
  for (const [name, bytes] of Object.entries(after.resident)) {
    const was = before.resident[name] ?? 0;
    const growth = `${(((bytes - was) / was) * 100).toFixed(1)} % from ${(was / 2 ** 20).toFixed(1)} MiB`;
    t.ok(bytes <= was * (1 + GROWTH), `${name}: resident memory grew by ${growth}`);
  }
  t.match(
    await house.stack.status('compositor-host'),
    { allocator: { used: 0, pieces: 0 } },
    "the allocator's books say zero",
  );
  t.match(await house.stack.status('compositor'), { clients: 0, bytes: {} }, 'so do those of the glue');
});

/** Resident memory of every process, in bytes. */
async function resident(house: House): Promise<Record<string, number>> {
  const least: Record<string, number> = {};
  for (let look = 0; look < LOOKS; look++) {
    await pause(LOOK_INTERVAL_MS);
    for (const [name, pid] of house.processes()) least[name] = Math.min(least[name] ?? Infinity, residentBytes(pid));
  }
  return least;
}

async function comeAndGo(house: House, first: number, count: number): Promise<void> {
  for (let at = first; at < first + count; at += TOGETHER) {
    await Promise.all(
      Array.from({ length: Math.min(TOGETHER, first + count - at) }, (_, i) => oneClient(house, at + i)),
    );
  }
}

async function oneClient(house: House, number: number): Promise<void> {
  const direct = number % 2 === 0;
  const device = openDevice({ loopback: house.stack.loopback(DIRECT) });
  const channel = direct ? device.connect('wayland') : UnixSocket.connect(house.proxyDisplay);
  const display = await Display.connect(channel);
  const surface = display.bind('wl_compositor', 4).create('create_surface');
  const pool = direct ? await slabPool(display) : display.bind('wl_shm', 1).create('create_pool', memory(), BYTES);
  const leavesInOrder = number % 3 === 0;
  for (let i = 0; i < BUFFERS_EACH; i++) {
    const buffer = pool.create('create_buffer', 0, SIDE, SIDE, SIDE * 4, 1);
    if (i % SHOWN === 0) {
      surface.request('attach', buffer, 0, 0);
      surface.request('damage_buffer', 0, 0, SIDE, SIDE);
      surface.request('commit');
    }
    if (leavesInOrder || i < BUFFERS_EACH - 10) buffer.request('destroy');
    if (i % 50 === 49) await display.roundtrip();
  }
  await display.roundtrip();
  if (leavesInOrder) {
    surface.request('destroy');
    pool.request('destroy');
    await display.roundtrip();
  } else if (number % 3 === 1) {
    // The first half of another request.
    channel.send(Uint8Array.of(1, 0, 0, 0, 0, 0));
  }
  display.close();
  device.close();
}

function memory(): OwnedFd {
  return new OwnedFd(native.memfd('soak', BYTES, 0));
}

async function slabPool(display: Display): Promise<WaylandObject<'wl_shm_pool'>> {
  const slab = display.bind('virtwl_memory_v1', 1).create('allocate', BYTES);
  await display.until<void>(resolve => {
    slab.once('memory', fd => {
      fd.close();
      resolve();
    });
  });
  return slab.create('create_pool');
}
