/** Numbers of surfaces that Xwayland says on one connection, of surfaces that it makes on another: in all orders. */
import t, { type Test } from 'tap';
import { SurfaceIds } from '../../src/x11/surface-ids.js';
import { Surfaces } from '../../src/x11/surfaces.js';
import { XWindow } from '../../src/x11/window.js';
import { settle } from '../relay/peer.js';
import { between } from '../relay/relay-between.js';

interface Desk {
  /** A new window. */
  window(): XWindow;
  /** Xwayland makes a surface, of a new number or of one that is free again. */
  make(number?: number): Promise<number>;
  destroy(surface: number): Promise<void>;
  /** The X connection names the surface of a window. */
  tell(window: XWindow, surface: number): void;
  /** The window is unmapped. */
  unmap(window: XWindow): void;
  /** The X server answers what it was asked. */
  answer(): void;
  /** The number of the surface of each window that is shown. */
  shown(): Record<number, number>;
}

async function desk(t: Pick<Test, 'teardown'>): Promise<Desk> {
  const windows: XWindow[] = [];
  const asked: (() => void)[] = [];
  const ids = new SurfaceIds(
    () => {},
    then => asked.push(then),
  );
  const surfaces = new Surfaces({
    made: surface => queueMicrotask(() => ids.made(surface)),
    gone: each => ids.gone(each),
  });
  const { relay, client, registry } = await between(t, { concerns: [surfaces.concern] });
  const factory = client.bind(registry, 1, 'wl_compositor', 4);
  return {
    window() {
      const window = new XWindow(windows.length + 1, { x: 0, y: 0, width: 1, height: 1 }, false);
      windows.push(window);
      return window;
    },
    async make(number = client.newId()) {
      client.say(factory, 'create_surface', [number]);
      await settle();
      return number;
    },
    async destroy(surface) {
      client.say(surface, 'destroy');
      await settle();
    },
    tell: (window, surface) => ids.told(window, surface, relay),
    unmap: window => ids.forget(window),
    answer: () => asked.splice(0).forEach(then => then()),
    shown: () =>
      Object.fromEntries(
        windows.flatMap(({ id, surface }) => (surface === undefined ? [] : [[id, surface.object.clientId]])),
      ),
  };
}

t.test('a surface is made before it is named, or after', async t => {
  const { window, make, destroy, tell, unmap, answer, shown } = await desk(t);
  const [one, other] = [window(), window()];
  const first = await make();
  tell(one, first);
  t.same(shown(), { 1: first });
  // The number that comes next.
  const second = await make();
  await destroy(second);
  tell(other, second);
  t.same(shown(), { 1: first }, 'one that is destroyed is none');
  await make(second);
  t.same(shown(), { 1: first }, 'the X server is asked whether the window is mapped still');
  answer();
  t.same(shown(), { 1: first, 2: second });
  unmap(other);
  await destroy(second);
  t.same(shown(), { 1: first });
});

t.test('what is said of a window that is not mapped any more is not meant for the next with that number', async t => {
  const { window, make, destroy, tell, unmap, answer, shown } = await desk(t);
  const [gone, next] = [window(), window()];
  const number = await make();
  await destroy(number);
  tell(gone, number);
  await make(number);
  unmap(gone);
  answer();
  t.same(shown(), {}, 'it is nobody’s');
  tell(next, number);
  t.same(shown(), { 2: number });
});

t.test('a number that is named anew before the former surface has ended is the next surface’s', async t => {
  const { window, make, destroy, tell, unmap, answer, shown } = await desk(t);
  const [former, next] = [window(), window()];
  const number = await make();
  tell(former, number);
  // The X connection is ahead: it is another window’s, and the Wayland connection has not said so.
  unmap(former);
  tell(next, number);
  await destroy(number);
  t.same(shown(), {});
  await make(number);
  answer();
  t.same(shown(), { 2: number });
});

t.test('a window whose surface ends before it is told to be unmapped gets no other window’s', async t => {
  const { window, make, destroy, tell, unmap, answer, shown } = await desk(t);
  const [former, next] = [window(), window()];
  const number = await make();
  tell(former, number);
  await destroy(number);
  await make(number);
  t.same(shown(), {}, 'the Wayland connection is ahead');
  unmap(former);
  answer();
  tell(next, number);
  t.same(shown(), { 2: number });
});

t.test('the newest word about a number counts', async t => {
  const { window, make, destroy, tell, answer, shown } = await desk(t);
  const [one, other] = [window(), window()];
  const number = await make();
  await destroy(number);
  tell(one, number);
  tell(other, number);
  await make(number);
  answer();
  t.same(shown(), { 2: number });
});
