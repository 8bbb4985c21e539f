/** The virtio_wl ioctls, answered by a stand-in for the driver: test/bindings/fake-wl0.c. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { native } from '../../src/system/native.js';
import { closeFds, thrownBy } from './held.js';

// It starts processes or threads, which a busy machine may take its time for. In milliseconds.
t.setTimeout(240_000);

const directory = mkdtempSync(join(tmpdir(), 'virtwl-ioctl-'));
t.teardown(() => rmSync(directory, { recursive: true }));

const library = join(directory, 'fake-wl0.so');
const source = new URL('../../../test/bindings/fake-wl0.c', import.meta.url).pathname;
const compiled = spawnSync('cc', ['-Wall', '-Wextra', '-shared', '-fPIC', '-O1', '-o', library, source], {
  encoding: 'utf8',
});
t.equal(compiled.stderr, '', 'the stand-in compiles without a word');
t.equal(compiled.status, 0);

interface Run {
  /** What the script left in `found`. */
  readonly found: unknown;
  /** The ioctls: number and bytes. */
  readonly calls: readonly { readonly request: string; readonly bytes: Buffer }[];
  readonly signal: string | null;
  readonly stderr: string;
}

/** Runs a script that has `native`, an open `device` and an empty object `found`. */
function run(script: string): Run {
  const log = join(directory, 'log');
  rmSync(log, { force: true });
  const module = JSON.stringify(new URL('../../src/system/native.js', import.meta.url).href);
  const testModule = JSON.stringify(new URL('../test-native.js', import.meta.url).href);
  const preload = [process.env.LD_PRELOAD, library].filter(Boolean).join(' ');
  const { stdout, stderr, signal } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { native } = await import(${module});
       const { testNative } = await import(${testModule});
       const device = native.openDevice('/dev/fake-wl0');
       const found = {};
       const attempt = (call) => { try { return call(); } catch (error) { return error.code ?? error.name; } };
       ${script}
       console.log(JSON.stringify(found));`,
    ],
    {
      encoding: 'utf8',
      env: { ...process.env, LD_PRELOAD: preload, FAKE_WL0: '/dev/fake-wl0', FAKE_WL0_LOG: log },
    },
  );
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [];
  return {
    found: stdout === '' ? undefined : (JSON.parse(stdout) as unknown),
    calls: lines.map(line => {
      const [request = '', hex = ''] = line.split(' ');
      return { request, bytes: Buffer.from(hex, 'hex') };
    }),
    signal,
    stderr,
  };
}

/** struct virtwl_ioctl_new as the driver sees it. */
function newRequest(type: number, size: number, name = ''): Buffer {
  const request = Buffer.alloc(48);
  request.writeUInt32LE(type, 0);
  request.writeInt32LE(-1, 4);
  if (name === '') request.writeUInt32LE(size, 12);
  else request.write(name, 12);
  return request;
}

t.test('NEW: memory, pipes and connections, each with what belongs to it', async t => {
  const { found, calls, stderr } = run(`
    found.memory = native.info(native.virtwlNew(device, 1, 123456, ''));
    found.read = native.info(native.virtwlNew(device, 2, 0, ''));
    found.write = native.info(native.virtwlNew(device, 3, 0, ''));
    found.context = native.info(native.virtwlNew(device, 0, 0, ''));
    const named = native.virtwlNew(device, 5, 99, 'x'.repeat(31));
    found.named = native.info(named);
    found.onContext = native.info(native.virtwlNew(named, 1, 4096, ''));
    found.largest = attempt(() => native.virtwlNew(device, 1, 2 ** 32 - 1, '') > 0);`);
  t.equal(stderr, '');
  t.match(found, {
    memory: { type: 'regular', size: 123456 },
    read: { type: 'pipe', access: 'r' },
    write: { type: 'pipe', access: 'w' },
    context: { type: 'socket' },
    named: { type: 'socket' },
    onContext: { type: 'regular', size: 4096 },
    largest: true,
  });
  t.same([...new Set(calls.map(({ request }) => request))], ['c0307700']);
  t.same(
    calls.map(({ bytes }) => bytes),
    [
      newRequest(1, 123456),
      newRequest(2, 0),
      newRequest(3, 0),
      newRequest(0, 0),
      newRequest(5, 0, 'x'.repeat(31)),
      newRequest(1, 4096),
      newRequest(1, 2 ** 32 - 1),
    ],
  );
  t.equal(calls[4]!.bytes[47 - 4], 0, 'a name of 31 bytes has its NUL');
});

t.test('NEW: what cannot be meant never reaches the driver', async t => {
  const { found, calls } = run(`
    found.long = attempt(() => native.virtwlNew(device, 5, 0, 'x'.repeat(32)));
    found.bytes = attempt(() => native.virtwlNew(device, 5, 0, 'ä'.repeat(16)));
    found.nul = attempt(() => native.virtwlNew(device, 5, 0, 'a\\0b'));
    found.size = attempt(() => native.virtwlNew(device, 1, 2 ** 32, ''));
    found.type = attempt(() => native.virtwlNew(device, 6, 0, ''));
    found.dmabuf = attempt(() => native.virtwlNew(device, 4, 0, ''));`);
  t.same(found, {
    long: 'RangeError',
    bytes: 'RangeError',
    nul: 'TypeError',
    size: 'RangeError',
    type: 'RangeError',
    dmabuf: 'RangeError',
  });
  t.same(calls, []);
});

t.test('NEW: the errors of the driver come through', async t => {
  const { found } = run(`
    try { native.virtwlNew(device, 5, 0, 'absent'); }
    catch ({ code, errno, syscall, message }) { Object.assign(found, { code, errno, syscall, message }); }`);
  t.match(found, { code: 'ENODEV', errno: 19, syscall: 'ioctl(VIRTWL_IOCTL_NEW)', message: /no such device/ });
});

t.test('SEND and RECV: bytes and descriptors, there and back', async t => {
  const { found, calls, stderr } = run(`
    const context = native.virtwlNew(device, 0, 0, '');
    const memory = native.virtwlNew(device, 1, 8192, '');
    const pipe = native.virtwlNew(device, 3, 0, '');
    const buffer = new Uint8Array(4096);
    found.nothing = native.virtwlRecv(context, buffer, []);
    found.sent = native.virtwlSend(context, Buffer.from('--hello--'), 2, 5, [memory, pipe]);
    const fds = [];
    found.received = native.virtwlRecv(context, buffer, fds);
    found.text = Buffer.from(buffer.subarray(0, 6)).toString();
    found.infos = fds.map((fd) => native.info(fd));
    found.fresh = !fds.includes(memory) && !fds.includes(pipe);
    found.fdsSent = [memory, pipe];`);
  t.equal(stderr, '');
  t.match(found, {
    nothing: -1,
    sent: 5,
    received: 5,
    text: 'hello\0',
    infos: [
      { type: 'regular', size: 8192 },
      { type: 'pipe', access: 'w' },
    ],
    fresh: true,
  });
  const send = calls.find(({ request }) => request === '80747701')!;
  const expected = Buffer.alloc(116 + 5, 0xff);
  const { fdsSent } = found as { fdsSent: [number, number] };
  expected.writeInt32LE(fdsSent[0], 0);
  expected.writeInt32LE(fdsSent[1], 4);
  expected.writeUInt32LE(5, 112);
  expected.write('hello', 116);
  t.same(send.bytes, expected);
  const receives = calls.filter(({ request }) => request === '40747702');
  t.equal(receives.length, 2);
  t.equal(receives[0]!.bytes.readUInt32LE(112), 4096, 'the room is in len');
});

t.test('SEND: 28 descriptors, not 29, and any length from none to 1 MiB', async t => {
  const { found, calls } = run(`
    const context = native.virtwlNew(device, 0, 0, '');
    const memory = native.virtwlNew(device, 1, 4096, '');
    const fds = [];
    native.virtwlSend(context, new Uint8Array(1), 0, 1, Array(28).fill(memory));
    native.virtwlRecv(context, new Uint8Array(1), fds);
    found.received = fds.length;
    found.tooMany = attempt(() => native.virtwlSend(context, new Uint8Array(1), 0, 1, Array(29).fill(memory)));
    found.none = native.virtwlSend(context, new Uint8Array(0), 0, 0, []);
    found.most = attempt(() => native.virtwlSend(context, new Uint8Array(1 << 20), 0, 1 << 20, []));
    found.tooLong = attempt(() => native.virtwlSend(context, new Uint8Array(2 << 20), 0, (1 << 20) + 1, []));`);
  t.match(found, { received: 28, tooMany: 'RangeError', none: 0, tooLong: 'RangeError' });
  t.equal(calls.filter(({ request }) => request === '80747701').length, 3);
  t.ok(
    calls
      .filter(({ request }) => request === '80747701')[1]!
      .bytes.subarray(0, 112)
      .every(byte => byte === 0xff),
    'no descriptor of an earlier message goes along',
  );
  t.ok(
    calls.some(({ bytes }) => bytes.length === 116 + (1 << 20)),
    'one MiB reached the driver',
  );
});

t.test('SEND: a full queue would block', async t => {
  const { found } = run(`
    const context = native.virtwlNew(device, 0, 0, '');
    let sent = 0;
    for (;;) { const count = native.virtwlSend(context, new Uint8Array(65536), 0, 65536, []); if (count < 0) break; sent++; }
    found.sent = sent;`);
  t.ok((found as { sent: number }).sent > 0);
});

t.test('RECV: a length that the driver cannot mean is not believed', async t => {
  const { found } = run(`
    const context = native.virtwlNew(device, 0, 0, '');
    native.virtwlSend(context, Buffer.from('lie'), 0, 3, []);
    found.received = native.virtwlRecv(context, new Uint8Array(10), []);`);
  t.same(found, { received: 10 });
});

t.test('RECV: descriptors that cannot be handed over are closed', async t => {
  const { found } = run(`
    const { readdirSync } = await import('node:fs');
    const context = native.virtwlNew(device, 0, 0, '');
    native.virtwlSend(context, new Uint8Array(1), 0, 1, [context, context]);
    const before = readdirSync('/proc/self/fd').length;
    found.error = attempt(() => native.virtwlRecv(context, new Uint8Array(1), Object.freeze([])));
    found.leaked = readdirSync('/proc/self/fd').length - before;`);
  t.same(found, { error: 'TypeError', leaked: 0 });
});

t.test('a SIGBUS outside of our mappings is deadly, guard or not', async t => {
  for (const guard of ['', "const kept = native.map(native.memfd('x', 4096, 0), 0, 4096, true);"]) {
    const { found, signal } = run(`${guard} testNative.dmabufSync(device, 0xbad);`);
    t.equal(found, undefined);
    // A sanitizer's own handler ends the process with a status.
    if (process.env.VIRTWL_NATIVE === undefined) t.equal(signal, 'SIGBUS');
  }
});

t.test('what is no device says so', async t => {
  t.match(
    thrownBy(t, () => native.openDevice('/dev/no-wl0')),
    { code: 'ENOENT', syscall: 'open', path: '/dev/no-wl0' },
  );
  t.match(
    thrownBy(t, () => native.openDevice('/')),
    { code: 'EISDIR' },
  );
  t.throws(() => native.openDevice('a\0b'), TypeError);
  const fd = openSync('/dev/null', 'r+');
  for (const call of [
    () => native.virtwlNew(fd, 0, 0, ''),
    () => native.virtwlSend(fd, new Uint8Array(1), 0, 1, []),
    () => native.virtwlRecv(fd, new Uint8Array(1), []),
  ]) {
    t.match(thrownBy(t, call), { code: 'ENOTTY', errno: 25, message: /inappropriate ioctl/ });
  }
  closeFds(fd);
});
