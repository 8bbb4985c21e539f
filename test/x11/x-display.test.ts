/** A display that cannot be had leaves nothing behind; that it is taken and given back, `windows.test.ts` has. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
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

t.test(
  'a number whose name of the abstract namespace somebody has is left to them: X clients would go there',
  async t => {
    const directory = mkdtempSync(join(tmpdir(), 'virtwl-x11-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const place = { locks: directory, sockets: directory };
    const listens =
      'socket S, 1, 1, 0; bind S, pack("S a*", 1, chr(0).$ARGV[0]) or die; listen S, 1; $| = 1; print 1; sleep';
    const other = spawn('perl', ['-e', listens, join(directory, 'X0')], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => other.kill());
    await once(other.stdout, 'data');
    const display = XDisplay.take(directory, place);
    t.teardown(() => display.close());
    t.equal(display.name, ':1');
  },
);
