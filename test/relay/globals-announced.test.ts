/** Whatever a real compositor announces is carried, or it is said why not. */
import { execFileSync } from 'node:child_process';
import t, { type Test } from 'tap';
import { CAPTURE_GLOBALS, NOT_CARRIED, REMOTE_GLOBALS, SHORTCUTS_GLOBALS } from '../../src/relay/globals.js';
import { Display } from '../../src/wayland-client/display.js';
import { startCage, startCommand, startSway, type Compositor } from '../compositors.js';

const COMPOSITORS: readonly (readonly [name: string, start: (t: Test) => Promise<Compositor>])[] = [
  ['sway', t => startSway(t)],
  ['cage', t => startCage(t)],
  ['labwc', t => startCommand(t, ['labwc'])],
];

function isInstalled(program: string): boolean {
  try {
    execFileSync('which', [program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

for (const [name, start] of COMPOSITORS) {
  const skip = isInstalled(name) ? false : `there is no ${name} here`;
  t.test(`what ${name} announces`, { skip }, async t => {
    const compositor = await start(t);
    const display = await Display.connect(compositor.display);
    t.teardown(() => display.close());
    const announced = new Set(display.globals.map(global => global.interface));
    t.ok(announced.size > 10);
    const lists = [REMOTE_GLOBALS, CAPTURE_GLOBALS, SHORTCUTS_GLOBALS, NOT_CARRIED];
    for (const each of announced) t.ok(lists.filter(list => list.has(each)).length === 1, each);
  });
}
