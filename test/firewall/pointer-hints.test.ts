/** Where the pointer is when a lock on it ends: in the window that had it, wherever the client wants it. */
import t, { type Test } from 'tap';
import { firstCommit } from '../relay/manners.js';
import { settle } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';
import { Desk } from './desk.js';

const STEP = 1 / 256;

async function locked(t: Test) {
  const desk = await Desk.open(t);
  const { client, compositor } = desk;
  const pointer = client.make(desk.global('wl_seat'), 'get_pointer');
  const lock = (surface: number): number =>
    client.make(desk.global('zwp_pointer_constraints_v1'), 'lock_pointer', ['new', surface, pointer, undefined, 2]);
  /** Where the compositor was told last that the pointer is to be. */
  const told = async (): Promise<unknown> => {
    await settle(24);
    return compositor.all('zwp_locked_pointer_v1.set_cursor_position_hint').at(-1)?.args;
  };
  return { desk, client, compositor, lock, told };
}

t.test('a place in the window is passed on, and one outside is the nearest inside', async t => {
  const { desk, client, lock, told } = await locked(t);
  const { surface } = await desk.window();
  desk.show(surface, 300, 200);
  const locking = lock(surface);
  for (const [asked, expected] of [
    [
      [10, 20.5],
      [10, 20.5],
    ],
    [
      [900, 20],
      [300 - STEP, 20],
    ],
    [
      [-5, 8_000_000],
      [0, 200 - STEP],
    ],
  ]) {
    client.say(locking, 'set_cursor_position_hint', asked);
    t.same(await told(), expected);
  }
});

t.test('what is outside of the window geometry is not in the window', async t => {
  const { desk, client, lock, told } = await locked(t);
  const { surface, xdgSurface } = await desk.window();
  desk.geometry(xdgSurface, 20, 20, 260, 160);
  desk.show(surface, 300, 200);
  const locking = lock(surface);
  client.say(locking, 'set_cursor_position_hint', [0, 190]);
  t.same(await told(), [20, 180 - STEP]);
});

t.test('nor is what is beyond the size that the compositor said', async t => {
  const { desk, client, compositor, lock, told } = await locked(t);
  const { surface, xdgSurface } = desk.unconfigured();
  await settle(24);
  compositor.say(madeBy(compositor, 'xdg_surface.get_toplevel'), 'configure', [100, 80, new Uint8Array(0)]);
  await firstCommit(client, surface, xdgSurface);
  desk.show(surface, 300, 200);
  const locking = lock(surface);
  client.say(locking, 'set_cursor_position_hint', [200, 150]);
  t.same(await told(), [100 - STEP, 80 - STEP]);
});

t.test('when the window becomes smaller, the place stays inside', async t => {
  const { desk, client, lock, told } = await locked(t);
  const { surface } = await desk.window();
  desk.show(surface, 300, 200);
  const locking = lock(surface);
  client.say(locking, 'set_cursor_position_hint', [250, 100]);
  client.say(surface, 'commit');
  t.same(await told(), [250, 100]);
  desk.show(surface, 60, 200);
  t.same(await told(), [60 - STEP, 100]);
});

t.test('a surface that shows nothing has no place for it', async t => {
  const { desk, client, lock, told } = await locked(t);
  const locking = lock(desk.surface());
  client.say(locking, 'set_cursor_position_hint', [1, 1]);
  t.equal(await told(), undefined);
});
