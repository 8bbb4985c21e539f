/**
 * A program that has the selection written into a file and leaves at once, before any of it is there: what `clip >FILE`
 * of a script does. Arguments: the mime type and the file.
 */
import { openSync } from 'node:fs';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { Display, displayPath } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';

const SIDE = 64;

const [type = '', file = ''] = process.argv.slice(2);
const display = await Display.connect(displayPath());
const devices = display.bind('wl_data_device_manager', 1);
const device = devices.create('get_data_device', display.bind('wl_seat', 1));
const selection = new Promise<WaylandObject<'wl_data_offer'>>(resolve =>
  device.on('selection', offer => {
    if (offer !== undefined) resolve(offer);
  }),
);

// What has no window has no focus, and what has no focus no selection.
const surface = display.bind('wl_compositor', 4).create('create_surface');
const xdgSurface = display.bind('xdg_wm_base', 1).create('get_xdg_surface', surface);
xdgSurface.create('get_toplevel');
const bytes = SIDE * SIDE * 4;
const pool = display.bind('wl_shm', 1).create('create_pool', new OwnedFd(native.memfd('test', bytes, 0)), bytes);
const buffer = pool.create('create_buffer', 0, SIDE, SIDE, SIDE * 4, 1);
xdgSurface.on('configure', serial => {
  xdgSurface.request('ack_configure', serial);
  surface.request('attach', buffer, 0, 0);
  surface.request('damage', 0, 0, SIDE, SIDE);
  surface.request('commit');
});
surface.request('commit');

(await selection).request('receive', type, new OwnedFd(openSync(file, 'w')));
await display.roundtrip();
display.close();
process.exit();
