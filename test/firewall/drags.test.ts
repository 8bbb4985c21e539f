/**
 * Drags over a VM that may not read the clipboard (policy `clipboard write`). What the user drops onto one of its windows
 * is its own; a drag that only passes is none of its business: neither that there is one, nor of what kind.
 */
import t from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import type { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { eventually } from '../eventually.js';
import { SIEGE } from './siege.js';
import { answered, HOSTILE, Siege, VICTIM } from './siege.js';
import { Senses, Window } from './window.js';
import { WlDataDeviceManagerDndAction } from '../../src/wayland/protocols/wayland.js';

const TYPE = 'secret/type';
const SECRET = Buffer.from('the secret');
const COPY = WlDataDeviceManagerDndAction.copy;

/** What a client is told about drags. */
class Target {
  readonly received: string[] = [];
  readonly types: string[] = [];
  offer: WaylandObject<'wl_data_offer'> | undefined;
  dropped = false;
  constructor(device: WaylandObject<'wl_data_device'>) {
    device.on('data_offer', offer => {
      this.received.push('data_offer');
      this.offer = offer;
      offer.on('offer', (type: string) => this.types.push(type));
    });
    device.on('enter', (serial: number) => {
      this.received.push('enter');
      // As a good client does, who would like to have it.
      this.offer?.request('accept', serial, TYPE);
      this.offer?.request('set_actions', COPY, COPY);
    });
    device.on('motion', () => this.received.push('motion'));
    device.on('leave', () => this.received.push('leave'));
    device.on('drop', () => {
      this.received.push('drop');
      this.dropped = true;
    });
  }
}

async function client(siege: Siege, vm: string, colour: number) {
  const display = await siege.connect(vm);
  const senses = new Senses(display);
  const device = display.bindOnce('wl_data_device_manager', 3).create('get_data_device', senses.seat);
  const window = await Window.open(display, colour, vm);
  return { display, senses, device, window };
}

/** The victim begins to drag on its own window, at the right. Returns how often it was asked for the data. */
async function drag(siege: Siege, { display, senses, device, window }: Awaited<ReturnType<typeof client>>) {
  await siege.user.move(600, 300);
  await siege.user.move(610, 300);
  await answered(display);
  senses.buttonSerial = 0;
  await siege.user.press();
  await eventually('the press arrives', () => senses.buttonSerial > 0);
  const source = display.bindOnce('wl_data_device_manager', 3).create('create_data_source');
  const asked = { times: 0 };
  source.on('send', (_type: string, fd: OwnedFd) => {
    asked.times += 1;
    native.write(fd.fd, SECRET, 0, SECRET.length);
    fd.close();
  });
  source.request('offer', TYPE);
  source.request('set_actions', COPY);
  device.request('start_drag', source, window.surface, undefined, senses.buttonSerial);
  await answered(display);
  return asked;
}

async function read(display: Display, offer: WaylandObject<'wl_data_offer'>): Promise<string> {
  const [reading, writing] = native.pipe();
  const fd = new OwnedFd(reading);
  offer.request('receive', TYPE, new OwnedFd(writing));
  await answered(display);
  const buffer = new Uint8Array(100);
  let length = -1;
  await eventually('the data comes, or its end', () => (length = native.read(fd.fd, buffer)) >= 0).catch(
    () => undefined,
  );
  fd.close();
  return Buffer.from(buffer.subarray(0, Math.max(length, 0))).toString();
}

t.test('drags over a VM that may not read the clipboard', SIEGE, async t => {
  const siege = await Siege.begin(t, { policies: { [HOSTILE]: 'clipboard write\n' } });
  const hostile = await client(siege, HOSTILE, 0xa02020);
  const victim = await client(siege, VICTIM, 0x2040a0);
  const target = new Target(hostile.device);
  await siege.screen.still('both windows');

  await t.test('one that passes', async t => {
    const asked = await drag(siege, victim);
    for (let x = 600; x >= 100; x -= 50) await siege.user.move(x, 300);
    await answered(hostile.display);
    await answered(hostile.display);
    if (target.offer !== undefined) t.equal(await read(hostile.display, target.offer), '', 'it cannot be read');
    for (let x = 100; x <= 600; x += 50) await siege.user.move(x, 300);
    await siege.user.release();
    await answered(victim.display);
    await answered(hostile.display);
    t.strictSame(target.received, [], 'the VM that it passes receives nothing of it');
    t.strictSame(target.types, [], 'and not of what kind it is');
    t.equal(asked.times, 0, 'nobody asked for the data');
  });

  await t.test('one that is dropped there', async t => {
    const asked = await drag(siege, victim);
    for (let x = 600; x >= 100; x -= 50) await siege.user.move(x, 300);
    await answered(hostile.display);
    t.equal(asked.times, 0, 'nobody has asked for the data yet');
    await siege.user.release();
    await answered(victim.display);
    await eventually('the drop is told', () => target.dropped).catch(() => undefined);
    t.ok(target.dropped, 'the VM that it is dropped on is told');
    t.ok(target.offer !== undefined && target.types.includes(TYPE), 'and of what kind it is');
    if (target.offer !== undefined) t.equal(await read(hostile.display, target.offer), SECRET.toString(), 'and has it');
  });
});
