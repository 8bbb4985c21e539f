/** A display that cannot be had leaves nothing behind; that it is taken and given back, `windows.test.ts` has. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { XDisplay } from '../../src/x11/x-display.js';

t.test('a display without a place for its cookie is given back', t => {
  // Not one of tap's: the path of a socket is short.
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-x11-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const [locks, sockets] = [join(directory, 'locks'), join(directory, 'sockets')];
  for (const path of [locks, sockets]) mkdirSync(path);
  t.throws(() => XDisplay.take(join(directory, 'not-there'), { locks, sockets }), { code: 'ENOENT' });
  t.same([...readdirSync(locks), ...readdirSync(sockets)], [], 'neither lock nor socket');
  t.end();
});
