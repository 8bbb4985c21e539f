/**
 * Keys that are pressed on the compositor's side arrive in an application of another VM: the keymap, a file descriptor
 * of the compositor, has crossed in host memory, and every key after it.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { Display } from '../../src/wayland-client/display.js';
import { VirtualKeyboard } from '../../src/wayland-client/virtual-keyboard.js';
import { startSway } from '../compositors.js';
import { eventually } from '../eventually.js';
import { foot, quietEnvironment, runIn } from './applications.js';
import { nothingLeft } from './nothing-left.js';
import { isSame, Screen } from './screen.js';

/** Everything on a keyboard of one's own, and what needs a second keymap. */
const LINES = [
  'The quick brown fox jumps over the lazy dog 0123456789',
  '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~',
  'Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich, für 3 €',
  ...Array.from({ length: 20 }, (_, i) => `line ${i}: ${'typed without a pause '.repeat(3)}`),
];

t.setTimeout(120_000);

// Of the compositors that we test on, sway alone has virtual keyboards: cage 0.1.4 has none.
t.test('typing into foot', async t => {
  const sway = await startSway(t);
  const stack = await LoopbackStack.start({ compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-typed-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'typed');
  const screen = await Screen.open(t, sway.display);
  const empty = await screen.capture();
  const display = await Display.connect(sway.display);
  t.teardown(() => display.close());
  const keyboard = new VirtualKeyboard(display);

  const env = quietEnvironment(t);
  const terminal = runIn(t, stack, 'client', foot('sh', '-c', 'cat > "$1"', 'sh', file), env);
  await eventually('the shell in the terminal', () => existsSync(file));
  await screen.until('the window', picture => !isSame(picture, empty));

  const text = LINES.map(line => `${line}\n`).join('');
  await keyboard.type(text);
  await eventually('all of the text', () => readFileSync(file, 'utf8').length >= text.length);
  t.equal(readFileSync(file, 'utf8'), text, 'every character, in order');

  await terminal.stop();
  await screen.until('an empty output', picture => isSame(picture, empty));
  await nothingLeft(t, stack);
});
