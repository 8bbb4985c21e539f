import t, { type Test } from 'tap';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { VIRTWL } from '../../src/demo/loopback-stack.js';
import { VmHost, type VmHostOptions } from '../../src/host/host.js';
import {
  decodeProbeReply,
  encodeProbeRequest,
  fillPattern,
  findMismatch,
  MAX_PROBE_BYTES,
  Verdict,
} from '../../src/probe/protocol.js';
import { openDevice, type Vfd } from '../../src/virtwl/device.js';
import { probe } from '../../src/probe/probe.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { mappingsOf, openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';

const MIB = 1024 * 1024;

function host(t: Test, options: Partial<VmHostOptions>): string {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  const running = new VmHost({ vm: 'test', loopback: directory, ...options });
  t.teardown(() => {
    running.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

t.test('the pattern: every word counts', async t => {
  const buffer = new ArrayBuffer(64 * 1024);
  fillPattern(buffer, 1);
  t.equal(findMismatch(buffer, 1), -1);
  t.equal(findMismatch(buffer, 2), 0);
  const bytes = new Uint8Array(buffer);
  bytes[40_001]! ^= 1;
  t.equal(findMismatch(buffer, 1), 40_000, 'a flipped bit');
  fillPattern(buffer, 1);
  bytes.copyWithin(4096, 8192, 12288);
  t.equal(findMismatch(buffer, 1), 4096, 'a page in the place of another');
});

t.test('all is well', async t => {
  const loopback = host(t, { allocator: { bytes: 4 * MIB }, probe: true });
  await probe({ loopback });
  const before = { fds: openDescriptors(), mappings: mappingsOf('virtwl') };
  const result = await probe({ loopback, bytes: MIB + 1 });
  t.ok(result.ok, JSON.stringify(result));
  t.equal(result.bytes, MIB + native.pageSize);
  t.equal(result.steps.length, 8);
  await eventually('all to be closed', () => openDescriptors() <= before.fds);
  t.equal(mappingsOf('virtwl'), before.mappings);
});

t.test('what does not work is named, with what to do', async t => {
  const outcome = async (options: Partial<VmHostOptions>, bytes?: number): Promise<object | undefined> => {
    const result = await probe({ loopback: host(t, options), bytes });
    t.notOk(result.ok);
    return result.steps.at(-1);
  };
  t.match(await outcome({}), {
    name: 'connect to the allocator',
    ok: false,
    detail: /no such server/,
    advice: /--allocator=BUDGET/,
  });
  t.match(await outcome({ allocator: { bytes: MIB } }), {
    name: 'connect to the probe server',
    ok: false,
    advice: /--probe/,
  });
  t.match(await outcome({ allocator: { bytes: MIB }, probe: true }, 2 * MIB), {
    name: 'ask for memory',
    detail: /over the VM's budget/,
    advice: /larger budget/,
  });
  t.match(await outcome({ allocator: { bytes: 4 * MIB, requestLimit: MIB }, probe: true }, 2 * MIB), {
    name: 'ask for memory',
    detail: /over the limit of a single request/,
    advice: /--size/,
  });
  const { steps } = await probe({ device: '/nowhere/wl0' });
  t.match(steps, [{ name: 'open the device', ok: false, detail: /does not exist/ }]);
});

t.test('memory that the host does not see is noticed', async t => {
  const directory = host(t, { allocator: { bytes: 4 * MIB } });
  // A probe server that reads other memory, as it would behind a broken front-end.
  const real = host(t, { probe: true });
  const listener = UnixListener.listen(join(directory, 'probe'));
  t.teardown(() => listener.close());
  listener.on('connection', guest => {
    const server = UnixSocket.connect(join(real, 'probe'));
    guest.on('data', (bytes, fds) => {
      for (const fd of fds) fd.close();
      const other = new OwnedFd(native.memfd('virtwl-test', 0, 0));
      native.reserve(other.fd, MIB);
      server.send(bytes, [other]);
    });
    server.on('data', bytes => void guest.send(bytes));
    guest.on('end', () => {
      guest.close();
      server.close();
    });
    guest.start();
    server.start();
  });
  const result = await probe({ loopback: directory });
  t.match(result.steps.at(-1), {
    name: 'have the host check it',
    ok: false,
    detail: /does not show the pattern, from byte 0/,
  });
});

t.test('requests that the probe server refuses', async t => {
  const device = openDevice({ loopback: host(t, { probe: true }) });
  const ask = async (bytes: Uint8Array, fds: Vfd[]): Promise<object | string> => {
    const context = device.connect('probe');
    const answer = new Promise<object | string>(resolve => {
      context.on('data', reply => resolve(decodeProbeReply(reply)));
      context.on('end', () => resolve('dropped'));
    });
    context.start();
    context.send(bytes, fds);
    const result = await answer;
    context.close();
    return result;
  };
  const before = openDescriptors();
  const request = (size: number): Uint8Array => encodeProbeRequest({ size, seed: 1 });
  const memory = (): Vfd => device.allocate(4096);
  t.match(await ask(request(0), [memory()]), { verdict: Verdict.BadSize });
  t.match(await ask(request(4095), [memory()]), { verdict: Verdict.BadSize });
  t.match(await ask(request(MAX_PROBE_BYTES + 4), [memory()]), { verdict: Verdict.BadSize });
  t.match(await ask(request(4096), []), { verdict: Verdict.NoMemory });
  t.match(await ask(request(8192), [memory()]), { verdict: Verdict.CannotMap, offset: 4096 });
  t.match(await ask(request(MAX_PROBE_BYTES), [memory()]), { verdict: Verdict.CannotMap, offset: 4096 });
  t.match(await ask(request(4096), [memory()]), { verdict: Verdict.Mismatch, offset: 0 });
  const pipe = device.pipe('read');
  t.match(await ask(request(4096), [pipe.remote]), { verdict: Verdict.CannotMap, offset: 0 });
  pipe.local.close();
  t.equal(await ask(request(4096), [memory(), memory()]), 'dropped');
  t.equal(await ask(Buffer.alloc(13), []), 'dropped');
  await eventually('all to be closed', () => openDescriptors() <= before);
});

t.test('on the command line', async t => {
  const run = async (args: string[], env = {}): Promise<{ status: number | null; out: string; err: string }> => {
    const child = spawn(process.execPath, [VIRTWL, ...args], {
      env: { ...process.env, VIRTWL_LOOPBACK: '', VIRTWL_DEVICE: '/nowhere/wl0', ...env },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', data => (out += data));
    child.stderr.on('data', data => (err += data));
    const status = await new Promise<number | null>(resolve => child.once('close', resolve));
    return { status, out, err };
  };

  await t.test('--self needs nothing, and leaves nothing', async t => {
    // Of its own: others of this machine may run it as well. Not one of tap's: the path of a socket is short.
    const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const { status, out } = await run(['probe', '--self', '--size', '256K'], { TMPDIR: directory });
    t.equal(status, 0, out);
    t.match(out, /ok {5}have the host check it .*all 262144 bytes/);
    t.match(out, /All of it worked\.\n$/);
    t.same(readdirSync(directory), []);
  });

  await t.test('--json is one JSON document', async t => {
    const loopback = host(t, { allocator: { bytes: MIB } });
    const { status, out } = await run(['probe', '--json'], { VIRTWL_LOOPBACK: loopback });
    t.equal(status, 1);
    const result = JSON.parse(out) as { ok: boolean; steps: { ok: boolean }[] };
    t.equal(result.ok, false);
    t.same(
      result.steps.map(({ ok }) => ok),
      [true, true, true, true, true, false],
    );
  });

  await t.test('without a device it says where one comes from', async t => {
    const { status, out } = await run(['probe']);
    t.equal(status, 1);
    t.match(out, /FAILED open the device .*\/nowhere\/wl0/);
    t.match(out, /What to do: .*--self/);
  });

  await t.test('mistakes in usage have status 2', async t => {
    for (const args of [
      ['probe', '--size', 'much'],
      ['probe', '--self', '--loopback', '/x'],
      ['probe', '--frobnicate'],
      ['frobnicate'],
      ['host', '--vm', 'x'],
      ['host', '--vm', 'x', '--loopback', '/nowhere/x', '--wayland'],
      ['host', '--vm', 'x', '--loopback', '/nowhere/x', '--compositor', 'sideways'],
      ['broker'],
    ]) {
      const { status, err } = await run(args);
      t.equal(status, 2, `${args.join(' ')}: ${err}`);
    }
  });

  await t.test('a failure is one line, with status 1', async t => {
    const { status, err } = await run(['run', '--loopback', '/nowhere']);
    t.equal(status, 1);
    t.match(err, /^virtwl: there is no loopback directory \/nowhere.*\n$/);
  });
});
