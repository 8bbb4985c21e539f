/**
 * The rooms of docs/architecture.md: each imports what the table allows, nothing else, and every room is in the table.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';

const ROOTS = ['src', 'compositor-glue'];

/** The room of a file: `system`, `host/wl-device`, `compositor-glue`; undefined for a file that is in none. */
function roomOf(path: string): string | undefined {
  const [root, room, ...rest] = path.split('/');
  if (root === 'compositor-glue') return root;
  if (rest.length === 0) return undefined;
  return room === 'host' && rest.length > 1 ? `host/${rest[0]!}` : room;
}

/** What each room may import, by the table. `any` is every room. */
function readTable(): Map<string, string[]> {
  const page = readFileSync('docs/architecture.md', 'utf8');
  const rows = page.matchAll(/^\| `(?:src\/)?([\w/-]+)` \|[^|]*\|([^|]*)\|$/gm);
  return new Map([...rows].map(([, room = '', list = '']) => [room, list.split(',').map(name => name.trim())]));
}

const table = readTable();
const sources = ROOTS.flatMap(root =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => `${root}/${name}`),
);

/** The rooms that a room imports, with a file that does. */
const imported = new Map<string, Map<string, string>>();
for (const path of sources) {
  const room = roomOf(path);
  if (room === undefined) continue;
  const others = imported.get(room) ?? new Map<string, string>();
  imported.set(room, others);
  for (const [, target = ''] of readFileSync(path, 'utf8').matchAll(
    /^(?:import|export|\}) [^;]*?from '(\.[^']+)\.js';/gm,
  )) {
    const other = roomOf(normalize(join(dirname(path), `${target}.ts`)));
    if (other !== undefined && other !== room) others.set(other, path);
  }
}

t.test('every room is in the table, and the table names rooms only', async t => {
  t.same([...imported.keys()].filter(room => room !== 'setup').sort(), [...table.keys()].sort());
});

for (const [room, others] of imported) {
  t.test(`${room} imports what it may`, async t => {
    const allowed = table.get(room) ?? [];
    for (const [other, path] of others)
      t.ok(allowed.includes('any') || allowed.includes(other), `${other}, by ${path}`);
    t.pass(`${others.size} other rooms`);
  });
}

t.test('no circle: a room is below whatever imports it', async t => {
  const below = new Map<string, Set<string>>();
  const reach = (room: string, path: readonly string[]): Set<string> => {
    if (path.includes(room)) throw new Error([...path, room].join(' -> '));
    const known = below.get(room);
    if (known !== undefined) return known;
    const all = new Set<string>();
    for (const other of imported.get(room)?.keys() ?? []) {
      all.add(other);
      for (const further of reach(other, [...path, room])) all.add(further);
    }
    below.set(room, all);
    return all;
  };
  for (const room of imported.keys()) t.doesNotThrow(() => reach(room, []), room);
});
