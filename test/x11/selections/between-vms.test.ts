/**
 * An X11 program in one VM and Wayland programs of others: through the glue, its firewall and its policy, which know nothing
 * of X11. What `virtwl run --x11` says is what any Wayland program may say.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LoopbackStack } from '../../../src/demo/loopback-stack.js';
import { Display } from '../../../src/wayland-client/display.js';
import { VirtualKeyboard } from '../../../src/wayland-client/virtual-keyboard.js';
import { startSway } from '../../compositors.js';
import { eventually } from '../../eventually.js';
import { quietEnvironment, run, runIn } from '../../loopback/applications.js';
import { nothingLeft } from '../../loopback/nothing-left.js';
import { comes } from './x-desk.js';

/** More than the pipes on the way hold together. */
const MUCH = 1 << 20;

t.setTimeout(240_000);

/** A VM with an X11 terminal that has the keyboard, and another VM. */
async function desktop(t: Test, compositorArguments: readonly string[] = []) {
  const sway = await startSway(t);
  const compositor = { attach: sway.display };
  const stack = await LoopbackStack.start({ clients: ['office', 'lab'], compositor, compositorArguments });
  t.teardown(() => stack.stop());
  const display = await Display.connect(sway.display);
  t.teardown(() => display.close());
  const keyboard = new VirtualKeyboard(display);
  await display.roundtrip();
  const env = quietEnvironment(t);
  const directory = env.HOME!;

  const office = runIn(t, stack, 'office', ['sh'], env, ['--x11']);
  let count = 0;
  const say = (line: string): boolean => office.process.stdin!.write(`${line}\n`);
  say('xterm -e sleep infinity &');

  return {
    stack,
    office,
    press: () => keyboard.type('a'),
    /** An X11 program of the office copies. */
    xCopy(selection: string, type: string, data: Buffer): void {
      const file = join(directory, `copied-${(count += 1)}`);
      writeFileSync(file, data);
      say(`xclip -i -selection ${selection} -t ${type} ${file}`);
    },
    /** And one pastes. */
    async xPaste(selection: string, type: string): Promise<Buffer> {
      const file = join(directory, `pasted-${(count += 1)}`);
      say(`xclip -o -selection ${selection} -t ${type} > ${file}.part 2> /dev/null; mv ${file}.part ${file}`);
      await eventually('the X11 program has pasted', () => existsSync(file));
      return readFileSync(file);
    },
    async output(place: 'compositor' | 'lab', ...command: string[]): Promise<Buffer> {
      const here = { ...env, XDG_RUNTIME_DIR: sway.runtimeDir, WAYLAND_DISPLAY: sway.display };
      const application = place === 'lab' ? runIn(t, stack, 'lab', command, env) : run(t, command, here);
      await application.ended;
      return application.output();
    },
    copy(...options: string[]) {
      return runIn(t, stack, 'lab', ['wl-copy', '--foreground', ...options], env);
    },
    async windows(): Promise<number> {
      const tree = JSON.stringify(await sway.message('-t', 'get_tree'));
      return tree.match(/"app_id":"[^"]+"/g)?.length ?? 0;
    },
  };
}

t.test('between an X11 program of one VM and Wayland programs elsewhere', async t => {
  const desk = await desktop(t);
  const text = Buffer.from('Grüße aus einer anderen VM, 3 €');
  const bytes = randomBytes(MUCH);
  const { xCopy, xPaste, output } = desk;
  await comes(async () => Buffer.from(String(await desk.windows())), Buffer.from('1'), 60_000);

  for (const [selection, wl] of [
    ['clipboard', []],
    ['primary', ['--primary']],
  ] as const) {
    for (const [type, data] of [
      ['UTF8_STRING', text],
      ['application/octet-stream', bytes],
    ] as const) {
      await desk.press();
      xCopy(selection, type, data);
      const paste = ['wl-paste', '--no-newline', ...wl, '--type', type];
      t.ok(
        data.equals(await comes(() => output('compositor', ...paste), data)),
        `${selection}: ${type} to the compositor VM`,
      );
      t.ok(data.equals(await comes(() => output('lab', ...paste), data)), 'to another VM');
      const other = data.subarray(1);
      const copied = desk.copy(...wl, '--type', type);
      copied.process.stdin!.end(other);
      t.ok(other.equals(await comes(() => xPaste(selection, type), other)), 'and from there');
      await copied.stop();
    }
  }
  await desk.office.stop();
  await nothingLeft(t, desk.stack);
});

t.test('the policy counts for X11 programs as well', async t => {
  const directory = t.testdir({ 'office.policy': 'clipboard read\n' });
  const desk = await desktop(t, ['--policy', directory]);
  await comes(async () => Buffer.from(String(await desk.windows())), Buffer.from('1'), 60_000);
  const text = Buffer.from('for all');
  const copied = desk.copy('--type', 'UTF8_STRING');
  copied.process.stdin!.end(text);
  t.same(await comes(() => desk.xPaste('clipboard', 'UTF8_STRING'), text), text, 'a VM that may read pastes');
  await desk.press();
  desk.xCopy('clipboard', 'UTF8_STRING', Buffer.from('overwritten'));
  const own = Buffer.from('overwritten');
  t.same(await comes(() => desk.xPaste('clipboard', 'UTF8_STRING'), own), own, 'its own programs share what they copy');
  t.same(
    await desk.output('compositor', 'wl-paste', '--no-newline', '--type', 'UTF8_STRING'),
    text,
    'and nobody else gets it',
  );
  await copied.stop();
});
