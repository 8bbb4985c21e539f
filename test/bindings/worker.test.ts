/** The addon in several threads, and in threads that end in the middle of things. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { native } from '../../src/system/native.js';
import { openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';
import { mappingsHeld, MEMFD } from './held.js';

// It starts processes or threads, which a busy machine may take its time for. In milliseconds.
t.setTimeout(240_000);

const MODULE = new URL('../../src/system/native.js', import.meta.url).href;
const TEST_MODULE = new URL('../test-native.js', import.meta.url).href;

/** A thread that runs `script`, with `native`, `testNative`, `port` (parentPort) and `data` (workerData). */
function start(script: string, data?: unknown): Worker {
  return new Worker(
    `const { parentPort: port, workerData: data } = require('node:worker_threads');
     import(${JSON.stringify(TEST_MODULE)}).then(async ({ testNative }) => {
       const { native } = await import(${JSON.stringify(MODULE)});
       ${script}
     });`,
    { eval: true, workerData: data },
  );
}

/** Runs it to its end and gives what it posted last. */
async function run(script: string, data?: unknown): Promise<unknown> {
  const worker = start(script, data);
  let posted: unknown;
  worker.on('message', message => (posted = message));
  await once(worker, 'exit');
  return posted;
}

t.test('each thread has its own counters', async t => {
  native.close(native.dup(0));
  const counters = await run(`
    native.close(native.dup(0));
    native.map(native.memfd('${MEMFD}', 4096, 0), 0, 4096, true).unmap();
    port.postMessage(native.counters());`);
  t.match(counters, { fdsOpened: 2, fdsClosed: 1, mmap: 1, munmap: 1, sendmsg: 0 });
});

t.test('a thread may end while it has something copied', async t => {
  const before = { descriptors: openDescriptors(), mappings: mappingsHeld() };
  for (let i = 0; i < 20; i++) {
    const posted = await run(`
      const size = 16 << 20;
      const fd = native.memfd('${MEMFD}', size, 0);
      const [to, from] = [native.map(fd, 0, size, true), native.map(fd, 0, size, false)];
      native.copyRectsInThread(to, from, Float64Array.of(0, 0, 0, 0, size, 1), 1, fd, () => port.postMessage('late'));
      native.close(fd);
      port.postMessage('begun');
      process.exit();`);
    t.equal(posted, 'begun');
  }
  await eventually('all is given back', () => openDescriptors() === before.descriptors);
  await eventually('and unmapped', () => mappingsHeld() === before.mappings);
});

t.test('threads share memory by its descriptor', async t => {
  const fd = native.memfd(MEMFD, 4096, 0);
  const mapping = native.map(fd, 0, 4096, true);
  await run(
    `const mapping = native.map(data, 0, 4096, true);
     new Uint8Array(mapping.buffer).fill(9);
     mapping.unmap();`,
    fd,
  );
  t.equal(new Uint8Array(mapping.buffer)[4095], 9);
  mapping.unmap();
  native.close(fd);
});

t.test('what a thread had mapped and watched goes with it, however it ends', async t => {
  const setUp = `
    globalThis.mapping = native.map(data.memory, 0, 8192, true);
    globalThis.buffer = native.map(data.memory, 0, 8192, false).buffer;
    globalThis.polls = [new native.Poll(data.socket, () => {}), new native.Poll(data.other, () => {})];
    polls[0].start(3);`;
  for (const [name, end] of [
    ['it is told to', 'process.exit(0)'],
    ['an exception', 'setTimeout(() => { throw new Error("on purpose"); })'],
    ['it is terminated', 'port.postMessage("ready")'],
    ['it is terminated in a loop', 'port.postMessage("ready"); for (;;) native.counters()'],
    ['it is terminated in a callback', 'polls[1].start(2); port.postMessage("ready")'],
    ['it has nothing more to do', 'polls.forEach((poll) => poll.unref())'],
  ] as const) {
    const memory = native.memfd(MEMFD, 8192, 0);
    const [socket, other] = native.socketpair();
    const mappings = mappingsHeld();
    const worker = start(setUp + end, { memory, socket, other });
    worker.on('error', error => t.match(error, { message: 'on purpose' }));
    worker.on('message', () => void worker.terminate());
    await once(worker, 'exit').catch(() => {});
    await eventually(`mappings gone: ${name}`, () => mappingsHeld() === mappings);
    for (const fd of [memory, socket, other]) native.close(fd);
    t.pass(name);
  }
});

t.test('forty threads come and go, and leave nothing', async t => {
  const script = `
    const [a, b] = native.socketpair();
    const memory = native.memfd('${MEMFD}', 4096, 0);
    const mapping = native.map(memory, 0, 4096, true);
    native.send(a, new Uint8Array(1), 0, 1, [memory]);
    const poll = new native.Poll(b, () => {
      const fds = [];
      native.recv(b, new Uint8Array(1), fds);
      poll.close();
      for (const fd of [a, b, memory, ...fds]) native.close(fd);
      port.postMessage(native.counters().fdsClosed);
    });
    poll.start(1);`;
  t.equal(await run(script), 4); // what the first one opens for good is Node.js's own
  const before = openDescriptors();
  const mappings = mappingsHeld();
  for (let i = 0; i < 10; i++) {
    t.same(await Promise.all(Array.from({ length: 4 }, () => run(script))), [4, 4, 4, 4]);
  }
  await eventually('all descriptors closed', () => openDescriptors() <= before);
  t.equal(mappingsHeld(), mappings);
});

t.test('faults in several threads at once', async t => {
  const faulted = await Promise.all(
    Array.from({ length: 4 }, () =>
      run(`
        let count = 0;
        for (let i = 0; i < 200; i++) {
          const memory = native.memfd('${MEMFD}', 65536, 0);
          const mapping = native.map(memory, 0, 65536, true);
          const other = native.map(memory, 0, 65536, true);
          const bytes = new Uint8Array(mapping.buffer);
          bytes.fill(1);
          testNative.truncate(memory, 32768);
          if (bytes[65535] === 0 && bytes[0] === 1 && mapping.faulted && !other.faulted) count++;
          mapping.unmap();
          other.unmap();
          native.close(memory);
        }
        port.postMessage(count);`),
    ),
  );
  t.same(faulted, [200, 200, 200, 200]);
});

t.test('the library stays when the only thread that loaded it has gone', async t => {
  // Its signal handler is installed still, and the deleter of an ArrayBuffer may run after the thread's environment.
  const script = `
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    import { readFileSync } from 'node:fs';
    const worker = new Worker(\`
      import(${JSON.stringify(TEST_MODULE)}).then(async ({ testNative }) => {
        const { native } = await import(${JSON.stringify(MODULE)});
        const memory = native.memfd('${MEMFD}', 4096, 0);
        globalThis.kept = native.map(memory, 0, 4096, true);
        testNative.truncate(memory, 0);
        new Uint8Array(kept.buffer)[0] = 1;
        native.close(memory);
      });\`, { eval: true });
    await once(worker, 'exit');
    console.log(readFileSync('/proc/self/maps', 'utf8').includes('virtwl.node'));
    console.log(readFileSync('/proc/self/maps', 'utf8').includes('${MEMFD}'));`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  t.same({ stdout, status }, { stdout: 'true\nfalse\n', status: 0 });
});
