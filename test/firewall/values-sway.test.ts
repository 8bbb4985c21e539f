/**
 * What the firewall calls a mistake is one for a compositor too, by the same error, where that looks at all: sway itself is
 * told what it is kept from behind the firewall.
 */
import t, { type Test } from 'tap';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { eventually } from '../eventually.js';
import { Peer } from '../relay/peer.js';
import { startSway } from '../compositors.js';
import { makeObjects, RULES, say, type Objects } from './value-cases.js';

/** Mistakes that sway 1.7 lets pass, and why the firewall does not. */
const PASS: Readonly<Record<string, string>> = {
  'wl_surface.attach': 'its surfaces are of version 4, in which no offset is a mistake',
  'wl_surface.set_buffer_scale': 'the largest scale is a bound of our own',
  'xdg_toplevel.set_min_size': 'wlroots looks since 0.16',
  'xdg_toplevel.set_max_size': 'wlroots looks since 0.16',
  'xdg_toplevel.resize': 'wlroots looks since 0.16',
  'zxdg_toplevel_decoration_v1.set_mode': 'it takes any other mode for one of the client’s',
  'wl_shm_pool.create_buffer': 'it looks at the stride as if a pixel were a byte, and at no largest side',
};
/** Mistakes for which it has an error that is none of the protocol's. */
const OTHERWISE = new Set(['xdg_surface.set_window_geometry']);
/** Mistakes that wlroots 0.18 tells of about another object. */
const ABOUT: Readonly<Record<string, 'xdg_surface'>> = { 'xdg_toplevel.resize': 'xdg_surface' };

async function arrive(t: Test, display: string): Promise<{ client: Peer; objects: Objects }> {
  const client = new Peer('client', UnixSocket.connect(display));
  t.teardown(() => client.close());
  const registry = client.make(1, 'get_registry');
  await client.roundtrip();
  const globals = client.all('wl_registry.global').map(({ args }) => args as [number, string, number]);
  const objects = await makeObjects(client, (name, most) => {
    const found = globals.find(([, known]) => known === name);
    return found && client.bind(registry, found[0], name, Math.min(found[2], most));
  });
  return { client, objects };
}

t.test('sway finds no mistake where the firewall finds none, and the same one where it does', async t => {
  const sway = await startSway(t);
  for (const { of, request, code, good, bad } of RULES) {
    for (const args of [...good, ...bad]) {
      const { client, objects } = await arrive(t, sway.display);
      const formats = client.all('wl_shm.format').map(({ args }) => args[0]);
      const unknownFormat = request === 'create_buffer' && code !== 0 && !formats.includes(args.at(-1) as number);
      if (!objects.has(of) || unknownFormat) {
        client.close();
        continue;
      }
      say(client, objects, of, request, args);
      const callback = client.make(1, 'sync');
      const answered = (): boolean => client.all('wl_callback.done').some(({ id }) => id === callback);
      await eventually('an answer', () => client.ended || answered());
      const error = client.all('wl_display.error').at(-1)?.args;
      const text = `${of}.${request} ${JSON.stringify(args)}: ${JSON.stringify(error)}`;
      if (good.includes(args)) t.equal(error, undefined, text);
      else if (error === undefined) t.ok(PASS[`${of}.${request}`], text);
      else
        t.match(
          error,
          [objects.get(ABOUT[`${of}.${request}`] ?? of), OTHERWISE.has(`${of}.${request}`) ? Number : code],
          text,
        );
      client.close();
    }
  }
  t.match(sway.process, { exitCode: null, signalCode: null }, 'and it lives on');
});
