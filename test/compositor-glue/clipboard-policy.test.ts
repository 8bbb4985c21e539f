/** What a client of a VM that may not read the clipboard hears of it, and what is kept for it meanwhile. */
import t, { type Test } from 'tap';
import {
  clipboardConcern,
  MAX_HELD_MIME_CHARACTERS,
  MAX_HELD_MIME_TYPES,
} from '../../compositor-glue/clipboard-policy.js';
import { DEFAULT_POLICY } from '../../compositor-glue/policy.js';
import { settle } from '../relay/peer.js';
import { between } from '../relay/relay-between.js';

const OFFER = 0xff000000;

/** A client with a data device, behind a policy without the right to read. */
async function withheld(t: Test) {
  const b = await between(t, { concerns: [clipboardConcern({ ...DEFAULT_POLICY, readClipboard: false })] });
  const manager = b.client.bind(b.registry, 1, 'wl_data_device_manager', 3);
  const seat = b.client.bind(b.registry, 2, 'wl_seat', 5);
  const surface = b.client.make(b.client.bind(b.registry, 3, 'wl_compositor', 4), 'create_surface');
  b.client.make(manager, 'get_data_device', ['new', seat]);
  await settle();
  const idOf = (name: string): number => b.compositor.last(name).args[0] as number;
  const device = idOf('wl_data_device_manager.get_data_device');
  const theirSurface = idOf('wl_compositor.create_surface');
  const { compositor } = b;
  return {
    ...b,
    surface,
    offer: (id: number, ...mimeTypes: string[]): void => {
      compositor.say(device, 'data_offer', [id]);
      for (const mimeType of mimeTypes) compositor.say(id, 'offer', [mimeType]);
    },
    more: (id: number, mimeType: string): void => compositor.say(id, 'offer', [mimeType]),
    select: (id: number): void => compositor.say(device, 'selection', [id]),
    drag: (id: number): void => compositor.say(device, 'enter', [1, theirSurface, 0, 0, id]),
    told: (): unknown[] => b.client.all('wl_data_offer.offer').map(({ args: [mimeType] }) => mimeType),
    /** Kinds of data that are held back for it. */
    held: (): number =>
      [...b.relay.objects()].reduce(
        (sum, { data }) => sum + ((data as { mimeTypes?: unknown[] })?.mimeTypes?.length ?? 0),
        0,
      ),
  };
}

t.test('of a selection it is told nothing, and nothing of it is kept', async t => {
  const c = await withheld(t);
  c.offer(OFFER, 'text/plain', 'secret/kind');
  await settle();
  t.equal(c.held(), 2, 'it might be a drag');
  c.select(OFFER);
  await settle();
  t.same(c.client.last('wl_data_device.selection').args, [undefined]);
  t.equal(c.held(), 0);
  c.more(OFFER, 'one/more');
  await settle();
  t.equal(c.held(), 0);
  t.same(c.told(), []);
  t.same(c.ends, []);
});

t.test('of what is dragged over its window it is told everything, late and early', async t => {
  const c = await withheld(t);
  c.offer(OFFER, 'text/plain', 'text/uri-list');
  c.drag(OFFER);
  c.more(OFFER, 'one/more');
  await settle();
  t.same(c.told(), ['text/plain', 'text/uri-list', 'one/more']);
  t.equal(c.held(), 0);
});

t.test('what is held back for one offer has bounds', async t => {
  const c = await withheld(t);
  const kinds = Array.from({ length: MAX_HELD_MIME_TYPES }, (_, i) => `kind/${i}`);
  c.offer(OFFER, ...kinds);
  await settle(32);
  t.equal(c.held(), MAX_HELD_MIME_TYPES);
  c.more(OFFER, 'one/more');
  await settle();
  t.equal(c.held(), MAX_HELD_MIME_TYPES, 'one more is left out');
  c.drag(OFFER);
  await settle(32);
  t.same(c.told(), kinds);
});

t.test('and so have their characters', async t => {
  const c = await withheld(t);
  const eighth = (name: string): string => name.padEnd(MAX_HELD_MIME_CHARACTERS / 8, 'x');
  c.offer(OFFER, ...['1', '2', '3', '4', '5', '6', '7', '8'].map(eighth));
  c.more(OFFER, 'x');
  await settle(32);
  t.equal(c.held(), 8);
  c.offer(OFFER + 1, ...['1', '2', '3', '4', '5', '6', '7'].map(eighth), 'short', eighth('8'));
  await settle(32);
  t.equal(c.held(), 8 + 8, 'one that does not fit is left out, another that does is not');
});
