/** Policies on a real compositor: whose window it says it is, what a VM may not do, and security contexts. */
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { Display } from '../../src/wayland-client/display.js';
import { openDevice } from '../../src/virtwl/device.js';
import { SANDBOX_ENGINE } from '../../compositor-glue/security-context.js';
import { startSway, type Sway } from '../compositors.js';
import { eventually } from '../eventually.js';
import { quietEnvironment } from './applications.js';

interface Window {
  readonly name: string | null;
  readonly app_id?: string | null;
  readonly fullscreen_mode: number;
  readonly nodes: readonly Window[];
  readonly pid?: number;
  readonly sandbox_engine?: string;
  readonly sandbox_app_id?: string;
}

/** The windows that sway has, by its own account. */
async function windows(sway: Sway): Promise<Window[]> {
  const all = (node: Window): Window[] => [...(node.app_id == null ? [] : [node]), ...node.nodes.flatMap(all)];
  return all((await sway.message('-t', 'get_tree')) as Window);
}

t.test('policies', { timeout: 120_000 }, async t => {
  const directory = t.testdir({
    'trusted.policy': 'title free\nclients 1\n',
    'strict.policy': 'app-id prefixed\nfullscreen no\ndeny zxdg_exporter_v2\nallow wl_seat 5\n',
  });
  const sway = await startSway(t, { width: 640, height: 480 });
  const logged: string[] = [];
  const stack = await LoopbackStack.start({
    clients: ['plain', 'trusted', 'strict'],
    compositor: { attach: sway.display },
    compositorArguments: ['--policy', directory],
    log: (_part, line) => logged.push(line),
  });
  t.teardown(() => stack.stop());
  const environment = quietEnvironment(t);
  const foot = (vm: string, ...args: string[]): void => {
    const child = stack.virtwl(
      vm,
      ['run', '--', 'foot', '--title', 'Your bank', '--app-id', 'bank', ...args, 'sleep', '100'],
      {
        ...environment,
        XDG_RUNTIME_DIR: sway.runtimeDir,
      },
    );
    child.stdout?.resume();
    child.stderr?.resume();
    const ended = once(child, 'exit');
    t.teardown(async () => {
      child.kill();
      await ended;
    });
  };
  const shown = async (count: number): Promise<Window[]> => {
    let seen: Window[] = [];
    for (let tries = 0; tries < 200 && seen.length < count; tries++) {
      await new Promise(resolve => setTimeout(resolve, 100));
      seen = (await windows(sway)).filter(window => window.name?.includes('Your bank'));
    }
    return seen;
  };

  t.test('a window says whose it is, unless its VM is trusted to name itself', async t => {
    foot('plain');
    const [plain] = await shown(1);
    t.match(plain, { name: '[plain] Your bank', app_id: 'bank' });
    foot('trusted');
    const both = await shown(2);
    t.match(
      both.find(window => window.name === 'Your bank'),
      { name: 'Your bank', app_id: 'bank' },
    );
  });

  t.test('a VM that may not go full screen stays in its place', async t => {
    foot('strict', '--fullscreen');
    const all = await shown(3);
    const strict = all.find(window => window.app_id === 'strict:bank');
    t.match(strict, { fullscreen_mode: 0 });
    foot('plain', '--fullscreen');
    const four = await shown(4);
    t.equal(four.filter(window => window.fullscreen_mode === 1).length, 1, 'another VM may');
  });

  t.test('a VM sees the globals of its policy only, and none that are privileged', async t => {
    const seen = async (vm: string): Promise<Map<string, number>> => {
      const device = openDevice({ loopback: stack.loopback(vm) });
      const display = await Display.connect(device.connect('wayland'));
      const globals = new Map(display.globals.map(global => [global.interface, global.version]));
      display.close();
      device.close();
      return globals;
    };
    const plain = await seen('plain');
    t.ok(plain.has('zxdg_exporter_v2'));
    const privileged = /^zwlr_|^zwp_virtual|^ext_(?!idle_notifier_v1$)|security|session_lock/;
    t.same(
      [...plain.keys()].filter(name => privileged.test(name)),
      [],
    );
    const strict = await seen('strict');
    t.notOk(strict.has('zxdg_exporter_v2'));
    t.match([plain.get('wl_seat')! > 5, strict.get('wl_seat')], [true, 5], 'capped');
    await t.rejects(seen('trusted'), 'its one client is there already');
    await eventually('the refusal is logged', () =>
      logged.some(line =>
        line.includes('glue warning vm=trusted: the client left: refused: VM "trusted" has 1 client already'),
      ),
    );
  });

  t.test('security contexts, where the compositor has them', async t => {
    const knows = logged.some(line => line.includes('come in by security contexts'));
    const compositor = await Display.connect(sway.display);
    const has = compositor.find('wp_security_context_manager_v1') !== undefined;
    compositor.close();
    t.equal(knows, has, `this compositor ${has ? 'has' : 'does not have'} them, and that was said`);
    if (!has) return;
    for (const window of await windows(sway)) {
      if (window.sandbox_engine === undefined) continue; // told by sway 1.11 and newer
      t.equal(window.sandbox_engine, SANDBOX_ENGINE);
    }
  });
});

t.test('a policy that is not understood starts nothing', { timeout: 60_000 }, async t => {
  const directory = t.testdir({ 'work.policy': 'title free\nfly yes\n' });
  const sway = await startSway(t, { width: 320, height: 240 });
  const said: string[] = [];
  await t.rejects(
    LoopbackStack.start({
      compositor: { attach: sway.display },
      compositorArguments: ['--policy', directory],
      log: (_part, line) => said.push(line),
    }),
  );
  t.match(said.join('\n'), `${join(directory, 'work.policy')}:2: unknown setting "fly"`);
});
