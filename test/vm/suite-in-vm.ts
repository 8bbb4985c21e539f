/**
 * The suite that the guest library passes in loopback, on a real device of either kind: the same file, run in a VM, with
 * the same servers on its host.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { GpuDeviceServer } from '../../src/host/gpu-device/server.js';
import type { DeviceServerOptions } from '../../src/host/guest/device-server.js';
import type { DeviceKind } from '../../src/host/guest/vmm-arguments.js';
import { WlDeviceServer } from '../../src/host/wl-device/server.js';
import { native } from '../../src/system/native.js';
import { GuestProgram } from '../../src/vm/guest-program.js';
import { bootGuest } from '../../src/vm/guest.js';
import { eventually } from '../eventually.js';
import { PEER_SERVERS, startPeerServers } from '../virtwl/peer-servers.js';

/** How long all of it may take, in milliseconds. */
export const SUITE_TIMEOUT_MS = 590_000;

/** How long the suite may take, in milliseconds: it takes seconds, and minutes where it is emulated on a busy machine. */
const TIMEOUT_MS = 400_000;

/** Fewer than there could be: each new mapping is dearer than the one before. More than the largest message has. */
const MAPPINGS = 128;

/** Boots a VM with a device of that kind, runs the suite in it, and sees that nothing is left of it. */
export async function suiteInVm(t: Test, kind: DeviceKind): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-suite-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const stopServers = startPeerServers(directory);
  t.teardown(stopServers);
  const own = mkdtempSync(join(tmpdir(), 'virtwl-suite-device-'));
  t.teardown(() => rmSync(own, { recursive: true, force: true }));
  const socket = join(own, kind);
  const options: DeviceServerOptions = {
    socket: new OwnedFd(native.listenUnix(socket, 4)),
    directory,
    servers: new Set(PEER_SERVERS),
    limits: { mappings: MAPPINGS },
    log: line => t.comment(`device: ${line}`),
  };
  const device = kind === 'gpu' ? new GpuDeviceServer(options) : new WlDeviceServer(options);
  t.teardown(() => device.close());
  const machine = await bootGuest({
    guest: 'client',
    devices: [{ kind, socket }],
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

  const { output: found } = await machine.run('/virtwl/virtwl doctor --role guest');
  const path = kind === 'gpu' ? 'virtio_gpu device /dev/dri/renderD128' : 'virtio_wl device /dev/wl0';
  t.match(found, new RegExp(`^ok +way to the host +${path};`, 'm'), 'doctor finds the way to the host');

  const program = '/virtwl/package/dist/test/virtwl/device.guest.js';
  const command = `TAP_TIMEOUT=${TIMEOUT_MS / 1000} exec node ${program} ${MAPPINGS}`;
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
  const holds = (): number => {
    const { counts } = device;
    if (counts === undefined) return NaN;
    return counts.mappings + ('vfds' in counts ? counts.vfds : counts.contexts + counts.resources + counts.pipes);
  };
  await eventually('and left nothing in the device', () => holds() === 0);
  t.equal(holds(), 0, 'and left nothing in the device');
}
