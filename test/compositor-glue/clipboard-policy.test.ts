/** What a client of a VM that may not read the clipboard is sent about it and about drags, and what is kept for it. */
import t, { type Test } from 'tap';
import { clipboardConcern } from '../../compositor-glue/clipboard-policy.js';
import { MAX_HELD_MIME_CHARACTERS, MAX_HELD_MIME_TYPES } from '../../compositor-glue/unread-drags.js';
import { DEFAULT_POLICY } from '../../compositor-glue/policy.js';
import { WlDataDeviceManagerDndAction } from '../../src/wayland/protocols/wayland.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { settle } from '../relay/peer.js';
import { between } from '../relay/relay-between.js';

const OFFER = 0xff000000;
const { copy, move, ask } = WlDataDeviceManagerDndAction;

/** A client with a data device, behind a policy with or without the right to read. */
async function behind(t: Test, readClipboard: boolean) {
  const b = await between(t, { concerns: [clipboardConcern({ ...DEFAULT_POLICY, readClipboard }, () => {})] });
  const manager = b.client.bind(b.registry, 1, 'wl_data_device_manager', 3);
  const seat = b.client.bind(b.registry, 2, 'wl_seat', 5);
  const surface = b.client.make(b.client.bind(b.registry, 3, 'wl_compositor', 4), 'create_surface');
  const ownDevice = b.client.make(manager, 'get_data_device', ['new', seat]);
  await settle();
  const idOf = (name: string): number => b.compositor.last(name).args[0] as number;
  const device = idOf('wl_data_device_manager.get_data_device');
  const theirSurface = idOf('wl_compositor.create_surface');
  const { compositor } = b;
  return {
    ...b,
    surface,
    ownDevice,
    device,
    theirSurface,
    offer: (id: number, ...mimeTypes: string[]): void => {
      compositor.say(device, 'data_offer', [id]);
      for (const mimeType of mimeTypes) compositor.say(id, 'offer', [mimeType]);
    },
    more: (id: number, mimeType: string): void => compositor.say(id, 'offer', [mimeType]),
    actions: (id: number, actions: number): void => compositor.say(id, 'source_actions', [actions]),
    select: (id: number): void => compositor.say(device, 'selection', [id]),
    drag: (id: number): void => compositor.say(device, 'enter', [1, theirSurface, 10, 20.5, id]),
    drop: (): void => compositor.say(device, 'drop'),
    told: (): unknown[] => b.client.all('wl_data_offer.offer').map(({ args: [mimeType] }) => mimeType),
    /** The events of data devices and offers that the client has received, in order. */
    received: (): string[] => b.client.received.map(({ name }) => name).filter(name => name.startsWith('wl_data_')),
    /** What the compositor was asked about offers. */
    asked: (): unknown[] => compositor.received.filter(({ name }) => name.startsWith('wl_data_offer')),
  };
}

const withheld = (t: Test): ReturnType<typeof behind> => behind(t, false);

t.test('a client is told nothing of a selection, and nothing of it is kept', async t => {
  const c = await withheld(t);
  c.offer(OFFER, 'text/plain', 'secret/kind');
  await settle();
  t.same(c.received(), [], 'not even that there is an offer');
  c.select(OFFER);
  await settle();
  t.same(c.client.last('wl_data_device.selection').args, [undefined]);
  t.match(c.asked(), [{ id: OFFER, name: 'wl_data_offer.destroy' }], 'the compositor may forget it');
  c.more(OFFER, 'one/more');
  await settle();
  t.same(c.told(), []);
  t.same(c.ends, []);
});

t.test('a client is told nothing of a drag that passes, while the glue accepts for it', async t => {
  const c = await withheld(t);
  c.offer(OFFER, 'secret/kind', 'text/plain');
  c.actions(OFFER, copy | move);
  c.drag(OFFER);
  c.compositor.say(c.device, 'motion', [5, 11, 22]);
  await settle();
  t.match(c.asked(), [
    { name: 'wl_data_offer.accept', args: [1, 'secret/kind'] },
    { name: 'wl_data_offer.set_actions', args: [copy, copy] },
  ]);
  c.compositor.say(OFFER, 'action', [copy]);
  c.compositor.say(c.device, 'leave');
  await settle();
  t.same(c.received(), []);
  t.match(c.compositor.last('wl_data_offer.destroy'), { id: OFFER });
  t.same([c.ends, c.compositor.faults], [[], []]);
});

t.test('it cannot read one that it was not told of', async t => {
  const c = await withheld(t);
  c.offer(OFFER, 'secret/kind');
  c.drag(OFFER);
  await settle();
  const [reading, writing] = native.pipe();
  t.teardown(() => native.close(reading));
  c.client.types.set(OFFER, 'wl_data_offer');
  c.client.say(OFFER, 'receive', ['secret/kind', new OwnedFd(writing)]);
  await settle();
  t.same(c.compositor.all('wl_data_offer.receive'), []);
  t.match(c.client.last('wl_display.error').args, [1, 0, /invalid object/]);
});

t.test('what is dropped is its own: it is told all of it at once, and may read', async t => {
  const c = await withheld(t);
  c.offer(OFFER, 'text/plain', 'text/uri-list');
  c.actions(OFFER, copy | move);
  c.drag(OFFER);
  c.compositor.say(c.device, 'motion', [5, 11, 22]);
  c.compositor.say(OFFER, 'action', [copy]);
  await settle();
  t.same(c.received(), []);
  c.drop();
  c.compositor.say(c.device, 'leave');
  await settle();
  t.match(
    c.client.received.filter(({ name }) => name.startsWith('wl_data_')),
    [
      { name: 'wl_data_device.data_offer', args: [OFFER] },
      { id: OFFER, name: 'wl_data_offer.offer', args: ['text/plain'] },
      { id: OFFER, name: 'wl_data_offer.offer', args: ['text/uri-list'] },
      { id: OFFER, name: 'wl_data_offer.source_actions', args: [copy | move] },
      { id: c.ownDevice, name: 'wl_data_device.enter', args: [1, c.surface, 11, 22, OFFER] },
      { name: 'wl_data_device.motion', args: [5, 11, 22] },
      { id: OFFER, name: 'wl_data_offer.action', args: [copy] },
      { name: 'wl_data_device.drop' },
      { name: 'wl_data_device.leave' },
    ],
  );
  c.client.say(OFFER, 'accept', [1, 'text/uri-list']);
  c.client.say(OFFER, 'set_actions', [move, move]);
  const [reading, writing] = native.pipe();
  t.teardown(() => native.close(reading));
  c.client.say(OFFER, 'receive', ['text/plain', new OwnedFd(writing)]);
  c.client.say(OFFER, 'finish');
  c.client.say(OFFER, 'destroy');
  await settle();
  t.match(c.asked().slice(2), [
    { name: 'wl_data_offer.receive', args: ['text/plain'] },
    { name: 'wl_data_offer.finish' },
    { name: 'wl_data_offer.destroy' },
  ]);
  t.same(c.ends, []);
});

t.test('the next drag may come by the same id', async t => {
  const c = await withheld(t);
  for (let round = 1; round <= 2; round++) {
    c.offer(OFFER, 'text/plain');
    c.drag(OFFER);
    c.drop();
    await settle();
    t.equal(c.client.all('wl_data_device.drop').length, round);
    c.client.say(OFFER, 'destroy');
    await settle();
    c.offer(OFFER, 'text/plain');
    c.drag(OFFER);
    c.compositor.say(c.device, 'leave');
    await settle();
    t.equal(c.compositor.all('wl_data_offer.destroy').length, 2 * round);
  }
  t.same(c.ends, []);
});

t.test('of the actions it copies, else moves, else lets the client ask', async t => {
  for (const [offered, chosen] of [
    [copy | move | ask, copy],
    [move | ask, move],
    [ask, ask],
  ] as const) {
    const c = await withheld(t);
    c.offer(OFFER, 'text/plain');
    c.actions(OFFER, offered);
    c.drag(OFFER);
    c.compositor.say(OFFER, 'action', [chosen]);
    c.drop();
    await settle();
    t.same(c.compositor.last('wl_data_offer.set_actions').args, [chosen, chosen]);
    c.client.say(OFFER, 'set_actions', [copy, copy]);
    await settle();
    t.equal(c.compositor.all('wl_data_offer.set_actions').length, chosen === ask ? 2 : 1, 'where it may still choose');
  }
});

t.test('a device or a window that is gone meanwhile gets no drop', async t => {
  for (const gone of ['device', 'window'] as const) {
    const c = await withheld(t);
    c.offer(OFFER, 'text/plain');
    c.drag(OFFER);
    await settle();
    if (gone === 'device') c.client.say(c.ownDevice, 'release');
    else c.client.say(c.surface, 'destroy');
    c.compositor.answer = () => undefined;
    await settle();
    if (gone === 'window') c.drop();
    else c.compositor.say(c.device, 'drop');
    await settle();
    t.same(c.received(), [], gone);
    t.match(c.compositor.last('wl_data_offer.destroy'), { id: OFFER });
    t.same(c.ends, []);
  }
});

t.test('a drag of the client inside of itself, without data, is told as it is', async t => {
  const c = await withheld(t);
  c.compositor.say(c.device, 'enter', [1, c.theirSurface, 0, 0, undefined]);
  c.compositor.say(c.device, 'motion', [5, 11, 22]);
  c.compositor.say(c.device, 'drop');
  c.compositor.say(c.device, 'leave');
  await settle();
  t.same(
    c.received().map(name => name.slice('wl_data_device.'.length)),
    ['enter', 'motion', 'drop', 'leave'],
  );
});

t.test('a VM that may read sees what hovers', async t => {
  const c = await behind(t, true);
  c.offer(OFFER, 'text/plain');
  c.drag(OFFER);
  c.compositor.say(c.device, 'leave');
  await settle();
  t.same(c.received(), [
    'wl_data_device.data_offer',
    'wl_data_offer.offer',
    'wl_data_device.enter',
    'wl_data_device.leave',
  ]);
  t.same(c.asked(), []);
});

t.test('what is held back for one offer has bounds', async t => {
  const c = await withheld(t);
  const kinds = Array.from({ length: MAX_HELD_MIME_TYPES }, (_, i) => `kind/${i}`);
  c.offer(OFFER, ...kinds, 'one/more');
  await settle(32);
  c.drag(OFFER);
  c.drop();
  await settle(32);
  t.same(c.told(), kinds, 'one more is left out');
});

t.test('and so have their characters', async t => {
  const c = await withheld(t);
  const eighth = (name: string): string => name.padEnd(MAX_HELD_MIME_CHARACTERS / 8, 'x');
  const seven = ['1', '2', '3', '4', '5', '6', '7'].map(eighth);
  c.offer(OFFER, ...seven, 'short', eighth('8'), 'other');
  c.drag(OFFER);
  c.drop();
  await settle(32);
  t.same(c.told(), [...seven, 'short', 'other'], 'one that does not fit is left out, another that does is not');
});
