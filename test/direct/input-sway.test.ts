/**
 * A window of the drawing library on a real compositor with real input devices of its: what a keyboard types and a pointer
 * does is told, in the compositor's own numbers, and a change of scale is followed.
 */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { DirectClient } from '../../src/direct/direct.js';
import type { InputEvents } from '../../src/direct/seat.js';
import type { Window } from '../../src/direct/window.js';
import { openDevice } from '../../src/virtwl/device.js';
import { Display } from '../../src/wayland-client/display.js';
import { VirtualKeyboard } from '../../src/wayland-client/virtual-keyboard.js';
import { startSway } from '../compositors.js';
import { openDescriptors } from '../descriptors.js';
import { eventually } from '../eventually.js';

t.setTimeout(120_000);

/** Every event of keyboard and pointer, as a line. */
function listen(window: Window): string[] {
  const seen: string[] = [];
  const names: (keyof InputEvents)[] = ['keymap', 'keyboardEnter', 'keyboardLeave', 'key', 'modifiers'];
  names.push('pointerEnter', 'pointerLeave', 'pointerMotion', 'pointerButton', 'pointerAxis');
  for (const name of names) window.on(name, (...args: unknown[]) => seen.push(`${name} ${JSON.stringify(args)}`));
  return seen;
}

async function show(window: Window): Promise<void> {
  const buffer = await window.nextBuffer();
  buffer.pixels.fill(0xff336699);
  const frame = window.nextFrame();
  window.commit(buffer);
  await frame;
}

/** A pointer of the compositor's that this test moves. */
function pointerOf(screen: Display) {
  const manager = screen.bind('zwlr_virtual_pointer_manager_v1', 1);
  const pointer = manager.create('create_virtual_pointer', screen.bindOnce('wl_seat', 1));
  return pointer;
}

t.test('on sway', async t => {
  const sway = await startSway(t, { width: 640, height: 400 });
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-input-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  symlinkSync(sway.display, join(directory, 'wayland'));
  const device = openDevice({ loopback: directory });
  const screen = await Display.connect(sway.display);
  t.teardown(() => screen.close());

  for (const [name, connect] of [
    ['a socket', () => DirectClient.overSocket(sway.display)],
    ['a context', () => DirectClient.overDevice(device)],
  ] as const) {
    await t.test(`over ${name}`, async t => {
      const keyboard = new VirtualKeyboard(screen);
      const pointer = pointerOf(screen);
      await screen.roundtrip();
      const client = await connect();
      t.teardown(() => client.close());
      const window = await client.createWindow({ title: 'input', input: true });
      const seen = listen(window);
      // It gets its place once it has shown something.
      while (window.height !== 400) await show(window);
      await show(window);
      const until = (what: RegExp) =>
        eventually(`${what} in ${seen.filter(line => !line.startsWith('keymap')).join()}`, () =>
          seen.some(line => what.test(line)),
        );

      await t.test('the keyboard', async t => {
        await until(/^keyboardEnter/);
        await eventually('a keymap', () => window.keymap !== undefined);
        const descriptors = openDescriptors();
        await keyboard.type('aé');
        await until(/^keymap .*(eacute|U00E9)/);
        await eventually('keys', () => seen.filter(line => line.startsWith('key [')).length >= 4);
        const keys = seen.filter(line => line.startsWith('key [')).map(line => JSON.parse(line.slice(4)) as unknown[]);
        const ascii = ['\n', ...Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i))];
        const code = ascii.indexOf('a') + 1;
        t.same(
          keys.map(([key, pressed]) => [key, pressed]),
          [
            [code, true],
            [code, false],
            [ascii.length + 1, true],
            [ascii.length + 1, false],
          ],
        );
        t.match(window.keymap, /^xkb_keymap \{[^]*(eacute|U00E9)/, 'the keymap that holds now');
        t.ok(keys.every(([, , time, serial]) => Number.isInteger(time) && Number.isInteger(serial)));
        await until(/^modifiers \[\{"depressed":0,"latched":0,"locked":0,"group":0\}/);
        t.ok(openDescriptors() <= descriptors, 'a keymap leaves no descriptor');
      });

      await t.test('the pointer', async t => {
        pointer.request('motion_absolute', 1, 100, 50, 640, 400);
        pointer.request('frame');
        await until(/^pointerEnter \[/);
        await until(/^pointerMotion \[100,50,1\]/);
        pointer.request('motion_absolute', 2, 321, 200, 640, 400);
        pointer.request('frame');
        await until(/^pointerMotion \[321,200,\d+\]/);
        pointer.request('button', 3, 0x111, 1);
        pointer.request('frame');
        pointer.request('button', 4, 0x111, 0);
        pointer.request('frame');
        await until(/^pointerButton \[273,true,3,\d+\]/);
        await until(/^pointerButton \[273,false,4,\d+\]/);
        pointer.request('axis_source', 0);
        pointer.request('axis_discrete', 5, 0, 15, 1);
        pointer.request('frame');
        await until(/^pointerAxis \[\{"axis":"vertical","value":15,"discrete":1,"source":0,"time":5\}\]/);
        t.ok(client.seat.pointer !== undefined, 'the pointer itself, for its picture');
      });

      await t.test('focus goes to the window that has it', async t => {
        const second = await client.createWindow({ title: 'second', input: true });
        const others = listen(second);
        await show(second);
        await until(/^keyboardLeave/);
        await eventually('the second has the keyboard', () => others.some(line => line.startsWith('keyboardEnter')));
        const before = seen.length;
        await keyboard.type('b');
        await eventually('and its keys', () => others.filter(line => line.startsWith('key [')).length === 2);
        t.notOk(
          seen.slice(before).some(line => line.startsWith('key [')),
          'which the first is not told',
        );
        second.destroy();
        await client.roundtrip();
        await eventually(
          'the first has it again',
          () => seen.filter(line => line.startsWith('keyboardEnter')).length >= 2,
        );
      });

      await t.test('a device that goes takes the focus along', async t => {
        seen.length = 0;
        keyboard.close();
        pointer.request('destroy');
        await eventually('no keyboard', () => client.seat.keyboard === undefined && client.seat.pointer === undefined);
        await until(/^keyboardLeave/);
        await until(/^pointerLeave/);
        t.pass('told');
      });

      await t.test('the user closes it', async t => {
        const closed = new Promise<void>(resolve => window.once('close', resolve));
        await sway.message('[title="input"] kill');
        await closed;
        window.destroy();
        await client.roundtrip();
        t.pass('the program decides');
      });
    });
  }

  await t.test('the scale of the output is followed', async t => {
    const client = await DirectClient.overSocket(sway.display);
    t.teardown(() => client.close());
    const window = await client.createWindow({ title: 'scale', followScale: true });
    const scales: number[] = [];
    window.on('scale', scale => scales.push(scale));
    const until = async (width: number, height: number): Promise<void> => {
      while (window.width !== width || window.height !== height) await show(window);
      await show(window);
    };
    await until(640, 400);
    t.match(window, { scale: 1, size: { width: 640, height: 400 } });
    await sway.message('output HEADLESS-1 scale 2');
    while (window.scale !== 2 || window.size.width !== 320) await show(window);
    await until(640, 400);
    t.same(window.size, { width: 320, height: 200 }, 'half as many units of twice as many pixels');
    await sway.message('output HEADLESS-1 scale 1.6');
    while ((window.size.width as number) !== 400) await show(window);
    // sway before 1.8 has no fractions to offer: it asks for more pixels, and shrinks them.
    const fractional = client.display.find('wp_fractional_scale_manager_v1') !== undefined;
    const wanted = fractional ? 1.6 : 2;
    while (window.scale !== wanted) await show(window);
    await until(400 * wanted, 250 * wanted);
    await sway.message('output HEADLESS-1 scale 1');
    while ((window.scale as number) !== 1) await show(window);
    await until(640, 400);
    t.ok(scales.includes(2) && scales.at(-1) === 1, scales.join(', '));
    window.destroy();
    await client.roundtrip();
    t.equal(client.display.ended, undefined, 'and the compositor has nothing to complain of');
  });

  await t.test('without asking there is no seat and no scale', async t => {
    const client = await DirectClient.overSocket(sway.display);
    t.teardown(() => client.close());
    const before = client.display.objectCount;
    const window = await client.createWindow({});
    t.match(window, { keymap: undefined, scale: 1 });
    // A surface, its xdg_surface and its xdg_toplevel.
    t.equal(client.display.objectCount, before + 3);
  });
});
