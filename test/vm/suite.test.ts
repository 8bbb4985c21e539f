/**
 * The suite that the guest library passes in loopback, on a real /dev/wl0: the same file, run in a VM, with the same
 * servers on its host.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { WlDeviceServer } from '../../src/host/wl-device/server.js';
import { native } from '../../src/system/native.js';
import { GuestProgram } from '../../src/vm/guest-program.js';
import { bootGuest } from '../../src/vm/guest.js';
import { eventually } from '../eventually.js';
import { PEER_SERVERS, startPeerServers } from '../virtwl/peer-servers.js';

/** How long the suite may take, in milliseconds: it takes seconds, and minutes where it is emulated on a busy machine. */
const TIMEOUT_MS = 400_000;

t.setTimeout(590_000);

t.test('the suite of the guest library, which loopback passes, on /dev/wl0', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-suite-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const stopServers = startPeerServers(directory);
  t.teardown(stopServers);
  const own = mkdtempSync(join(tmpdir(), 'virtwl-suite-device-'));
  t.teardown(() => rmSync(own, { recursive: true, force: true }));
  const wlSocket = join(own, 'wl');
  const device = new WlDeviceServer({
    socket: new OwnedFd(native.listenUnix(wlSocket, 4)),
    directory,
    servers: new Set(PEER_SERVERS),
    log: line => t.comment(`device: ${line}`),
  });
  t.teardown(() => device.close());
  const machine = await bootGuest({
    guest: 'client',
    device: { kind: 'wl', socket: wlSocket },
    more: {
      parts: ['dist/test'],
      packages: ['tap'],
      // What makes TypeScript into JavaScript, and what shows results: neither is loaded.
      without:
        /^(typescript|tshy|sync-content|pacote|@npmcli\/.*|@types\/.*|@tapjs\/(run|reporter|create-plugin|config))$/,
    },
    say: line => t.comment(line),
  });
  t.teardown(() => machine.stop());

  const command = `TAP_TIMEOUT=${TIMEOUT_MS / 1000} exec node /virtwl/package/dist/test/virtwl/wl0.guest.js`;
  const suite = await GuestProgram.start(machine, 'the suite', command);
  const { output, errors } = await suite.ended(TIMEOUT_MS);
  let count = 0;
  for (const [i, line] of output.split('\n').entries()) {
    // The subtests, and not what they are made of.
    const [, not, what] = /^ {4}(not )?ok \d+ - (.*?)(?: # time=.*)?$/.exec(line) ?? [];
    if (what === undefined) continue;
    count++;
    t.equal(not, undefined, what);
    if (not !== undefined)
      t.comment(
        output
          .split('\n')
          .slice(Math.max(0, i - 40), i)
          .join('\n'),
      );
  }
  t.match(output, /^ {4}1\.\.\d+$/m, `it came to its end (${errors})`);
  t.ok(count > 20, `${count} of its tests were seen`);
  // The driver closes at the device what a program leaves, some time after its end.
  const holds = (): number => (device.counts?.vfds ?? NaN) + (device.counts?.mappings ?? NaN);
  await eventually('and left nothing in the device', () => holds() === 0);
  t.equal(holds(), 0, 'and left nothing in the device');
});
