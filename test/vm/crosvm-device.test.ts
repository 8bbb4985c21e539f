/**
 * The guest driver before a device that answers as crosvm's does: all of the conformance program that such a device can do
 * passes, with memory and without.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CrosvmDevice } from './crosvm-device.js';
import { echoServer } from './echo-server.js';
import { smallGuest } from './guests.js';

const TIMEOUT_MS = process.env.VIRTWL_GUEST_KERNEL === undefined ? 580_000 : 3_600_000;
t.setTimeout(TIMEOUT_MS);

const directory = mkdtempSync(join(tmpdir(), 'virtwl-crosvm-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
echoServer(t, directory);

const socket = join(directory, 'wl');
const device = new CrosvmDevice(socket, {
  directory,
  servers: new Set(['echo']),
  // It has no bound on pipes but its descriptors'.
  limits: { pipes: 2047 },
  log: line => t.comment(`device: ${line}`),
});
t.teardown(() => device.close());
const { machine } = await smallGuest(t, {
  name: 'crosvm',
  devices: [{ kind: 'wl', socket }],
  programs: ['conformance'],
});

/** Runs the program; what it said of each thing. */
async function conformance(t: Test): Promise<string[]> {
  const { status, output } = await machine.run('/virtwl/conformance', TIMEOUT_MS);
  const lines = output.split('\n');
  for (const [i, line] of lines.entries()) {
    if (line.startsWith('not ok ')) t.fail(lines.slice(i, i + 3).join('\n'));
  }
  t.match(output, /^1\.\.\d+$/m, 'the program came to its end');
  t.equal(status, 0);
  return lines.filter(line => line.startsWith('ok '));
}

t.test('all that such a device can do', async t => {
  const said = await conformance(t);
  t.ok(said.length > 80, `${said.length} things`);
  t.notOk(said.some(line => line.includes('# SKIP')));
  t.ok(said.some(line => line.endsWith('it is the same memory')));
});

t.test('where it gives no memory, that is said, and the rest passes', async t => {
  device.behaviour.hasMemory = false;
  const skipped = (await conformance(t)).filter(line => line.includes('# SKIP'));
  t.match(skipped, [
    /NEW_ALLOC of a page and a byte # SKIP .*ENOMEM/,
    /NEW_ALLOC of a page, to be sent # SKIP .*ENOMEM/,
  ]);
  const { output } = await machine.run('dmesg | grep "no memory of"', TIMEOUT_MS);
  t.match(output, /conformance\[\d+\]: the host has no memory of 4097 bytes for it/, 'its VM knows, too');
  device.behaviour.hasMemory = true;
});
