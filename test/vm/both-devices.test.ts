/**
 * One VM with a wl device and a gpu device of one host process: both drivers in one kernel, frames through each at the same
 * time to a compositor on this machine, one bound for the memory that it brings by either, and a restart of the guest.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { LoopbackStack, NODE_FLAGS, statusOf, VIRTWL } from '../../src/demo/loopback-stack.js';
import type { ReportJson } from '../../src/frames/report.js';
import { bootGuest } from '../../src/vm/guest.js';
import { GuestProgram } from '../../src/vm/guest-program.js';
import { READY_LINE } from '../../src/vm/initramfs.js';
import { startSway } from '../compositors.js';
import { eventually } from '../eventually.js';

const MIB = 2 ** 20;
/** Of the VM, by whichever device; a piece of it is 1 MiB. */
const BUDGET = 4 * MIB;
/** How long anything may take in a guest, in milliseconds. */
const TIMEOUT_MS = 180_000;
/** How long what was let go may take to be let go by all, in milliseconds. */
const RELEASE_MS = 60_000;
const ASK_INTERVAL_MS = 500;

const NODES = [
  ['virtio_wl', '/dev/wl0'],
  ['virtio_gpu', '/dev/dri/renderD128'],
] as const;

t.setTimeout(590_000);

const sway = await startSway(t);
const policies = t.testdir();
writeFileSync(join(policies, 'both.policy'), 'capture yes\n');
const stack = await LoopbackStack.start({
  clients: [],
  compositor: { attach: sway.display },
  compositorArguments: ['--policy', policies],
});
t.teardown(() => stack.stop());

const directory = join(stack.directory, 'both');
mkdirSync(directory);
const devices = (['wl', 'gpu'] as const).map(kind => ({ kind, socket: join(directory, kind) }));
const host = spawn(
  process.execPath,
  [
    ...[...NODE_FLAGS, VIRTWL, 'host', '--vm', 'both', '--wayland', '--broker', join(stack.directory, 'broker')],
    ...['--guest-memory', String(BUDGET), '--socket', devices[0]!.socket, '--gpu-socket', devices[1]!.socket],
  ],
  { stdio: ['ignore', 'pipe', 'pipe'] },
);
t.teardown(async () => {
  const over = new Promise(resolve => host.once('exit', resolve));
  if (host.exitCode === null && host.kill()) await over;
});
host.stderr.on('data', (bytes: Buffer) => t.comment(`host: ${bytes.toString().trim()}`));
await new Promise<void>((resolve, reject) => {
  createInterface({ input: host.stdout }).on('line', line => line.startsWith('ready: ') && resolve());
  host.once('exit', status => reject(new Error(`the host process ended with ${status}`)));
});

let lives = 0;
const machine = await bootGuest({
  guest: 'client',
  name: 'both',
  devices,
  mayRestart: true,
  onLine: line => (lives += line.includes(READY_LINE) ? 1 : 0),
  say: line => t.comment(line),
});
t.teardown(() => machine.stop());

/** A few frames through each device, at the same time. */
async function framesThroughEach(t: Test): Promise<void> {
  const frames = ['--frames', '3', '--size', '64x64', '--json', '--timeout', String(TIMEOUT_MS)].join(' ');
  const clients = [];
  for (const [, path] of NODES)
    clients.push(await GuestProgram.start(machine, path, `exec /virtwl/virtwl frames --device ${path} ${frames}`));
  for (const [i, [display]] of NODES.entries()) {
    const { output, errors } = await clients[i]!.ended(TIMEOUT_MS);
    t.match(
      output === '' ? { errors } : (JSON.parse(output) as ReportJson),
      { setup: { display }, pass: true, frames: { shown: 3, wrong: 0, missing: 0 } },
      `through ${display}, with every pixel`,
    );
  }
}

/**
 * Takes all that there is by one device, hands it over to the other, and back. `hold`: keeps it then. What was let go is there
 * again when all have let go of it, so taking goes on until the expected is there.
 */
const TAKE = `
  const { openDevice } = await import('/virtwl/package/dist/src/virtwl/device.js');
  const { setTimeout: pause } = await import('node:timers/promises');
  const [wl, gpu] = ['${NODES[0][1]}', '${NODES[1][1]}'].map(device => ({ device: openDevice({ device }), pieces: [] }));
  async function take(by, expected) {
    let code;
    for (const end = Date.now() + ${RELEASE_MS}; ; await pause(100)) {
      try {
        for (;;) by.pieces.push(by.device.allocate(${MIB}));
      } catch (error) {
        code = error.code;
      }
      if (by.pieces.length >= expected || Date.now() > end) return console.log(by.device.kind, by.pieces.length, code);
    }
  }
  const drop = (by, count) => by.pieces.splice(0, count).forEach(piece => piece.close());
  await take(wl, 4);
  await take(gpu, 0);
  drop(wl, 3);
  await take(gpu, 3);
  await take(wl, 1);
  drop(gpu, 2);
  await take(wl, 3);
  await take(gpu, 1);
  console.log('held');
  setInterval(() => {}, 1000);
`;

/** What the guest has of each device. */
async function held(): Promise<Readonly<Record<string, Record<string, number>>>> {
  const { device, gpu } = await statusOf(host);
  return { device, gpu } as Record<string, Record<string, number>>;
}

t.test('both drivers are there, and the wl device is taken where nobody says otherwise', async t => {
  const { output } = await machine.run('/virtwl/virtwl doctor --role guest; cut -d" " -f1 /proc/modules');
  t.match(output, /virtio_gpu\n/);
  t.match(output, /virtio_wl\n/);
  t.match(
    output,
    /^ok +way to the host +virtio_wl device \/dev\/wl0, and a virtio_gpu device beside it \(--device \/dev\/dri\/renderD128\)/m,
    'doctor says so',
  );
});

t.test('frames through both at the same time', framesThroughEach);

t.test('one bound for what is brought by either', async t => {
  const take = await GuestProgram.start(
    machine,
    'take',
    `exec node --input-type=module -e "$(cat <<'END'${TAKE}END\n)"`,
  );
  const { output } = await take.until('word of what it holds', state => state.output.includes('held\n'), TIMEOUT_MS);
  t.same(output.split('\n'), [
    'virtio_wl 4 ENOMEM',
    'virtio_gpu 0 ENOMEM',
    'virtio_gpu 3 ENOMEM',
    'virtio_wl 1 ENOMEM',
    'virtio_wl 3 ENOMEM',
    'virtio_gpu 1 ENOMEM',
    'held',
    '',
  ]);
  const { device, gpu } = await held();
  t.equal(device?.allocBytes, BUDGET, 'the books have all of it once');
  t.match(gpu, { allocBytes: BUDGET }, 'and so do those of the other device');
});

t.test('the guest restarts with memory of both mapped', async t => {
  const before = lives;
  machine.run('(sleep 0.5; echo b > /proc/sysrq-trigger) > /dev/null 2>&1 &').catch(() => {});
  await eventually('the next life', () => lives > before || !machine.running, TIMEOUT_MS);
  t.ok(machine.running, 'QEMU lives');
  await machine.run('true');
  const nothing = { device: { allocBytes: 0, vfds: 0, mappings: 0 }, gpu: { contexts: 0, resources: 0, mappings: 0 } };
  let left = await held();
  const same = (): boolean =>
    Object.entries(nothing).every(([kind, counts]) => Object.keys(counts).every(name => left[kind]?.[name] === 0));
  for (const end = Date.now() + RELEASE_MS; !same() && Date.now() < end; await pause(ASK_INTERVAL_MS))
    left = await held();
  t.match(left, nothing, 'nothing of the life before is left');
  await framesThroughEach(t);
});
