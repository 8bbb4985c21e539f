/**
 * A program of the suite: a window of one colour from which a file can be dragged, as from a file manager.
 *
 *   node file-source.js PATH
 */
import { pathToFileURL } from 'node:url';
import { native } from '../../src/system/native.js';
import { Display, displayPath } from '../../src/wayland-client/display.js';
import { WlDataDeviceManagerDndAction } from '../../src/wayland/protocols/wayland.js';
import { Senses, Window } from '../firewall/window.js';

const COPY = WlDataDeviceManagerDndAction.copy;
const LEFT = 0x110;

const path = process.argv[2]!;
const display = await Display.connect(displayPath());
const manager = display.bindOnce('wl_data_device_manager', 3);
const senses = new Senses(display);
const device = manager.create('get_data_device', senses.seat);
const window = await Window.open(display, 0x305070, 'file source');
const pointer = senses.seat.create('get_pointer');
pointer.on('button', (serial: number, _time: number, button: number, state: number) => {
  if (button !== LEFT || state !== 1) return;
  const source = manager.create('create_data_source');
  source.on('send', (_type, fd) => {
    const uris = Buffer.from(`${pathToFileURL(path).href}\r\n`);
    native.write(fd.fd, uris, 0, uris.length);
    fd.close();
  });
  source.on('dnd_finished', () => source.request('destroy'));
  source.request('offer', 'text/uri-list');
  source.request('set_actions', COPY);
  device.request('start_drag', source, window.surface, undefined, serial);
});
await new Promise<void>(resolve => display.once('end', () => resolve()));
