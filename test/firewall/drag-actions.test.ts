/** What may be done with what is dragged: on both sides of each rule, for sources and for offers. */
import t, { type Test } from 'tap';
import { WlDataDeviceManagerDndAction } from '../../src/wayland/protocols/wayland.js';
import { settle } from '../relay/peer.js';
import { madeBy } from '../relay/relay-between.js';
import { behindWall } from './walled.js';

const GLOBALS = [
  ['wl_compositor', 4],
  ['wl_seat', 7],
  ['wl_data_device_manager', 3],
] as const;
const { none, copy, move, ask } = WlDataDeviceManagerDndAction;
const OFFER = 0xff000000;

async function dragging(t: Test) {
  const b = await behindWall(t, GLOBALS);
  const { client, compositor, bound } = b;
  const surface = client.make(bound.wl_compositor, 'create_surface');
  const device = client.make(bound.wl_data_device_manager, 'get_data_device', ['new', bound.wl_seat]);
  const source = client.make(bound.wl_data_device_manager, 'create_data_source');
  await client.roundtrip();
  const there = {
    device: madeBy(compositor, 'wl_data_device_manager.get_data_device'),
    surface: madeBy(compositor, 'wl_compositor.create_surface'),
  };
  return {
    ...b,
    device,
    source,
    surface,
    /** The compositor offers something, by a drag over the window or as the selection. */
    offer: async (by: 'drag' | 'selection'): Promise<void> => {
      compositor.say(there.device, 'data_offer', [OFFER]);
      if (by === 'selection') compositor.say(there.device, 'selection', [OFFER]);
      else compositor.say(there.device, 'enter', [7, there.surface, 0, 0, OFFER]);
      await settle();
    },
    action: async (action: number): Promise<void> => {
      compositor.say(OFFER, 'action', [action]);
      await settle();
    },
    drop: async (): Promise<void> => {
      compositor.say(there.device, 'drop');
      await settle();
    },
    fine: async (what: string): Promise<void> => {
      await client.roundtrip();
      t.same([client.all('wl_display.error'), compositor.faults], [[], []], what);
    },
    refused: async (object: number, code: number, text: RegExp): Promise<void> => {
      await client.isEnded();
      t.match(client.last('wl_display.error').args, [object, code, text]);
    },
  };
}

t.test('a source is told its actions once, before it is used', async t => {
  const twice = await dragging(t);
  twice.client.say(twice.source, 'set_actions', [copy]);
  await twice.fine('once');
  twice.client.say(twice.source, 'set_actions', [copy]);
  await twice.refused(twice.source, 0, /told its actions already/);
  for (const use of ['start_drag', 'set_selection']) {
    const { client, device, source, surface, fine, refused } = await dragging(t);
    client.say(device, use, use === 'start_drag' ? [source, surface, undefined, 1] : [source, 1]);
    await fine(use);
    client.say(source, 'set_actions', [copy]);
    await refused(source, 0, /used already/);
  }
});

t.test('the actions of an offer are some that there are, and one of them is preferred', async t => {
  for (const [actions, preferred, code] of [
    [copy | move | ask, ask],
    [copy, none],
    [none, none],
    [8, none, 1],
    [0xffffffff, copy, 1],
    [copy, move, 2],
    [copy | move, copy | move, 2],
    [none, copy, 2],
  ] as const) {
    const { client, offer, fine, refused } = await dragging(t);
    await offer('drag');
    client.say(OFFER, 'set_actions', [actions, preferred]);
    if (code === undefined) await fine(`${actions}, ${preferred}`);
    else await refused(OFFER, code, /set_actions/);
  }
});

t.test('a selection is not dragged', async t => {
  for (const [request, args, code] of [
    ['set_actions', [copy, copy], 3],
    ['finish', [], 0],
  ] as const) {
    const { client, offer, refused } = await dragging(t);
    await offer('selection');
    client.say(OFFER, request, args);
    await refused(OFFER, code, /it is not dragged/);
  }
});

t.test('a drag is finished when it was dropped, accepted, and something is done with it', async t => {
  type Step = (d: Awaited<ReturnType<typeof dragging>>) => Promise<void> | void;
  const accept: Step = ({ client }) => client.say(OFFER, 'accept', [7, 'a/b']);
  const refuse: Step = ({ client }) => client.say(OFFER, 'accept', [7, undefined]);
  const chosen =
    (action: number): Step =>
    ({ client }) =>
      client.say(OFFER, 'set_actions', [copy | move | ask, action]);
  const action =
    (action: number): Step =>
    d =>
      d.action(action);
  const drop: Step = d => d.drop();
  for (const [what, steps, error] of [
    ['copied', [accept, action(copy), drop], undefined],
    ['moved', [accept, action(move), drop], undefined],
    ['asked about and copied', [accept, action(ask), drop, chosen(copy)], undefined],
    ['asked about, and left to the compositor', [accept, action(ask), drop, chosen(none)], undefined],
    ['not dropped', [accept, action(copy)], /not dropped/],
    ['refused at last', [accept, action(copy), drop, refuse], /not accepted/],
    ['nothing was to be done', [accept, drop], /nothing was to be done/],
    ['asked about and not answered', [accept, action(ask), drop], /nothing was to be done/],
    ['answered too early', [accept, action(ask), chosen(copy), drop], /nothing was to be done/],
  ] as const) {
    t.comment(what);
    const d = await dragging(t);
    await d.offer('drag');
    for (const step of steps) await step(d);
    await d.fine('up to then');
    d.client.say(OFFER, 'finish');
    if (error === undefined) await d.fine(what);
    else await d.refused(OFFER, 0, error);
    t.equal(d.compositor.all('wl_data_offer.finish').length, error === undefined ? 1 : 0);
  }
});
