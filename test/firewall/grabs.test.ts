/**
 * Popups that grab the seat. A grab answers something that the user did to the client that grabs: without the serial of
 * such an event there is none, and the popup is dismissed. Else any client that shows a window could take the clicks that
 * are meant for another one's.
 */
import t from 'tap';
import type { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { eventually } from '../eventually.js';
import { SIEGE } from './siege.js';
import { answered, HOSTILE, Siege, VICTIM } from './siege.js';
import { colourBuffer, newPopup, Senses, Window } from './window.js';

/** Clicks into the victim's window while the hostile client opens popups. */
const CLICKS = 20;
/** Serials that a client may guess, from 0 on: more than a seat has made by then. */
const GUESSES = 400;

interface Popup {
  readonly popup: WaylandObject<'xdg_popup'>;
  done: boolean;
}

/** A popup that grabs the seat with a serial. It gets its picture when it is configured. */
function grab(display: Display, parent: Window, seat: WaylandObject<'wl_seat'>, serial: number): Popup {
  const { surface, xdg, popup } = newPopup(display, parent.xdg, 50, 50);
  const told: Popup = { popup, done: false };
  popup.on('popup_done', () => (told.done = true));
  xdg.once('configure', (configured: number) => {
    xdg.request('ack_configure', configured);
    surface.request('attach', colourBuffer(display, 50, 50, 0xffffff), 0, 0);
    surface.request('commit');
  });
  popup.request('grab', seat, serial);
  surface.request('commit');
  return told;
}

/** Both have a window, the victim's is on the right and has the keyboard. */
async function both(siege: Siege) {
  const hostile = await siege.connect(HOSTILE);
  const hostileSenses = new Senses(hostile);
  const window = await Window.open(hostile, 0xa02020, 'hostile');
  const victim = await siege.connect(VICTIM);
  const senses = new Senses(victim);
  await Window.open(victim, 0x2040a0, 'victim');
  await siege.screen.still('both windows');
  return { hostile, hostileSenses, window, victim, senses };
}

/** The user clicks into the victim's window; resolves to the button events that it has received by then. */
async function click(siege: Siege, victim: Display, senses: Senses, x: number): Promise<number> {
  await siege.user.move(x, 300);
  await siege.user.click();
  await answered(victim);
  await answered(victim);
  return senses.buttons;
}

t.test('grabs', SIEGE, async t => {
  const siege = await Siege.begin(t);
  const { hostile, hostileSenses, window, victim, senses } = await both(siege);
  t.equal(await click(siege, victim, senses, 600), 2, 'a click into a window arrives there');

  await t.test('one that answers nothing takes no click', async t => {
    for (const [name, serial] of [
      ['no serial', 0],
      ['the serial of a keyboard that came', hostileSenses.keyboardSerial],
      ['the serial of a button of another client', senses.buttonSerial],
    ] as const) {
      const popup = grab(hostile, window, hostileSenses.seat, serial);
      await hostile.roundtrip();
      await hostile.roundtrip();
      senses.buttons = 0;
      t.equal(await click(siege, victim, senses, 620), 2, `${name}: the next click arrives`);
      await eventually('the popup is dismissed', () => popup.done);
      popup.popup.request('destroy');
    }
  });

  await t.test('many with serials that were guessed take no click', async t => {
    for (let serial = 1; serial <= GUESSES; serial++) {
      const { popup } = grab(hostile, window, hostileSenses.seat, serial);
      popup.request('destroy');
    }
    const last = grab(hostile, window, hostileSenses.seat, GUESSES);
    await hostile.roundtrip();
    senses.buttons = 0;
    t.equal(await click(siege, victim, senses, 640), 2);
    last.popup.request('destroy');
  });

  await t.test('one after another, as soon as the last is dismissed, takes none', async t => {
    let over = false;
    const loop = (async () => {
      while (!over) {
        const popup = grab(hostile, window, hostileSenses.seat, 0);
        for (let waited = 0; !over && !popup.done && waited < 50; waited++) await hostile.roundtrip();
        popup.popup.request('destroy');
      }
    })();
    senses.buttons = 0;
    for (let i = 0; i < CLICKS; i++) await click(siege, victim, senses, 500 + 10 * i);
    over = true;
    await loop;
    t.equal(senses.buttons, 2 * CLICKS, 'every press and every release arrives');
  });

  await t.test('one that answers a click of the user still grabs', async t => {
    await siege.user.move(200, 300);
    await siege.user.click();
    await hostile.roundtrip();
    t.ok(hostileSenses.buttonSerial > 0, 'the click arrived');
    const popup = grab(hostile, window, hostileSenses.seat, hostileSenses.buttonSerial);
    await hostile.roundtrip();
    await hostile.roundtrip();
    await hostile.roundtrip();
    t.notOk(popup.done, 'it is there');
    senses.buttons = 0;
    await click(siege, victim, senses, 600);
    await eventually('a click elsewhere dismisses it', () => popup.done);
    popup.popup.request('destroy');
  });
});
