/**
 * What is written to a pipe with pauses, as a program of any speed does, and read by an X client of any speed, is the same behind it. The X
 * client and its server are played here: who takes when, and what is there by then, is the test's to say.
 */
import { writeSync } from 'node:fs';
import t from 'tap';
import { SILENT } from '../../../src/observe/log.js';
import { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { CHUNK_BYTES } from '../../../src/x11/selections/limits.js';
import { ToProperty } from '../../../src/x11/selections/to-property.js';
import type { WindowWatcher, XSide } from '../../../src/x11/selections/x-side.js';
import { XReader } from '../../../src/x11/wire.js';
import { eventually } from '../../eventually.js';

/** Of a ChangeProperty: before its value. */
const HEAD_BYTES = 24;
const [PROPERTY, TYPE] = [77, 78];

t.test('parts that are taken while the next bytes are awaited', async t => {
  const [reading, writing] = native.socketpair();
  const source = new OwnedFd(reading);
  const sink = new OwnedFd(writing);
  const parts: Buffer[] = [];
  let watcher: WindowWatcher | undefined;
  const side = {
    x: {
      send: (bytes: Uint8Array): void => {
        const at = new XReader(bytes);
        // The first says only that there are parts.
        if (at.u32(12) === TYPE) parts.push(Buffer.from(at.slice(HEAD_BYTES, at.u32(20))));
      },
    },
    atoms: { INCR: 1, STRING: 2 },
    watch: {
      add: (_window: number, its: WindowWatcher) => {
        watcher = its;
        return () => {};
      },
    },
    log: SILENT,
    guarded: <T>(call: T): T => call,
    idleMs: 60_000,
  } as unknown as XSide;
  const ends: unknown[] = [];
  const transfer = new ToProperty(side, {
    ...{ requestor: 5, property: PROPERTY, type: TYPE, source },
    answered: there => ends.push(there),
    ended: why => ends.push(why),
  });
  t.teardown(() => transfer.close(undefined));
  const taken = (): void => watcher!.deleted!(PROPERTY);
  const read = (): number => parts.reduce((sum, part) => sum + part.length, 0);
  let [written, seed] = [Buffer.alloc(0), 0];
  const write = (length: number): void => {
    const bytes = Buffer.from(Array.from({ length }, () => (seed = (seed * 5 + 3) % 251)));
    t.equal(writeSync(sink.fd, bytes), length);
    written = Buffer.concat([written, bytes]);
  };
  /** Written, and read into the part that comes next. A socket tells that, which a pipe does not. */
  const drained = (): Promise<void> => eventually('all is read', () => native.unread(sink.fd) === 0);

  write(CHUNK_BYTES);
  await eventually('it begins', () => ends.length === 1);
  taken();
  await eventually('the first part', () => read() === CHUNK_BYTES);
  for (const [before, after] of [
    [1_000, 3_000],
    [40_000, 40_000],
    [CHUNK_BYTES - 10, 5_000],
    [1, 1],
  ] as const) {
    // The client has a part, and the next one is begun: then it takes, and only then more comes.
    write(before);
    await drained();
    taken();
    await eventually('the part', () => read() === written.length);
    write(after);
    taken();
    await eventually('what came behind it', () => {
      if (read() < written.length && parts.at(-1)!.length > 0) taken();
      return read() === written.length;
    });
    t.ok(Buffer.concat(parts).equals(written), `${before} bytes, and ${after}`);
  }
  sink.close();
  await eventually('its end', () => {
    taken();
    return ends.length === 2;
  });
  t.same(ends, [true, undefined]);
  t.ok(Buffer.concat(parts).equals(written));
});
