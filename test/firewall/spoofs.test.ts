/**
 * Pixels where they do not belong. A window's geometry says which part of its surface is the window; what is drawn around
 * it is a shadow. With a small window in a large surface, a client could paint over other windows, and over the title bar
 * that says whose window it is.
 */
import t, { type Test } from 'tap';
import type { Picture } from '../../src/frames/picture.js';
import { COLOUR_MASK } from '../../src/frames/picture.js';
import { DEFAULT_SHADOW } from '../../src/firewall/geometry.js';
import { SIEGE } from './siege.js';
import { HEIGHT, HOSTILE, Siege, VICTIM, WIDTH } from './siege.js';
import { colourBuffer, newSurface, Window } from './window.js';

const FALSE_COLOUR = 0x20a020;
const HONEST_COLOUR = 0x2040a0;

interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Node {
  readonly name: string | null;
  readonly rect: Rect;
  readonly deco_rect: Rect;
  readonly nodes: readonly Node[];
  readonly floating_nodes: readonly Node[];
}

/** Where sway says that a window is. */
async function placeOf(siege: Siege, title: string): Promise<Rect> {
  const find = (node: Node): Node | undefined => {
    if (node.name?.endsWith(title) === true) return node;
    for (const child of [...node.nodes, ...node.floating_nodes]) {
      const found = find(child);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const found = find((await siege.sway.message('-t', 'get_tree')) as Node);
  if (found === undefined) throw new Error(`sway has no window "${title}"`);
  return found.rect;
}

/** Pixels of the false colour further from `rect` than a shadow may reach; and above it, where its title bar is. */
function astray(picture: Picture, rect: Rect, shadow: number): number {
  let count = 0;
  for (let y = 0, i = 0; y < picture.height; y++) {
    for (let x = 0; x < picture.width; x++, i++) {
      if ((picture.pixels[i]! & COLOUR_MASK) !== FALSE_COLOUR) continue;
      const inside =
        x >= rect.x - shadow &&
        y >= rect.y - shadow &&
        x < rect.x + rect.width + shadow &&
        y < rect.y + rect.height + shadow;
      if (!inside) count += 1;
    }
  }
  return count;
}

async function twoWindows(t: Test, config: string): Promise<{ siege: Siege; hostile: Window }> {
  const siege = await Siege.begin(t, { config });
  await Window.open(await siege.connect(VICTIM), HONEST_COLOUR, 'honest');
  const hostile = await Window.open(await siege.connect(HOSTILE), FALSE_COLOUR, 'false');
  await siege.screen.still('both windows');
  hostile.follows = false;
  return { siege, hostile };
}

for (const [how, config] of [
  ['tiled', ''],
  ['floating', 'for_window [title="^\\[work\\] false"] floating enable, resize set 200 150, move position 300 250'],
] as const) {
  t.test(`spoofs, ${how}`, SIEGE, async t => {
    await t.test('a surface far larger than its window geometry', async t => {
      const { siege, hostile } = await twoWindows(t, config);
      const { surface, xdg, display, width, height } = hostile;
      surface.request('attach', colourBuffer(display, WIDTH, HEIGHT, FALSE_COLOUR), 0, 0);
      surface.request('damage', 0, 0, WIDTH, HEIGHT);
      xdg.request('set_window_geometry', 250, 150, Math.min(width, 400), Math.min(height, 300));
      surface.request('commit');
      await display.roundtrip().catch(() => undefined); // it may be told of an error
      const picture = await siege.screen.still('what is shown then');
      if (display.ended !== undefined) t.equal(count(picture, FALSE_COLOUR), 0, 'the client was told of its error');
      else t.equal(astray(picture, await placeOf(siege, 'false'), DEFAULT_SHADOW), 0, 'nothing shows beyond a shadow');
    });

    await t.test('a subsurface outside of its window', async t => {
      const { siege, hostile } = await twoWindows(t, config);
      const { surface, display } = hostile;
      const child = newSurface(display);
      const role = display.bindOnce('wl_subcompositor').create('get_subsurface', child, surface);
      role.request('set_position', -250, -150);
      role.request('set_desync');
      child.request('attach', colourBuffer(display, WIDTH, HEIGHT, FALSE_COLOUR), 0, 0);
      child.request('damage', 0, 0, WIDTH, HEIGHT);
      child.request('commit');
      surface.request('commit');
      await display.roundtrip().catch(() => undefined);
      const picture = await siege.screen.still('what is shown then');
      if (display.ended !== undefined) t.equal(count(picture, FALSE_COLOUR), 0, 'the client was told of its error');
      else t.equal(astray(picture, await placeOf(siege, 'false'), DEFAULT_SHADOW), 0, 'nothing shows beyond a shadow');
    });

    await t.test('an ordinary shadow is shown', async t => {
      const { siege, hostile } = await twoWindows(t, config);
      const { surface, xdg, display, width, height } = hostile;
      const buffer = colourBuffer(display, width + 40, height + 40, FALSE_COLOUR);
      xdg.request('set_window_geometry', 20, 20, width, height);
      hostile.show(buffer, width + 40, height + 40);
      await display.roundtrip();
      t.ok(surface, 'no error');
      const picture = await siege.screen.still('what is shown then');
      t.ok(count(picture, FALSE_COLOUR) >= width * height, 'the window is there as a whole');
    });
  });
}

function count({ pixels }: Picture, colour: number): number {
  let found = 0;
  for (const pixel of pixels) if ((pixel & COLOUR_MASK) === colour) found += 1;
  return found;
}
