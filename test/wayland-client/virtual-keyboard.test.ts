import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { closeAll, type OwnedFd } from '../../src/system/fd.js';
import { Display } from '../../src/wayland-client/display.js';
import { keymapFor, MAX_CHARACTERS, VirtualKeyboard } from '../../src/wayland-client/virtual-keyboard.js';
import { type Sway, startSway } from '../compositors.js';
import { openDescriptors } from '../descriptors.js';
import { connectFake } from '../wayland/fake-compositor.js';

interface Node {
  readonly app_id?: string | null;
  readonly focused: boolean;
  readonly nodes: readonly Node[];
}

/** Whether a window of this application has the keyboard. */
function hasFocus(node: Node, appId: string): boolean {
  return (node.focused && node.app_id === appId) || node.nodes.some(child => hasFocus(child, appId));
}

/** A terminal whose shell command runs until it has read what it wants; resolves when it has the keyboard. */
async function startFoot(t: Test, sway: Sway, command: string): Promise<{ ended: Promise<unknown> }> {
  const foot = spawn('foot', ['sh', '-c', command], { env: sway.environment(), stdio: 'ignore' });
  const ended = once(foot, 'exit');
  t.teardown(() => {
    foot.kill('SIGKILL');
    return ended;
  });
  while (!hasFocus((await sway.message('-t', 'get_tree')) as Node, 'foot')) {
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  return { ended };
}

/** Many distinct characters, from an alphabet of our own choosing. */
function manyCharacters(count: number, first = 0x4e00): string[] {
  return Array.from({ length: count }, (_, i) => String.fromCodePoint(first + i));
}

t.test('what is typed arrives in a terminal', async t => {
  const sway = await startSway(t);
  const display = await Display.connect(sway.display);
  t.teardown(() => display.close());
  const file = join(sway.runtimeDir, 'typed');
  const keyboard = new VirtualKeyboard(display);
  await display.roundtrip();
  const foot = await startFoot(t, sway, `read -r first; read -r second; printf '%s\\n' "$first" "$second" > '${file}'`);
  const first = 'The quick brown fox: 0123456789 !"#$%&()*+,-./;<=>?@[]^_`{|}~';
  await keyboard.type(`${first}\n`);
  const descriptors = openDescriptors();
  const second = `Größe, привет, ✓ 漢字 ${'and on it goes '.repeat(20)}.`;
  await keyboard.type(`${second}\n`);
  t.equal(openDescriptors(), descriptors, 'a keymap is given away');
  await foot.ended;
  t.equal(readFileSync(file, 'utf8'), `${first}\n${second}\n`);
  keyboard.close();
  keyboard.close();
  await display.roundtrip();
});

t.test('a keymap is sent when a character is new, and not otherwise', async t => {
  const { display, compositor } = await connectFake(t, [
    ['wl_seat', 1],
    ['zwp_virtual_keyboard_manager_v1', 1],
  ]);
  const keyboard = new VirtualKeyboard(display);
  await keyboard.type('ab');
  await keyboard.type('ba');
  await keyboard.type('abé');
  await keyboard.type('éa');
  await keyboard.type(manyCharacters(MAX_CHARACTERS).join(''));
  await keyboard.type('a');
  const requests = compositor.received.filter(call => call.request.startsWith('zwp_virtual_keyboard_v1.'));
  t.equal(requests.filter(call => call.request.endsWith('.keymap')).length, 4);
  const keys = requests.filter(call => call.request.endsWith('.key')).map(call => call.args.slice(1) as number[]);
  const [a, b] = [keys[0]![0]!, keys[2]![0]!];
  t.not(a, b);
  t.same(keys.slice(0, 8), [
    [a, 1],
    [a, 0],
    [b, 1],
    [b, 0],
    [b, 1],
    [b, 0],
    [a, 1],
    [a, 0],
  ]);
  t.ok(
    keys.every(([key]) => key! >= 1 && key! <= MAX_CHARACTERS),
    'every key is in the keymap',
  );
  closeAll(compositor.received.flatMap(call => (call.request.endsWith('.keymap') ? [call.args[1] as OwnedFd] : [])));
});

t.test('what has no key is refused before anything is typed', async t => {
  t.throws(() => keymapFor(['\x07']), { name: 'RangeError', message: /U\+0007/ });
  t.throws(() => keymapFor(manyCharacters(MAX_CHARACTERS + 1)), RangeError);
  t.match(keymapFor(['a', '\n']), /<K2> = 10;[^]*U0061[^]*Return/);
  const { display, compositor } = await connectFake(t, [
    ['wl_seat', 1],
    ['zwp_virtual_keyboard_manager_v1', 1],
  ]);
  const keyboard = new VirtualKeyboard(display);
  await t.rejects(keyboard.type('a\x07'), RangeError);
  await display.roundtrip();
  t.notOk(compositor.received.some(call => call.request === 'zwp_virtual_keyboard_v1.key'));
});

t.test('a compositor without virtual keyboards is named as such', async t => {
  const { display } = await connectFake(t, [['wl_seat', 1]]);
  t.throws(() => new VirtualKeyboard(display), /offers no virtual keyboards \(zwp_virtual_keyboard_manager_v1\)/);
});
