/** Windows that are no rectangles: where they do not take the pointer, on a real compositor with a real Xwayland. */
import t from 'tap';
import { Verdict } from '../../src/relay/call.js';
import type { Geometry } from '../../src/x11/events.js';
import { MAX_REPLY_BYTES } from '../../src/x11/connection.js';
import { extension, geometry } from '../../src/x11/replies.js';
import { changeWindowEvents, getGeometry, mapWindow, queryExtension, ShapeKind } from '../../src/x11/requests.js';
import { MAX_SHAPE_RECTS, shapeOf, shapesConcern } from '../../src/x11/shapes.js';
import { request, u16, u32, u8, XReader } from '../../src/x11/wire.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

t.setTimeout(200_000);

const rect = (x: number, y: number, width: number, height: number): Geometry => ({ x, y, width, height });
const WHOLE = rect(0, 0, 100, 600);

t.test('a shape that is the window, or not known, is none; of two there is what both have', t => {
  t.equal(shapeOf(WHOLE, [WHOLE], [WHOLE]), undefined);
  t.equal(shapeOf(WHOLE, [rect(-1, -1, 102, 602)], undefined), undefined, 'it had a border');
  t.same(shapeOf(WHOLE, [rect(0, 0, 50, 50)], [WHOLE]), [rect(0, 0, 50, 50)]);
  t.same(shapeOf(WHOLE, [rect(0, 0, 50, 50)], [rect(20, 30, 50, 50)]), [rect(20, 30, 30, 20)]);
  t.same(shapeOf(WHOLE, undefined, []), [], 'it takes no pointer at all');
  t.end();
});

t.test(`${MAX_SHAPE_RECTS} rectangles are exact, more become strips around them`, t => {
  const rows = (count: number): Geometry[] => Array.from({ length: count }, (_, i) => rect(10 + (i % 2), 2 * i, 5, 1));
  t.same(shapeOf(WHOLE, rows(MAX_SHAPE_RECTS)), rows(MAX_SHAPE_RECTS));
  const strips = shapeOf(WHOLE, rows(MAX_SHAPE_RECTS + 1))!;
  t.ok(strips.length <= MAX_SHAPE_RECTS);
  for (const { x, y } of rows(MAX_SHAPE_RECTS + 1)) {
    t.ok(strips.some(one => x >= one.x && x + 5 <= one.x + one.width && y >= one.y && y < one.y + one.height));
  }
  const far = shapeOf(
    WHOLE,
    Array.from({ length: 1000 }, (_, i) => rect(-32_768, i - 500, 65_535, 1)),
  );
  t.ok(far !== undefined && far.length <= MAX_SHAPE_RECTS, 'also of one that reaches far out of the window');
  t.end();
});

t.test(`of a region that Xwayland makes, ${MAX_SHAPE_RECTS} rectangles are passed on`, t => {
  const { requests, gone } = shapesConcern();
  const add = (object: unknown): Verdict | undefined => requests!.wl_region!.add!({ object } as never);
  const [region, other] = [{}, {}];
  for (let i = 0; i < MAX_SHAPE_RECTS; i++) t.equal(add(region), Verdict.Forward);
  t.equal(add(region), Verdict.Drop);
  t.equal(add(other), Verdict.Forward, 'each has as many');
  gone!.wl_region!(region as never, {} as never);
  t.equal(add(region), Verdict.Forward, 'the next of its id too');
  t.end();
});

t.test('a menu lets the pointer through where its shape ends', async t => {
  const config = 'for_window [title=".*"] floating enable, move absolute position 40 40';
  const desk = await Desk.open(t, { width: 600, height: 400, config });
  const { x, setup } = await connectTo(desk.display, desk.authority);
  t.teardown(() => x.close());
  const ask = (question: Uint8Array): Promise<Uint8Array> => new Promise(answered => x.ask(question, answered));
  const { opcode } = extension(await ask(queryExtension('SHAPE')))!;
  const main = makeWindow(x, setup.root, false, { width: 200, height: 160 });
  x.send(mapWindow(main));
  await until('the window', async () => (await desk.windows()).length === 1);
  const corner = geometry(await ask(getGeometry(main)));
  const menu = makeWindow(x, setup.root, true, { x: corner.x + 20, y: corner.y + 20, width: 100, height: 50 });
  const [ENTER, ENTER_NOTIFY] = [0x10, 7];
  for (const id of [main, menu]) x.send(changeWindowEvents(id, ENTER));
  let entered = 0;
  x.on('event', event => {
    if (event.is === 'Other' && event.code === ENTER_NOTIFY) entered = new XReader(event.bytes).u32(12);
  });
  const [SET, UNION, NO_MASK] = [0, 1, 0];
  const rectangles = (kind: number, rects: readonly (readonly number[])[], operation = SET): void =>
    x.send(
      request(
        ...([opcode, 1, u8(operation), u8(kind), u8(0), u8(0), u32(menu), u16(0), u16(0)] as const),
        ...rects.flat().map(u16),
      ),
    );
  const none = (kind: number): void =>
    x.send(request(opcode, 2, u8(SET), u8(kind), u16(0), u32(menu), u16(0), u16(0), u32(NO_MASK)));

  const seat = await desk.seat(600, 400);
  /** The pointer is in the left and in the right half of the menu, each as often as it takes. */
  const under = async (left: number, right: number, what: string): Promise<void> => {
    for (const [at, wanted] of [
      [80, left],
      [140, right],
    ] as const) {
      await until(`${what}, at ${at}`, async () => {
        await seat.move(500, 300);
        await seat.move(at, 80);
        await settled(x);
        return entered === wanted;
      });
    }
  };
  rectangles(ShapeKind.bounding, [[0, 0, 50, 50]]);
  x.send(mapWindow(menu));
  await under(menu, main, 'the left half of the menu');
  rectangles(ShapeKind.bounding, [[50, 0, 50, 50]]);
  await under(main, menu, 'the right half');
  rectangles(ShapeKind.input, [[0, 0, 50, 50]]);
  await under(main, main, 'nothing, which the two have in common');
  none(ShapeKind.bounding);
  await under(menu, main, 'the left half');
  none(ShapeKind.input);
  await under(menu, menu, 'all of it');

  // More rectangles than an answer may have bytes for: of such a shape nothing is known.
  const perRow = 16_000;
  for (let row = 0; row <= MAX_REPLY_BYTES / 8 / perRow; row++) {
    const dots = Array.from({ length: perRow }, (_, i) => [200 + 2 * i, 60 + 2 * row, 1, 1]);
    rectangles(ShapeKind.input, dots, row === 0 ? SET : UNION);
    await settled(x);
  }
  await under(main, main, 'nothing, as the server itself knows');
  rectangles(ShapeKind.input, [[0, 0, 50, 50]]);
  await under(menu, main, 'the left half again');
  // A hundred thousand rectangles may take an X server longer than that on a busy machine.
  t.notMatch(desk.said().replace(/.*has not answered for.*/g, ''), /error|warn/);
});
