/**
 * Every native function with arguments that make no sense, many thousand times: each call returns or throws an Error,
 * and the process lives. The arguments come from a generator with a fixed seed, so that a failure can be had again; the
 * seed and the number of the call are printed with it.
 *
 * A descriptor is never one that the process needs: what is drawn is a socket, pipe or memory of this test, a number
 * far above all that are open, or no descriptor at all.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

// It starts processes or threads, which a busy machine may take its time for. In milliseconds.
t.setTimeout(240_000);

/** Calls a run. The sanitizer run makes as many; they take seconds. */
const CALLS = 20_000;
const SEEDS = [1, 20_240_607, 0xdecafbad];

/** What the process under test does; a process of its own, since a crash is what is looked for. */
const SCRIPT = `
import { readdirSync, readFileSync } from 'node:fs';

const { native } = await import(process.env.NATIVE_MODULE);
const { Random } = await import(process.env.RANDOM_MODULE);
const random = new Random(Number(process.argv[2]));
const calls = Number(process.argv[3]);

const memory = native.memfd('misuse', 65536, 0);
const [socket, peer] = native.socketpair();
const [reader, writer] = native.pipe();
const closed = 900_000; // far above what is open; a number that was closed comes back for something else
const small = native.map(memory, 0, 4096, true);
const large = native.map(memory, 0, 65536, false);
const gone = native.map(memory, 0, 4096, true);
const goneBytes = new Uint8Array(gone.buffer);
gone.unmap();
const poll = new native.Poll(peer, () => {});
const ended = new native.Poll(reader, () => {});
ended.close();
const fds = [memory, socket, peer, reader, writer];
const detached = new Uint8Array(64);
structuredClone(detached.buffer, { transfer: [detached.buffer] });
const tracking = new Uint8Array(new ArrayBuffer(100, { maxByteLength: 200 }));

const odd = () => random.pick([
  undefined, null, true, false, NaN, Infinity, -Infinity, -1, -0, 0.5, 1e300, 2 ** 31, 2 ** 31 - 1, 2 ** 32, 2 ** 53,
  2 ** 53 - 1, 1n, 2n ** 64n, '', 'x', '0', '\\0', '\\ud800', 'x'.repeat(5000), Symbol('s'), {}, [], [[]], () => {},
  new Date(NaN), /x/, new Proxy([], {}), new Proxy({}, { get() { throw new Error('proxy'); } }), Object.create(null),
  { valueOf() { throw new Error('valueOf'); } }, { length: -1 }, new Map(), new ArrayBuffer(8), new DataView(new ArrayBuffer(8)),
  new SharedArrayBuffer(8), globalThis, native, native.Poll, new Error('x'), Promise.resolve(), new WeakMap(),
]);
const size = () => random.pick([0, 1, 2, 7, 28, 29, 253, 254, 4095, 4096, 4097, 8192, 65536, 1 << 20]);
const fd = () => random.pick([...fds, closed, 1_000_000, 2 ** 31 - 1]);
const bytes = () => random.pick([
  new Uint8Array(0), new Uint8Array(1), new Uint8Array(64), new Uint8Array(65), new Uint8Array(10_000),
  new Uint8Array(new ArrayBuffer(100), 50, 20), new Uint8Array(new SharedArrayBuffer(50)), detached, goneBytes, tracking,
  new Uint8Array(small.buffer), new Uint8Array(large.buffer, 100, 50), Buffer.alloc(10), Buffer.from('hello'),
  new Int8Array(10), new Uint8ClampedArray(10), new Float64Array(6), new Float64Array(600).map(() => random.below(100_000)),
  new Float64Array(12).map(() => random.pick([0, 1, 64, 4096, 2 ** 53, NaN, -1, 1e300])),
]);
const pass = () => random.below(6);
const carrier = () => random.pick([0, 1, 2, 3, odd()]);
const way = () => random.below(3);
const words = () => random.pick([
  new Int32Array(128), new Int32Array(8), new Int32Array(0), Int32Array.of(1, 1, 0, 2, 12, 1, 4, 1, 2),
  Int32Array.of(1, 0, 1, 1, 0, 0, 0, 2, 3, 4), Int32Array.of(1, 65536, 65536), Int32Array.of(-1, -1, -1), new Int32Array(tracking.buffer, 0, 2),
  new Int32Array(new SharedArrayBuffer(400)), new Int32Array(200).map(() => random.below(5)), new Uint32Array(64),
]);
const doubles = () => random.pick([new Float64Array(20), new Float64Array(1), new Float64Array(12).fill(NaN), new Float32Array(20)]);
const surface = () => {
  const said = Int32Array.of(1, 8, 8, 4, 1, -1, 1, 1, 5, 0, 32, 0, 1, 0, 0, 8, 8, 3, 0, 32);
  if (random.below(3) === 0) said[random.below(said.length)] = random.pick([-1, 0, 1, 2, 6, 7, 4096, 2 ** 31 - 1]);
  return said;
};
const surfaceWords = () => random.pick([20, 20, 20, 19, 21, odd()]);
const mappings = () => random.pick([[small, large], [small, small], [large, small], [small, gone], [small], [odd(), odd()], list()]);
const list = () => random.pick([
  [], [], [], [fd()], [fd(), fd()], Array(28).fill(memory), Array(253).fill(memory), Array(300).fill(memory),
  Array(10), [odd()], [odd(), fd()], Object.freeze([]), Object.freeze([memory]), Object.preventExtensions([]),
  Object.defineProperty([], 0, { get() { throw new Error('getter'); } }),
]);
const argument = () => {
  switch (random.below(7)) {
    case 0: return odd();
    case 1: return size();
    case 2: return bytes();
    case 3: return list();
    case 4: return random.pick(['', 'name', '/nonexistent/path', 'x'.repeat(31), 'x'.repeat(32), 'x'.repeat(108)]);
    case 5: return random.pick([small, large, gone, poll, ended, true, false]);
    default: return fd();
  }
};
/** Plausible arguments by function, each spoiled now and then. */
const shapes = {
  socketpair: [], connectUnix: ['path'], listenUnix: ['path', size], sendDatagram: ['path', 'name'], accept: [fd], send: [fd, bytes, size, size, list],
  recv: [fd, bytes, list], peerCredentials: [fd], unread: [fd], setSendBuffer: [fd, size], read: [fd, bytes], write: [fd, bytes, size, size],
  pipe: [], close: ['closable'], dup: [fd], setNonblocking: [fd], info: [fd], memfd: ['name', size, size], seals: [fd],
  addSeals: ['scratch', size], reserve: ['scratch', 'noSize'], temporaryFile: [fd],
  createTmpfs: [odd], memoryWatch: [], watchMemory: [fd, 'scratch'], goneMemory: [fd], usage: [fd], map: [fd, size, size, odd], copyRects: ['mapping', 'mapping', bytes, size, fd],
  copyRectsInThread: ['mapping', 'mapping', bytes, size, fd, odd],
  loadAcquire16: ['mapping', size], storeRelease16: ['mapping', size, size], fence: [],
  openDevice: ['path'], virtwlNew: [fd, size, size, 'name'], virtwlSend: [fd, bytes, size, size, list],
  virtwlRecv: [fd, bytes, list], Poll: [fd, odd], counters: [],
  drmDriver: [fd], drmParameter: [fd, size], drmCapset: [fd, size, size, bytes], drmContext: [fd, size, size, size],
  drmBlob: [fd, size, size, size, size], drmCloseHandle: [fd, size], drmExport: [fd, size], drmImport: [fd, fd],
  drmMapOffset: [fd, size], drmExecute: [fd, bytes, size, size], drmWait: [fd, size],
  gpuChannel: [fd, size], gpuNext: [fd], gpuWait: [fd, way], gpuReceive: [fd, bytes, bytes], gpuHasRoom: [fd],
  gpuSend: [fd, bytes, size, size, bytes, size], gpuSubmit: [fd, bytes, size, size],
  openPassTypes: [], passType: [pass, words], closePassTypes: ['types'], openPass: [words, pass, way], passRows: [pass, way, pass, words], passFree: [pass, words], passLedger: [pass, doubles, doubles],
  passWay: [pass, way, fd, carrier, fd, carrier, size, bytes], passTake: [pass, way, list], closePass: [pass],
  passCopies: [pass, doubles, doubles], passLend: [pass, surface, surfaceWords, mappings, way], passTakeBack: [pass, way, words],
  // What a process gives up is gone for good, so these get only what they must refuse.
  setResourceLimit: ['noResource', size], installFilter: ['noProgram'], closeOnExecFrom: [fd],
  newSession: [], dieWithParent: [],
};
// Nor are those spoiled, nor reserve, which would take real memory.
const unspoiled = new Set(['close', 'reserve', 'setResourceLimit', 'installFilter']);
const missing = Object.keys(native).filter((name) => name !== 'pageSize' && !(name in shapes));
if (missing.length > 0) throw new Error('functions without a shape: ' + missing);
const takesFd = (kind) => kind === fd || kind === 'scratch' || kind === 'closable';
const named = {
  path: () => random.pick(['/nonexistent/a/b', '', 'x'.repeat(200), '\\0', '/', '/proc/self/mem/x']),
  name: () => random.pick(['', 'name', 'x'.repeat(31), 'x'.repeat(249), 'x'.repeat(250), '\\0', 'ä'.repeat(200)]),
  mapping: () => random.pick([small, large, small, large, gone, poll, {}, null]),
  closable: () => random.pick([closed, 1_000_000, peer, -1, NaN, 2 ** 31]),
  noResource: () => random.pick([16, -1, NaN, 2 ** 53, 0.5, '0', null, {}]),
  types: () => random.pick([pass(), -1, NaN, 1_000_000, '1', null]),
  noSize: () => random.pick([size(), size(), 0, -1, NaN, 0.5, 2 ** 53, 2 ** 53 - 1, '1', null, undefined]),
  noProgram: () => random.pick([new Uint8Array(0), new Uint8Array(7), new Uint8Array(4096 * 8 + 8), [], null, detached]),
  scratch: () => random.pick([reader, writer, socket, closed]),
};

/** Descriptors that calls have made; closed now and then, oldest first. */
const made = [];
const keep = (value) => {
  if (Array.isArray(value)) value.forEach(keep);
  else if (typeof value === 'number' && value > 2) made.push(value);
};
const makesFds = new Set(['socketpair', 'pipe', 'dup', 'memfd', 'memoryWatch', 'accept', 'temporaryFile', 'createTmpfs', 'virtwlNew',
  'openDevice', 'connectUnix', 'listenUnix']);
const names = Object.keys(shapes);
let call = 0;
const outcomes = { returned: 0, thrown: 0 };
try {
  for (; call < calls; call++) {
    const name = random.pick(names);
    const args = shapes[name].map((kind) =>
      random.below(8) === 0 && !unspoiled.has(name) ? argument() : typeof kind === 'string' ? named[kind]() : kind());
    if (!unspoiled.has(name)) {
      if (random.below(20) === 0) args.splice(random.below(args.length + 1), 1);
      if (random.below(20) === 0) args.push(argument());
    }
    // A small number that got where a descriptor is meant could be one that the process needs.
    if (takesFd(shapes[name][0]) && Number.isInteger(args[0]) && args[0] < 10_000 && !fds.includes(args[0])) args[0] = closed;
    const received = name === 'recv' || name === 'virtwlRecv' ? args[2] : undefined;
    const had = Array.isArray(received) ? received.length : 0;
    let value;
    try {
      value = name === 'Poll' ? new native.Poll(...args) : native[name](...args);
      outcomes.returned++;
    } catch (error) {
      outcomes.thrown++;
      if (!(error instanceof Error)) throw new Error('threw something that is no Error');
    }
    if (makesFds.has(name)) keep(value);
    if (Array.isArray(received)) received.slice(had).forEach(keep);
    if (name === 'map' && value && random.below(2) === 0) value.unmap();
    if (name === 'Poll' && value) value.close();
    if (random.below(50) === 0) {
      const method = random.pick(['start', 'stop', 'ref', 'unref']);
      try { random.pick([poll, ended])[method](random.pick([0, 1, 2, 4, 7, odd()])); } catch { outcomes.thrown++; }
    }
    // Received descriptors may be of our own sockets; only the numbers count here.
    while (made.length > 200) native.close(made.shift());
    if (call % 1000 === 0) await new Promise(setImmediate);
  }
  poll.close();
  for (const fd of made) native.close(fd);
  for (const fd of fds) native.close(fd);
  new Uint8Array(small.buffer)[0] = 1;
  console.log(JSON.stringify(outcomes));
} catch (error) {
  console.log('call ' + call + ': ' + error.stack);
}
process.exit(0);
`;

const directory = mkdtempSync(join(tmpdir(), 'virtwl-misuse-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const script = join(directory, 'misuse.mjs');
writeFileSync(script, SCRIPT);

for (const seed of SEEDS) {
  t.test(`${CALLS} calls, seed ${seed}`, async t => {
    // No file grows beyond a MiB (ulimit counts 512 bytes), so that no call can take all the memory of the machine.
    const command = `trap '' XFSZ; ulimit -f 2048; exec "$0" "$@"`;
    const args = ['-c', command, process.execPath, script, `${seed}`, `${CALLS}`];
    const { status, signal, stdout, stderr } = spawnSync('sh', args, {
      encoding: 'utf8',
      cwd: directory, // some of the names make sockets
      env: {
        ...process.env,
        NATIVE_MODULE: new URL('../../src/system/native.js', import.meta.url).href,
        RANDOM_MODULE: new URL('../wayland/random.js', import.meta.url).href,
      },
    });
    t.same({ status, signal }, { status: 0, signal: null }, stderr.slice(-2000));
    t.match(stdout, /^\{.*\}\n$/);
    if (!stdout.startsWith('{')) return;
    const outcomes = JSON.parse(stdout) as { returned: number; thrown: number };
    t.ok(outcomes.returned > CALLS / 10, `${outcomes.returned} calls made sense after all`);
    t.ok(outcomes.thrown > CALLS / 10, `${outcomes.thrown} did not`);
  });
}
