import t, { type Test } from 'tap';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BrokeredServers, type BrokeredServersOptions } from '../../src/broker/brokered-servers.js';
import { encodeRecord, Kind, Role } from '../../src/broker/protocol.js';
import { makePrivateDirectory } from '../../src/system/private-directory.js';
import { native } from '../../src/system/native.js';
import { openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';
import { House } from '../host/vm-stand-ins.js';
import { logTo } from '../log-lines.js';

/** What the process outside of the sandbox does for a VM. */
function outside(house: House, vm: string, options: Partial<BrokeredServersOptions>): BrokeredServers {
  makePrivateDirectory(house.loopback(vm));
  return house.keep(
    new BrokeredServers({
      vm,
      directory: house.loopback(vm),
      broker: house.brokerDirectory,
      log: logTo(house.lines),
      ...options,
    }),
  );
}

/** The processes of a compositor VM and a client VM: those outside, and those that serve the guests and know no broker. */
function confinedHouse(t: Test): House {
  const house = new House(t);
  outside(house, 'compositor', { compositor: 'handover' });
  outside(house, 'work', { wayland: true });
  house.host('compositor', { compositor: 'handover', brokeredElsewhere: true, broker: undefined });
  house.host('work', { wayland: true, brokeredElsewhere: true, broker: undefined });
  return house;
}

t.test('a VM is served whose host process has nothing to do with the broker', async t => {
  const house = confinedHouse(t);
  const broker = house.broker();
  const glue = await house.glue().up();
  await house.client('work').receives('hello work');
  t.match(glue.clients, [{ vm: 'work' }]);
  t.same(broker.vms.sort(), ['compositor', 'work']);
  broker.close();
  const next = house.broker();
  await eventually('both to be registered with the next broker', () => next.vms.length === 2);
  await house.client('work').receives('hello work');
});

t.test('what a host process can reach does not register anything', async t => {
  const house = confinedHouse(t);
  const broker = house.broker();
  await eventually('both registrations', () => broker.vms.length === 2);
  const claim = (role: number): Uint8Array => encodeRecord({ kind: Kind.Register, detail: role, text: 'compositor' });

  t.throws(() => house.device('work').connect('compositor'), { code: 'ENOENT' }, 'it has no server of another role');
  const asCompositor = house.keep(house.device('compositor').connect('compositor'));
  const ended = new Promise(resolve => asCompositor.on('end', () => resolve('ended')));
  asCompositor.start();
  asCompositor.send(claim(Role.Wayland));
  t.equal(await ended, 'ended', "the compositor VM's own server takes none");

  const glue = await house.glue().up();
  const client = house.client('work');
  client.context.send(claim(Role.Compositor));
  await glue.has(1);
  await eventually('what it said at the glue', () => glue.clients[0]!.conversation.text.includes('compositor'));
  t.match(glue.clients, [{ vm: 'work' }], "a client VM's server carries it unread, as a client's word");
  t.same(broker.vms.sort(), ['compositor', 'work']);
});

t.test('sockets are for their owner alone, and go with their owner', async t => {
  const house = new House(t);
  const before = openDescriptors();
  const servers = outside(house, 'both', { compositor: 'relay', wayland: true });
  const directory = house.loopback('both');
  t.same(readdirSync(directory).sort(), ['compositor', 'wayland', 'wayland-status']);
  for (const name of readdirSync(directory)) t.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
  t.notOk(servers.registered, 'there is no broker');
  servers.close();
  servers.close();
  t.same(readdirSync(directory), []);
  t.equal(openDescriptors(), before);
});

t.test('nothing is made where nothing is turned on, or not all can be', async t => {
  const house = new House(t);
  const before = openDescriptors();
  outside(house, 'plain', { broker: undefined });
  t.same(readdirSync(house.loopback('plain')), []);
  t.throws(() => outside(house, 'bad', { wayland: true, broker: undefined }), /need a broker/);
  writeFileSync(join(house.loopback('bad'), 'wayland'), '');
  t.throws(() => outside(house, 'bad', { compositor: 'handover', wayland: true }), { code: 'EADDRINUSE' });
  t.same(readdirSync(house.loopback('bad')), ['wayland']);
  t.equal(openDescriptors(), before);
});

t.test('a host process removes what others left, but not what was bound for it', async t => {
  const house = new House(t);
  outside(house, 'work', { compositor: 'handover' });
  native.close(native.listenUnix(join(house.loopback('work'), 'wayland'), 1));
  const host = house.host('work', { compositor: 'handover', brokeredElsewhere: true });
  t.same(readdirSync(house.loopback('work')), ['compositor'], 'a socket that nobody listens on is removed');
  host.close();
  t.ok(existsSync(join(house.loopback('work'), 'compositor')), 'nor when it ends');
  t.throws(() => house.host('work', { compositor: 'handover' }), { code: 'EADDRINUSE' }, 'nor for another');
});
