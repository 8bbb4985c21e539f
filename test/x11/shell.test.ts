/** Globals of the compositor that windows are made by: they may go, bound or not. */
import t from 'tap';
import { allowOnly } from '../../src/relay/globals.js';
import { Shell } from '../../src/x11/shell.js';
import { settle } from '../relay/peer.js';
import { between, madeBy } from '../relay/relay-between.js';

t.test('a global that the compositor has taken back is not bound, and one that is bound goes on', async t => {
  const shell = new Shell();
  const { relay, compositor } = await between(t, { concerns: [shell.globals(allowOnly(new Map()))] });
  shell.attach(relay, false, () => {});
  await settle();
  const registry = madeBy(compositor, 'wl_display.get_registry');
  const names = { wl_subcompositor: 1, wp_viewporter: 2 } as const;
  for (const [global, name] of Object.entries(names)) compositor.say(registry, 'global', [name, global, 1]);
  await settle();
  const bound = shell.global('wl_subcompositor');
  for (const name of Object.values(names)) compositor.say(registry, 'global_remove', [name]);
  await settle();
  t.equal(shell.global('wl_subcompositor'), bound);
  t.equal(shell.global('wp_viewporter'), undefined);
  compositor.say(registry, 'global', [3, 'wp_viewporter', 1]);
  await settle();
  t.not(shell.global('wp_viewporter'), undefined, 'it is there again, by another name');
  relay.flush();
  await settle();
  const binds = compositor.all('wl_registry.bind').map(({ args }) => args[0]);
  t.same(binds.slice(-2), [1, 3]);
  t.same(compositor.faults, []);
});
