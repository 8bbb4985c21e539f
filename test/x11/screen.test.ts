/** What X clients find on the screen of a real Xwayland before any of them does something. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { internAtoms } from '../../src/x11/atoms.js';
import type { XConnection } from '../../src/x11/connection.js';
import { extension, window } from '../../src/x11/replies.js';
import { getSelectionOwner, queryExtension, xfixes } from '../../src/x11/requests.js';
import { request, words, XReader } from '../../src/x11/wire.js';
import { startSway } from '../compositors.js';
import { connectTo } from './x-client.js';
import { startX11 } from './x-server.js';

function ask(x: XConnection, question: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => x.ask(question, resolve, () => reject(new Error('it is gone'))));
}

t.test('what is on the screen', { timeout: 120_000 }, async t => {
  const sway = await startSway(t);
  const themes = t.testdir();
  const cursors = join(themes, 'default', 'cursors');
  mkdirSync(cursors, { recursive: true });
  const [side, colour] = [5, 0xff123456];
  const picture = [36, 0xfffd0002, 24, 1, side, side, 2, 3, 0, ...Array.from({ length: side * side }, () => colour)];
  writeFileSync(join(cursors, 'left_ptr'), words([0x72756358, 16, 0x10000, 1, 0xfffd0002, 24, 28, ...picture]));
  const { XCURSOR_THEME: _, XCURSOR_SIZE: __, ...env } = sway.environment();
  const server = await startX11(t, { ...env, XCURSOR_PATH: themes });
  const { x } = await connectTo(server.display, server.authority);
  t.teardown(() => x.close());

  await t.test('somebody manages windows, and shows them with what is translucent', async t => {
    const names = ['WM_S0', '_NET_WM_CM_S0'] as const;
    const atoms = await new Promise<Readonly<Record<(typeof names)[number], number>>>(known =>
      internAtoms(x, names, known),
    );
    for (const name of names) t.not(window(await ask(x, getSelectionOwner(atoms[name]))), 0, name);
  });

  await t.test('the pointer is the arrow of the theme', async t => {
    const { opcode } = extension(await ask(x, queryExtension('XFIXES')))!;
    await ask(x, xfixes.queryVersion(opcode));
    const getCursorImage = request(opcode, 4);
    let seen: number[] = [];
    // It is set when the server has answered what it can do.
    while (seen[0] !== side) {
      const at = new XReader(await ask(x, getCursorImage));
      seen = [at.u16(12), at.u16(14), at.u16(16), at.u16(18), at.u32(32)];
    }
    t.same(seen, [side, side, 2, 3, colour]);
  });
});
