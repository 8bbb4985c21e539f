/** What a remote client is told of a real compositor's outputs, also where that hides it from clients in a context. */
import t, { type Test } from 'tap';
import { Glue } from '../../compositor-glue/glue.js';
import { SecurityContexts } from '../../compositor-glue/security-context.js';
import { native } from '../../src/system/native.js';
import { openDevice } from '../../src/virtwl/device.js';
import { SocketVfd } from '../../src/virtwl/vfd.js';
import { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { startSway } from '../compositors.js';

/** What one client knows of the outputs, by name. */
class Told {
  readonly #outputs = new Map<number, Record<string, unknown>>();

  constructor(private readonly display: Display) {
    const manager = display.bind('zxdg_output_manager_v1', 3);
    const watch = (global: Display['globals'][number]): void => {
      if (global.interface !== 'wl_output') return;
      const output = display.bind(global, 4) as WaylandObject<'wl_output'>;
      const known: Record<string, unknown> = { done: 0 };
      this.#outputs.set(global.name, known);
      const xdgOutput = manager.create('get_xdg_output', output);
      xdgOutput.on('logical_position', (x, y) => (known.position = [x, y]));
      xdgOutput.on('logical_size', (width, height) => (known.size = [width, height]));
      xdgOutput.on('name', name => (known.name = name));
      xdgOutput.on('description', description => (known.description = description));
      output.on('name', name => (known.nameOfOutput = name));
      output.on('scale', scale => (known.scale = scale));
    };
    display.globals.forEach(watch);
    display.on('global', watch);
    display.on('globalRemove', ({ name }) => this.#outputs.delete(name));
  }

  get now(): string {
    return JSON.stringify([...this.#outputs.values()].map(known => Object.entries(known).sort()));
  }

  async after(): Promise<string> {
    await this.display.roundtrip();
    await this.display.roundtrip();
    return this.now;
  }
}

/** Both see the same, after a moment: two connections tell it. */
async function same(t: Test, direct: Told, remote: Told, what: string): Promise<void> {
  for (let i = 0; i < 500 && (await direct.after()) !== (await remote.after()); i++) {
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  t.equal(await remote.after(), await direct.after(), what);
  t.match(direct.now, 'HEADLESS-1', 'and it is something');
}

t.test('outputs of sway', { timeout: 120_000 }, async t => {
  const sway = await startSway(t, { width: 1200, height: 900 });
  const contexts = await SecurityContexts.connect(sway.display);
  const device = openDevice({ loopback: t.testdir() });
  const glue = new Glue({ device, display: sway.display, contexts });
  const [ours, theirs] = native.socketpair();
  glue.serve('work', device.adopt(new SocketVfd(theirs)));
  const [direct, remote] = [
    await Display.connect(sway.display),
    await Display.connect(device.adopt(new SocketVfd(ours))),
  ];
  t.teardown(() => {
    for (const display of [direct, remote]) display.close();
    glue.close();
    contexts?.close();
    device.close();
  });
  const [seen, told] = [new Told(direct), new Told(remote)];
  await same(t, seen, told, 'at the start');
  for (const command of [
    'output HEADLESS-1 scale 1.5',
    'output HEADLESS-1 scale 1.25',
    'output HEADLESS-1 transform 90',
    'output HEADLESS-1 scale 2 transform normal',
    'output HEADLESS-1 mode 640x480',
    'create_output',
    'output HEADLESS-2 position 700 50',
    'output HEADLESS-2 scale 1.5',
    'output HEADLESS-1 position 100 100',
  ]) {
    await sway.message(command);
    await same(t, seen, told, command);
  }
  for (let i = 0; i < 20; i++) {
    await sway.message('output HEADLESS-2 disable');
    await sway.message('output HEADLESS-2 enable');
  }
  await same(t, seen, told, 'unplugged and plugged 20 times');
  await sway.message('output HEADLESS-2 disable');
  await same(t, seen, told, 'unplugged');
});
