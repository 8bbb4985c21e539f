/** Atoms of names and names of atoms: asked for once, and only so many are made. */
import t from 'tap';
import type { XConnection } from '../../../src/x11/connection.js';
import { AtomNames } from '../../../src/x11/selections/atom-names.js';
import { MAX_MADE_ATOMS } from '../../../src/x11/selections/limits.js';

/** In the place of a connection, since a real server would keep 4,096 atoms of each run: gives every name the next number. */
function server() {
  const asked: number[] = [];
  const x = {
    ask(request: Uint8Array, answered: (reply: Uint8Array) => void): void {
      asked.push(request[0]!);
      const reply = new Uint8Array(32);
      new DataView(reply.buffer).setUint32(8, 100 + asked.length, true);
      answered(reply);
    },
  };
  return { names: new AtomNames(x as unknown as XConnection), asked };
}

t.test('a name is asked for once', async t => {
  const { names, asked } = server();
  const found: ReadonlyMap<string, number>[] = [];
  names.atoms(['image/png', 'text/html'], atoms => found.push(atoms));
  names.atoms(['text/html'], atoms => found.push(atoms));
  t.equal(asked.length, 2);
  t.same(found[1]!.get('text/html'), found[0]!.get('text/html'));
});

t.test('as many atoms are made as the bound says', async t => {
  const { names, asked } = server();
  const all = Array.from({ length: MAX_MADE_ATOMS }, (_, i) => `a/${i}`);
  let found: ReadonlyMap<string, number> = new Map();
  names.atoms(all, atoms => (found = atoms));
  t.equal(found.size, MAX_MADE_ATOMS);
  names.atoms(['a/0', 'one/more'], atoms => (found = atoms));
  t.same([...found.keys()], ['a/0'], 'those that are known go on');
  t.equal(asked.length, MAX_MADE_ATOMS, 'no other is asked for');
});
