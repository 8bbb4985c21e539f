/** A client VM is told, step by step, how far the way to the compositor reaches. */
import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MAX_WATCHERS_PER_VM } from '../../src/broker/state-watchers.js';
import { Availability, type Way } from '../../src/broker/availability.js';
import { native } from '../../src/system/native.js';
import { describeDescriptors, openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';
import { House } from '../host/vm-stand-ins.js';

async function becomes(availability: Availability, way: Way): Promise<void> {
  await eventually(`"${way}"; it is "${availability.way}"`, () => availability.way === way);
}

for (const mode of ['handover', 'relay'] as const) {
  t.test(`mode ${mode}: as the parts come and go`, async t => {
    const house = new House(t);
    const host = house.host('work', { wayland: true });
    const availability = house.keep(new Availability(house.device('work'), 'wayland'));
    await becomes(availability, 'no broker');
    const broker = house.broker();
    await becomes(availability, 'no compositor VM');
    const compositor = house.host('compositor', { compositor: mode });
    await becomes(availability, 'no compositor');
    const glue = await house.glue().up();
    await becomes(availability, 'there');

    await house.client('work').receives('hello work');
    await house.client('work').receives('hello work');
    t.equal(availability.way, 'there', 'clients make no difference');

    glue.close();
    await becomes(availability, 'no compositor');
    await house.glue().up();
    await becomes(availability, 'there');
    compositor.close();
    await becomes(availability, 'no compositor VM');
    broker.close();
    await becomes(availability, 'no broker');
    host.close();
    house.broker();
    await becomes(availability, 'no broker');
    house.host('work', { wayland: true });
  });
}

t.test('a host process that is gone', async t => {
  const house = new House(t);
  house.broker();
  const host = house.host('work', { wayland: true });
  const availability = house.keep(new Availability(house.device('work'), 'wayland'));
  await becomes(availability, 'no compositor VM');
  host.close();
  await becomes(availability, 'no host');
  house.host('work', { wayland: true });
  await becomes(availability, 'no compositor VM');
});

t.test('an older host, and a server that is not the broker’s, say nothing', async t => {
  const house = new House(t);
  house.broker();
  house.host('work', { wayland: true });
  const other = house.keep(new Availability(house.device('work'), 'display'));
  unlinkSync(join(house.loopback('work'), 'wayland-status'));
  const older = house.keep(new Availability(house.device('work'), 'wayland'));
  await house.logged('registered with the broker');
  t.equal(older.way, 'unknown');
  t.equal(other.way, 'unknown');
});

t.test('a state that a newer broker may have says nothing', async t => {
  const house = new House(t);
  house.host('plain', {});
  const socket = native.listenUnix(join(house.loopback('plain'), 'wayland-status'), 1);
  t.teardown(() => native.close(socket));
  const availability = house.keep(new Availability(house.device('plain'), 'wayland'));
  let peer = -1;
  await eventually('its connection', () => (peer = native.accept(socket)) >= 0);
  native.send(peer, Uint8Array.of(8, 99, 0, 0), 0, 4, []);
  await becomes(availability, 'unknown');
  native.send(peer, Uint8Array.of(8, 2, 0, 0), 0, 4, []);
  await becomes(availability, 'there');
  native.send(peer, Uint8Array.of(77, 0, 0, 0), 0, 4, []);
  await becomes(availability, 'no broker');
  native.close(peer);
});

t.test('connections of one VM are bounded, and cost another nothing', async t => {
  const house = new House(t);
  house.broker();
  house.host('work', { wayland: true });
  house.host('play', { wayland: true });
  const device = house.device('work');
  const all = Array.from({ length: MAX_WATCHERS_PER_VM }, () => house.keep(new Availability(device, 'wayland')));
  await eventually('all to be told', () => all.every(({ way }) => way === 'no compositor VM'));
  const over = house.keep(new Availability(device, 'wayland'));
  await becomes(over, 'unknown');
  t.ok(
    all.every(({ way }) => way === 'no compositor VM'),
    'those that were there stay',
  );
  const other = house.keep(new Availability(house.device('play'), 'wayland'));
  await becomes(other, 'no compositor VM');
  all[0]!.close();
  await becomes(over, 'no compositor VM');
});

t.test('one that speaks is closed', async t => {
  const house = new House(t);
  house.broker();
  house.host('work', { wayland: true });
  await house.logged('registered with the broker');
  const before = openDescriptors();
  const context = house.keep(house.device('work').connect('wayland-status'));
  let ended = false;
  let told = 0;
  context.on('data', bytes => (told += bytes.length));
  context.on('end', () => (ended = true));
  context.start();
  await eventually('the state', () => told === 4);
  context.send(Buffer.from('x'));
  await eventually('the end', () => ended);
  context.close();
  await eventually(`no descriptor more: ${describeDescriptors().join()}`, () => openDescriptors() === before);
});
