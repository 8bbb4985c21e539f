/** A surface's picture agrees with its scale and its viewport when it is committed. */
import t, { type Test } from 'tap';
import { Desk } from './desk.js';

interface Shown {
  readonly desk: Desk;
  readonly surface: number;
  readonly viewport: number;
}
type Say = (shown: Shown) => void;

const scale =
  (scale: number): Say =>
  ({ desk, surface }) =>
    desk.client.say(surface, 'set_buffer_scale', [scale]);
const transform =
  (transform: number): Say =>
  ({ desk, surface }) =>
    desk.client.say(surface, 'set_buffer_transform', [transform]);
const source =
  (...box: readonly number[]): Say =>
  ({ desk, viewport }) =>
    desk.client.say(viewport, 'set_source', box);
const destination =
  (...size: readonly number[]): Say =>
  ({ desk, viewport }) =>
    desk.client.say(viewport, 'set_destination', size);

/** A window with a buffer of 64x32 pixels, and a viewport. */
async function shown(t: Test): Promise<Shown> {
  const desk = await Desk.open(t);
  const { surface } = await desk.window();
  const viewport = desk.client.make(desk.global('wp_viewporter'), 'get_viewport', ['new', surface]);
  desk.show(surface, 64, 32);
  return { desk, surface, viewport };
}

const BAD_SIZE = 1;
const OUT_OF_BUFFER = 2;
const INVALID_SIZE = 2;

/** What is said, and the error of the viewport (or of the surface) that it is at the commit. */
const CASES: readonly (readonly [string, readonly Say[], ('viewport' | 'surface') | undefined, number?])[] = [
  ['a scale of which the buffer is a multiple', [scale(4)], undefined],
  ['one of which only the width is', [scale(64)], 'surface', INVALID_SIZE],
  ['one of which it is none', [scale(3)], 'surface', INVALID_SIZE],
  ['the same with a source', [scale(3), source(0, 0, 1, 1)], undefined],
  ['all of the buffer', [source(0, 0, 64, 32)], undefined],
  ['a pixel more in width', [source(0, 0, 65, 32)], 'viewport', OUT_OF_BUFFER],
  ['a pixel more in height', [source(0, 0, 64, 33)], 'viewport', OUT_OF_BUFFER],
  ['a part that begins too late', [source(1, 0, 64, 32)], 'viewport', OUT_OF_BUFFER],
  ['a part of a pixel more', [source(0.5, 0, 64, 32), destination(9, 9)], 'viewport', OUT_OF_BUFFER],
  ['parts of pixels with a destination', [source(0.5, 0.5, 63.5, 31.5), destination(9, 9)], undefined],
  ['parts of pixels without one', [source(0.5, 0.5, 10.5, 10)], 'viewport', BAD_SIZE],
  ['a place between pixels without one', [source(0.5, 0.5, 10, 10)], undefined],
  ['all of a scaled buffer', [scale(2), source(0, 0, 32, 16)], undefined],
  ['more of it', [scale(2), source(0, 0, 33, 16)], 'viewport', OUT_OF_BUFFER],
  ['all of a turned buffer', [transform(1), source(0, 0, 32, 64)], undefined],
  ['it as if it were not turned', [transform(1), source(0, 0, 64, 32)], 'viewport', OUT_OF_BUFFER],
  ['a source that was taken back', [source(0, 0, 65, 32), source(-1, -1, -1, -1)], undefined],
  [
    'a source outside of no buffer',
    [source(0, 0, 65, 32), ({ desk, surface }) => desk.client.say(surface, 'attach', [undefined, 0, 0])],
    undefined,
  ],
  [
    'a viewport that is gone',
    [source(0, 0, 65, 32), ({ desk, viewport }) => desk.client.say(viewport, 'destroy')],
    undefined,
  ],
];

for (const [name, says, blamed, code] of CASES) {
  t.test(name, async t => {
    const its = await shown(t);
    const { client, compositor } = its.desk;
    for (const say of says) say(its);
    await client.roundtrip();
    t.same(client.all('wl_display.error'), [], 'is no mistake before it is committed');
    const before = compositor.all('wl_surface.commit').length;
    client.say(its.surface, 'commit');
    if (blamed === undefined) {
      await client.roundtrip();
      t.same([client.all('wl_display.error'), compositor.faults], [[], []], 'nor then');
      return;
    }
    await client.isEnded();
    t.match(client.last('wl_display.error').args, [its[blamed], code], 'is one then');
    t.equal(compositor.all('wl_surface.commit').length, before, 'and the compositor does not hear of it');
  });
}

t.test('cursors, and what has no role yet, have any size', async t => {
  const desk = await Desk.open(t);
  const { client } = desk;
  const surface = desk.surface();
  client.say(surface, 'set_buffer_scale', [2]);
  desk.show(surface, 15, 15);
  await client.roundtrip();
  t.same(client.all('wl_display.error'), []);
});
