/** Menus while an X11 program drags, on a real compositor: its end moves the keyboard, for which what is said of them waits. */
import t from 'tap';
import { extension } from '../../../src/x11/replies.js';
import {
  changeProperty,
  changeWords,
  destroyWindow,
  mapWindow,
  queryExtension,
  setSelectionOwner,
} from '../../../src/x11/requests.js';
import { request, u16, u32, u8 } from '../../../src/x11/wire.js';
import { Desk, until } from '../desk.js';
import { connectTo, makeWindow } from '../x-client.js';
import { XSource } from './x-ends.js';

/** Predefined atoms. */
const [STRING, WINDOW, WM_NAME, WM_TRANSIENT_FOR] = [31, 33, 39, 68];

t.setTimeout(120_000);

t.test('a program ends its drag: what is said of a menu next waits for the answer', async t => {
  const desk = await Desk.open(t, { x11: ['--trace'] });
  const client = await connectTo(desk.display, desk.authority);
  const { x, setup } = client;
  t.teardown(() => x.close());
  const { opcode } = await new Promise<NonNullable<ReturnType<typeof extension>>>(known =>
    x.ask(queryExtension('SHAPE'), reply => known(extension(reply)!)),
  );
  const other = makeWindow(x, setup.root);
  x.send(changeProperty(other, WM_NAME, STRING, 8, Buffer.from('other')));
  x.send(mapWindow(other));
  await desk.window('other');
  const source = await XSource.open(client, 'dragged from');
  const { x: left, y: top } = await desk.window('dragged from');
  // sway dismisses those of the window with the keyboard at once; this one belongs to the other.
  const menu = makeWindow(x, setup.root, true);
  x.send(changeWords(menu, WM_TRANSIENT_FOR, WINDOW, [other]));
  x.send(mapWindow(menu));
  const surface = (): string | undefined => {
    const [, xdgSurface] = /(xdg_surface#\d+)\.get_popup\(/.exec(desk.said()) ?? [];
    return new RegExp(`get_xdg_surface\\(new id ${xdgSurface}, (wl_surface#\\d+)\\)`).exec(desk.said())?.[1];
  };
  await until('the menu', () => surface() !== undefined && /xdg_popup#\d+\.configure/.test(desk.said()));
  const seat = await desk.seat(800, 600);
  await seat.move(left + 50, top + 50);
  await seat.press();
  await seat.glide(left + 150, top + 150);
  await until('a drag', () => desk.said().includes('.start_drag('));
  const started = desk.said().length;
  x.send(setSelectionOwner(0, source.atoms.XdndSelection));
  await until('its end', () => /wl_data_source#\d+\.destroy\(/.test(desk.said().slice(started)));
  const ended = desk.said().length;
  // Its upper half is what it has.
  const kind = [u8(0), u8(0), u8(0), u8(0)];
  x.send(request(opcode, 1, ...kind, u32(menu), u16(0), u16(0), ...[0, 0, 100, 40].map(u16)));
  const shaped = (): string => desk.said().slice(ended).split(`${surface()}.set_input_region(`)[1] ?? '';
  const committed = `${surface()}.commit(`;
  await until('its shape', () => shaped().includes(committed));
  t.match(shaped().split(committed)[0], /wl_display#1\.sync\(/);
  await seat.release();
  for (const id of [menu, source.window, other]) x.send(destroyWindow(id));
});
