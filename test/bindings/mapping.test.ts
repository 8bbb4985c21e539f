import { spawnSync } from 'node:child_process';
import { setImmediate } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import { markAsUntransferable, MessageChannel, Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { native, type Mapping } from '../../src/system/native.js';
import { eventually } from '../eventually.js';
import { leavesNothing, mappingsHeld, MEMFD, thrownBy } from './held.js';

const PAGE = native.pageSize;

/** A mapping of new memory; the descriptor is closed already. */
function mapNew(size: number): Mapping {
  const fd = native.memfd(MEMFD, size, 0);
  try {
    return native.map(fd, 0, size, true);
  } finally {
    native.close(fd);
  }
}

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc') as () => void;

t.test('two mappings of one file show the same memory', async t => {
  leavesNothing(t, () => {
    const fd = native.memfd(MEMFD, 3 * PAGE, 0);
    const all = native.map(fd, 0, 3 * PAGE, true);
    const last = native.map(fd, 2 * PAGE, PAGE, false);
    native.close(fd);
    t.equal(all.length, 3 * PAGE);
    t.equal(all.buffer.byteLength, 3 * PAGE);
    t.equal(all.buffer, all.buffer, 'it is one buffer');
    new Uint8Array(all.buffer)[2 * PAGE + 5] = 42;
    t.equal(new Uint8Array(last.buffer)[5], 42);
    t.equal(all.faulted, false);
    all.unmap();
    t.equal(new Uint8Array(last.buffer)[5], 42, 'the other one stays');
    last.unmap();
  });
});

t.test('a length need not be whole pages; an offset must be', async t => {
  const fd = native.memfd(MEMFD, 2 * PAGE, 0);
  const mapping = native.map(fd, 0, 100, true);
  t.equal(mapping.buffer.byteLength, 100);
  mapping.unmap();
  t.throws(() => native.map(fd, 1, PAGE, true), RangeError);
  t.throws(() => native.map(fd, -PAGE, PAGE, true), RangeError);
  t.throws(() => native.map(fd, 0, 0, true), RangeError);
  t.throws(() => native.map(fd, 0, 2 ** 32 + 1, true), RangeError, 'more than an ArrayBuffer holds');
  const longest = native.map(fd, 0, 2 ** 32, false);
  t.equal(longest.length, 2 ** 32);
  longest.unmap();
  native.close(fd);
});

t.test('what cannot be mapped says so', async t => {
  leavesNothing(t, () => {
    const [reader, writer] = native.pipe();
    t.match(
      thrownBy(t, () => native.map(reader, 0, PAGE, false)),
      { code: 'ENODEV', errno: 19, syscall: 'mmap' },
    );
    native.close(reader);
    native.close(writer);
  });
});

t.test('after unmap everything throws, and the buffer is detached', async t => {
  leavesNothing(t, () => {
    const mapping = mapNew(PAGE);
    const other = mapNew(PAGE);
    const buffer = mapping.buffer;
    const view = new Uint8Array(buffer);
    mapping.unmap();
    t.equal(buffer.byteLength, 0);
    t.equal(view.length, 0);
    t.equal(view[0], undefined);
    t.equal(mapping.length, 0);
    t.equal(mapping.faulted, false);
    t.throws(() => mapping.buffer, { message: 'the mapping was unmapped' });
    t.throws(() => mapping.unmap(), Error);
    const rects = Float64Array.of(0, 1, 0, 1, 1, 1);
    t.throws(() => native.copyRects(mapping, other, rects, 1), { message: /dst was unmapped/ });
    t.throws(() => native.copyRects(other, mapping, rects, 1), { message: /src was unmapped/ });
    const [a, b] = native.socketpair();
    t.throws(() => native.send(a, view, 0, 0, []), TypeError, 'not even nothing can be sent from it');
    t.throws(() => native.recv(a, view, []), TypeError);
    t.throws(() => native.read(a, view), TypeError);
    t.throws(() => native.write(a, view, 0, 0), TypeError);
    t.throws(() => native.virtwlRecv(a, view, []), TypeError);
    native.close(a);
    native.close(b);
    other.unmap();
  });
});

t.test('a Mapping comes from map() only', async t => {
  const mapping = mapNew(PAGE);
  const Type = mapping.constructor as unknown as new () => Mapping;
  t.throws(() => new Type(), TypeError);
  t.throws(() => (Type as unknown as () => Mapping)(), TypeError);
  t.throws(
    () => (Reflect.construct(Object, [], Type) as Mapping) && (Reflect.construct(Object, [], Type) as Mapping).buffer,
    TypeError,
  );
  const heir = Object.create(mapping) as Mapping;
  t.throws(() => heir.buffer, TypeError);
  t.throws(() => heir.unmap(), TypeError);
  const poll = native.Poll.prototype as unknown as Mapping;
  t.throws(() => mapping.unmap.call(poll), TypeError);
  t.throws(() => mapping.unmap.call({} as Mapping), TypeError);
  t.throws(() => native.copyRects(heir, mapping, new Float64Array(0), 0), TypeError);
  mapping.unmap();
});

/** What a transfer may do: refuse, or (Node.js 20) copy. It must leave the mapping as it is. */
function staysWhole(t: Test, name: string, transfer: (buffer: ArrayBuffer) => unknown): void {
  const mapping = mapNew(PAGE);
  new Uint8Array(mapping.buffer)[7] = 77;
  try {
    transfer(mapping.buffer);
    t.equal(process.versions.node.split('.')[0], '20', `${name}: only Node.js 20 copies`);
  } catch (error) {
    t.match(error, { name: /^(DataCloneError|TypeError)$/ }, name);
  }
  t.equal(mapping.buffer.byteLength, PAGE);
  t.equal(new Uint8Array(mapping.buffer)[7], 77);
  mapping.unmap();
}

t.test('nobody gets a buffer by transferring it', async t => {
  const { port1, port2 } = new MessageChannel();
  leavesNothing(t, () => {
    staysWhole(t, 'structuredClone', buffer => structuredClone(buffer, { transfer: [buffer] }));
    staysWhole(t, 'structuredClone of a view', buffer => {
      structuredClone(new Uint8Array(buffer), { transfer: [buffer] });
    });
    staysWhole(t, 'postMessage', buffer => port1.postMessage(buffer, [buffer]));
  });
  port1.close();
  port2.close();
  const workers: Worker[] = [];
  staysWhole(t, 'workerData', buffer => {
    workers.push(new Worker('', { eval: true, workerData: buffer, transferList: [buffer] }));
  });
  for (const worker of workers) await worker.terminate();
});

t.test('a buffer that other code marks as untransferable is unmapped all the same', async t => {
  leavesNothing(t, () => {
    const mapping = mapNew(PAGE);
    const { buffer } = mapping;
    markAsUntransferable(buffer);
    mapping.unmap();
    t.equal(buffer.byteLength, 0);
  });
});

t.test('a copy of a buffer is a copy', async t => {
  const mapping = mapNew(PAGE);
  const clone = structuredClone(mapping.buffer);
  new Uint8Array(mapping.buffer)[0] = 1;
  t.equal(new Uint8Array(clone)[0], 0);
  mapping.unmap();
  t.equal(clone.byteLength, PAGE);
});

interface Transferable extends ArrayBuffer {
  transfer(newByteLength?: number): ArrayBuffer;
}

t.test(
  'transfer() is refused, or the buffer keeps its memory and the mapping says that it is gone',
  { skip: !('transfer' in ArrayBuffer.prototype) && 'this Node.js has no ArrayBuffer.prototype.transfer' },
  async t => {
    for (const length of [undefined, 0, 8, 2 * PAGE]) {
      const mapping = mapNew(PAGE);
      new Uint8Array(mapping.buffer)[3] = 33;
      let taken: ArrayBuffer | undefined;
      try {
        taken = (mapping.buffer as Transferable).transfer(length);
      } catch (error) {
        t.match(error, TypeError);
        t.equal(new Uint8Array(mapping.buffer)[3], 33);
      }
      if (taken !== undefined) t.throws(() => mapping.buffer, { message: /transferred/ });
      mapping.unmap();
      if (taken !== undefined && length !== 0)
        t.equal(new Uint8Array(taken)[3], 33, 'no access to memory that is gone');
    }
  },
);

t.test('a stream of bytes that takes a buffer for itself does not crash us', async t => {
  const mapping = mapNew(PAGE);
  const stream = new ReadableStream({
    type: 'bytes',
    pull(controller) {
      controller.enqueue(new Uint8Array(mapping.buffer));
      controller.close();
    },
  });
  const { value } = await stream
    .getReader()
    .read()
    .catch(() => ({ value: undefined }));
  t.ok(value === undefined || value.length === PAGE);
  mapping.unmap();
  t.ok(value === undefined || value.length === PAGE);
});

t.test('a forgotten mapping goes with the garbage, whatever of it is forgotten first', async t => {
  await eventually('what earlier tests have left to the collector is gone', () => {
    collectGarbage();
    // A thread of the collector may have unmapped what is counted a moment later.
    const { mmap, munmap } = native.counters();
    return mappingsHeld() === 0 && mmap === munmap;
  });
  const unmapped = () => native.counters().munmap;
  const start = unmapped();
  let kept: ArrayBuffer | undefined;
  let buffers: ArrayBuffer[] | undefined;
  (() => {
    for (let i = 0; i < 20; i++) mapNew(PAGE); // both at once
    buffers = Array.from({ length: 20 }, () => mapNew(PAGE).buffer); // the Mapping first
    kept = buffers[3];
  })();
  await eventually('20 mappings collected', () => {
    collectGarbage();
    return unmapped() - start >= 20;
  });
  await setImmediate();
  collectGarbage();
  t.equal(unmapped() - start, 20, 'a buffer that is in use keeps its memory');
  new Uint8Array(kept!)[0] = 1;
  buffers = undefined;
  await eventually('19 more collected', () => {
    collectGarbage();
    return unmapped() - start >= 39;
  });
  t.equal(new Uint8Array(kept!)[0], 1);
  // eslint-disable-next-line no-useless-assignment -- what is not reachable any more is collected
  kept = undefined;
  await eventually('the last one collected', () => {
    collectGarbage();
    return unmapped() - start >= 40;
  });
  t.equal(mappingsHeld(), 0);
});

t.test('map and unmap are counted, and a thousand of them leave nothing', async t => {
  leavesNothing(t, () => {
    const before = native.counters();
    for (let i = 0; i < 1000; i++) mapNew(PAGE).unmap();
    const after = native.counters();
    t.equal(after.mmap - before.mmap, 1000);
    t.equal(after.munmap - before.munmap, 1000);
  });
});

t.test('the addon is loaded by require only, since it needs one itself', async t => {
  const path = process.env.VIRTWL_NATIVE ?? new URL('../../../build/Release/virtwl.node', import.meta.url).pathname;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['-e', 'process.dlopen({ exports: {} }, process.argv[1])', path],
    { encoding: 'utf8' },
  );
  t.equal(status, 1);
  t.match(stderr, /must be loaded by require/);
});
