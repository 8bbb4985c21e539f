/**
 * The contract of channels, for the contexts of one device. In: a directory, where this makes the socket `raw`, and the
 * path of a device whose server of that name it is; without one, that directory is the device. Out: TAP.
 */
import { join } from 'node:path';
import t from 'tap';
import { Relay } from '../../src/relay/relay.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { HIGH_WATER_BYTES, MAX_QUEUED_BYTES, MAX_QUEUED_FDS, openDevice } from '../../src/virtwl/device.js';
import { eventually } from '../eventually.js';
import { Peer } from '../relay/peer.js';
import { AS_IT_IS } from '../relay/relay-between.js';
import { streamContract } from '../system/stream-contract.js';

const [directory, path] = process.argv.slice(2) as [string, string?];
const listening = new OwnedFd(native.listenUnix(join(directory, 'raw'), 4));
const device = openDevice(path === undefined ? { loopback: directory } : { device: path });
t.teardown(() => {
  device.close();
  listening.close();
});

t.test(`a context of ${device.kind} is a channel`, async t => {
  streamContract(t, {
    connect: () => ({ channel: device.connect('raw'), peer: new OwnedFd(native.accept(listening.fd)) }),
    highWaterBytes: HIGH_WATER_BYTES,
    maxQueuedBytes: MAX_QUEUED_BYTES,
    maxQueuedFds: MAX_QUEUED_FDS,
    afterEnd: 'dropped',
  });
});

for (const side of ['client', 'compositor'] as const) {
  t.test(`what no handler wants passes natively where a context of ${device.kind} is the ${side}'s end`, async t => {
    const context = device.connect('raw');
    const far = new OwnedFd(native.accept(listening.fd));
    const [ours, near] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    const socket = new UnixSocket(ours);
    const client = new Peer('client', side === 'client' ? far : near);
    const compositor = new Peer('compositor', side === 'client' ? near : far);
    compositor.answer = received => compositor.answerBasics(received);
    const rules = { concerns: [], toServer: AS_IT_IS, toClient: AS_IT_IS };
    const relay = side === 'client' ? new Relay(context, socket, rules) : new Relay(socket, context, rules);
    t.teardown(() => {
      relay.close(undefined);
      client.close();
      compositor.close();
    });
    relay.start();
    const callback = client.make(1, 'sync');
    const answered = (times: number) => (): boolean => client.all('wl_display.delete_id').length === times;
    await eventually('it is answered', answered(1));
    for (let i = 0; i < 30; i++) {
      client.say(1, 'sync', [callback]);
      await eventually('it is answered', answered(2 + i));
    }
    t.ok(relay.passedBatches > 50, `${relay.passedBatches} batches of 60`);
    t.same([client.faults, compositor.faults], [[], []]);
    let ended = false;
    relay.on('close', () => (ended = true));
    (side === 'client' ? client : compositor).close();
    await eventually('its end is seen', () => ended);
  });
}
