/** Slabs that connections of one process share. */
import t from 'tap';
import { type SlabPart } from '../../src/slabs/link-memory.js';
import { FAREWELL_MS, SlabArena } from '../../src/slabs/slab-arena.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';
import { settle } from '../relay/peer.js';
import { memory, taken } from './fake-source.js';

const MIB = 1 << 20;

t.test('small buffers of several connections lie in one slab', async t => {
  const held = new Holdings();
  const arena = new SlabArena();
  const connections = Array.from({ length: 20 }, () => memory({ arena }));
  const parts: SlabPart<number>[] = [];
  for (const { source, memory: m } of connections) {
    source.joining = 'granted';
    parts.push(await taken(m, 4 * 64 * 64));
  }
  t.equal(arena.slabCount, 1);
  t.equal(new Set(parts.map(({ mapping }) => mapping)).size, 1);
  t.equal(new Set(parts.map(({ offset }) => offset)).size, 20, 'each in its own place');
  t.same(
    connections.map(({ source }) => [source.asked.length, ...source.joined]),
    [[1], ...Array.from({ length: 19 }, () => [0, 'key 1'])],
  );
  connections[0]!.memory.close();
  Buffer.from(parts[1]!.mapping.buffer)[parts[1]!.offset] = 7;
  t.equal(arena.slabCount, 1, 'it outlives the connection that it came by');
  for (const { memory: m } of connections) m.close();
  t.equal(arena.slabCount, 0);
  await held.assertSame(t);
});

t.test('many that ask at once have a pool each, and none for nothing', async t => {
  const arena = new SlabArena();
  const connections = Array.from({ length: 300 }, () => memory({ arena }));
  for (const { source } of connections) source.joining = 'granted';
  const part = (m: (typeof connections)[number]) => taken(m.memory, MIB / 4);
  await part(connections[0]!);
  await Promise.all(connections.slice(1).map(part));
  const pools = connections.map(({ memory: m }) => m.slabCount);
  t.ok(
    pools.every(count => count === 1),
    `${Math.max(...pools)} at most`,
  );
  for (const { memory: m } of connections) m.close();
  t.equal(arena.slabCount, 0);
});

t.test('what a connection had that has ended is used for others later', async t => {
  const arena = new SlabArena();
  const [one, two] = [memory({ arena }), memory({ arena })];
  for (const { source } of [one, two]) source.joining = 'granted';
  const { offset } = await taken(one.memory, MIB / 2);
  const other = await taken(two.memory, 4096);
  one.memory.close();
  const next = await taken(two.memory, MIB / 2 - 4096);
  t.not(next.offset, offset, 'the compositor may still show it');
  next.free();
  await eventually('its place to be free', () => {
    const part = two.memory.take(MIB / 2)!;
    part?.free();
    return part?.offset === offset && part.mapping === other.mapping;
  });
  t.ok(FAREWELL_MS > 0);
  two.memory.close();
});

t.test('a slab that cannot be joined is left alone', async t => {
  const held = new Holdings();
  const arena = new SlabArena();
  const [one, two, three] = [memory({ arena }), memory({ arena }), memory({ arena })];
  one.source.joining = 'granted';
  two.source.joining = 'refused';
  three.source.joining = 'never';
  await taken(one.memory, 1);
  t.equal(two.memory.take(1), undefined);
  await settle(2);
  t.equal(two.memory.take(1), undefined);
  t.same([two.source.joined.length, two.source.asked.length], [1, 1], 'the next is asked for');
  await settle(2);
  t.not(two.memory.take(1), undefined);
  t.equal(three.memory.take(1), undefined);
  for (const { memory: m } of [one, two, three]) m.close();
  t.equal(arena.slabCount, 0, 'whoever still waits for an answer');
  await held.assertSame(t);
});
