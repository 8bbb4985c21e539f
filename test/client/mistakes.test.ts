/**
 * Mistakes with pools, buffers and surfaces, on a real compositor: what the proxy keeps on its side is refused where and
 * as the compositor refuses it, by the same interface and the same code, and what the compositor takes is taken.
 */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { AllocatorClient } from '../../src/allocator/client.js';
import { AppConnection } from '../../src/client/app-connection.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { openDevice } from '../../src/virtwl/device.js';
import { Memory } from '../../src/virtwl/vfd.js';
import { Transfers } from '../../src/relay/transfers.js';
import { Display, WaylandProtocolError } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { startSway } from '../compositors.js';

const POOL_BYTES = 65_536;

/** Memory for link buffers, without an allocator. */
const allocator = {
  allocate: (bytes: number) => Promise.resolve(new Memory(native.memfd('virtwl-mistakes', bytes, 0), bytes)),
} as unknown as AllocatorClient;

function makePool(display: Display, size: number, fileBytes = POOL_BYTES): WaylandObject<'wl_shm_pool'> {
  const fd = new OwnedFd(native.memfd('virtwl-mistakes', fileBytes, 0));
  return display.bindOnce('wl_shm', 1).create('create_pool', fd, size);
}

/** A buffer in a pool of 64 KiB: offset, width, height, stride, format. */
function buffer(...args: [number, number, number, number, number]): (display: Display) => void {
  return display => void makePool(display, POOL_BYTES).create('create_buffer', ...args);
}

/** A window that commits a buffer of `width` x 16 pixels of four bytes, and has been drawn. */
async function show(
  display: Display,
  pool: WaylandObject<'wl_shm_pool'>,
  width: number,
  stride: number,
  offset = 0,
): Promise<void> {
  const surface = display.bindOnce('wl_compositor', 4).create('create_surface');
  const xdg = display.bindOnce('xdg_wm_base', 1).create('get_xdg_surface', surface);
  xdg.create('get_toplevel');
  surface.request('commit');
  await display.until<void>(resolve =>
    xdg.once('configure', (serial: number) => (xdg.request('ack_configure', serial), resolve())),
  );
  surface.request('attach', pool.create('create_buffer', offset, width, 16, stride, 1), 0, 0);
  // Twice: sway tells of a frame before it finds out that its file does not have the memory.
  for (let i = 0; i < 2; i++) {
    const frame = surface.create('frame');
    surface.request('damage', 0, 0, width, 16);
    surface.request('commit');
    await display.until<void>(resolve => frame.once('done', () => resolve()));
  }
}

/** A surface of 16 x 16 pixels without a role, before its commit. */
function attached(display: Display): WaylandObject<'wl_surface'> {
  const surface = display.bindOnce('wl_compositor', 4).create('create_surface');
  surface.request('attach', makePool(display, POOL_BYTES).create('create_buffer', 0, 16, 16, 64, 1), 0, 0);
  return surface;
}

const CASES: Record<string, (display: Display) => void | Promise<void>> = {
  'a pool of no size': display => void makePool(display, 0),
  'a pool of a negative size': display => void makePool(display, -1),
  'a pool of the lowest size': display => void makePool(display, -0x80000000),
  'a pool of something that has no memory': display => {
    const [read, write] = native.pipe();
    native.close(write);
    display.bindOnce('wl_shm', 1).create('create_pool', new OwnedFd(read), POOL_BYTES);
  },
  'a pool longer than its file': display => void makePool(display, 2 * POOL_BYTES),
  'a pool that stays as it is': display => makePool(display, POOL_BYTES).request('resize', POOL_BYTES),
  'a pool that grows': display => makePool(display, POOL_BYTES).request('resize', 2 * POOL_BYTES),
  'a pool that shrinks': display => makePool(display, POOL_BYTES).request('resize', POOL_BYTES - 1),
  'a pool that shrinks to nothing': display => makePool(display, POOL_BYTES).request('resize', 0),
  'a pool that shrinks below nothing': display => makePool(display, POOL_BYTES).request('resize', -1),
  'the whole pool': buffer(0, 128, 128, 512, 0),
  'an unknown format': buffer(0, 16, 16, 64, 2),
  'an unknown format of no size': buffer(0, 0, 0, 0, 0xffffffff),
  'no width': buffer(0, 0, 16, 64, 0),
  'a negative width': buffer(0, -1, 16, 64, 0),
  'no height': buffer(0, 16, 0, 64, 0),
  'a negative height': buffer(0, 16, -1, 64, 0),
  'no stride': buffer(0, 16, 16, 0, 0),
  'a negative stride': buffer(0, 16, 16, -64, 0),
  'a stride below the width': buffer(0, 16, 16, 15, 0),
  'a stride below the row': buffer(0, 16, 16, 63, 0),
  'a stride of a pixel a row too few': buffer(0, 16, 16, 60, 0),
  'a stride that is no whole word': buffer(0, 16, 16, 66, 0),
  'a negative offset': buffer(-1, 16, 16, 64, 0),
  'an offset behind the pool': buffer(POOL_BYTES, 16, 16, 64, 0),
  'a byte behind the pool': buffer(1, 128, 128, 512, 0),
  'a row behind the pool': buffer(0, 128, 129, 512, 0),
  'stride times height that overflows': buffer(0, 1, 0x10000, 0x10000, 0),
  'a picture': async display => show(display, makePool(display, POOL_BYTES), 16, 64),
  'a picture with a stride below the row': async display => show(display, makePool(display, POOL_BYTES), 16, 60),
  'a picture of memory that its file does not have': async display =>
    show(display, makePool(display, 2 * POOL_BYTES), 16, 64, POOL_BYTES),
  'a picture of memory that its file does not have, after growth': async display => {
    const pool = makePool(display, POOL_BYTES);
    pool.request('resize', 2 * POOL_BYTES);
    return show(display, pool, 16, 64, POOL_BYTES);
  },
  'a negative damage': display => {
    const surface = attached(display);
    surface.request('damage', 0, 0, -5, -5);
    surface.request('damage_buffer', 5, 5, -0x80000000, 1);
    surface.request('commit');
  },
  'a scale of nothing': display => attached(display).request('set_buffer_scale', 0),
  'a transform that there is not': display => attached(display).request('set_buffer_transform', 8),
  'a buffer that is not of a multiple of the scale': display => {
    const surface = attached(display);
    surface.request('set_buffer_scale', 3);
    surface.request('commit');
  },
  'a buffer before the first configure': display => {
    const surface = display.bindOnce('wl_compositor', 4).create('create_surface');
    display.bindOnce('xdg_wm_base', 1).create('get_xdg_surface', surface).create('get_toplevel');
    surface.request('attach', makePool(display, POOL_BYTES).create('create_buffer', 0, 16, 16, 64, 1), 0, 0);
    surface.request('commit');
  },
  'a role for a surface that has a buffer': display => {
    const surface = attached(display);
    surface.request('commit');
    display.bindOnce('xdg_wm_base', 1).create('get_xdg_surface', surface);
  },
  'a role for a surface that a buffer waits for': display => {
    display.bindOnce('xdg_wm_base', 1).create('get_xdg_surface', attached(display));
  },
  'a source that lies outside of the buffer': display => {
    const surface = attached(display);
    display.bindOnce('wp_viewporter', 1).create('get_viewport', surface).request('set_source', 8, 8, 16, 16);
    surface.request('commit');
  },
  'a destination that is a crop of half a pixel': display => {
    const surface = attached(display);
    display.bindOnce('wp_viewporter', 1).create('get_viewport', surface).request('set_source', 0, 0, 1.5, 1.5);
    surface.request('commit');
  },
};

/**
 * What wlroots says since 0.16, which has its own wl_shm and no longer libwayland's: it looks at the size of pools and at
 * strides more closely, and draws nothing where a file ends. The proxy answers as libwayland does.
 */
const SINCE_0_16: Readonly<Record<string, string>> = {
  'a pool that shrinks': 'wl_shm_pool 1',
  'a pool that shrinks to nothing': 'wl_shm_pool 1',
  'a pool that shrinks below nothing': 'wl_shm_pool 1',
  'an unknown format of no size': 'wl_shm_pool 1',
  'a stride below the row': 'wl_shm_pool 1',
  'a stride of a pixel a row too few': 'wl_shm_pool 1',
  'a stride that is no whole word': 'wl_shm_pool 1',
  'a picture with a stride below the row': 'wl_shm_pool 1',
  'a picture of memory that its file does not have': 'taken',
  'a picture of memory that its file does not have, after growth': 'taken',
};

/** What comes of it: the interface and the code of the error, or that there is none. */
async function outcome(socket: UnixSocket, mistake: (display: Display) => void | Promise<void>): Promise<string> {
  const display = await Display.connect(socket);
  try {
    await mistake(display);
    await display.roundtrip();
    return 'taken';
  } catch (error) {
    if (!(error instanceof WaylandProtocolError)) throw error;
    return `${error.interfaceName} ${error.code}`;
  } finally {
    display.close();
  }
}

t.test('mistakes are answered as the compositor answers them', async t => {
  const sway = await startSway(t);
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-mistakes-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  symlinkSync(sway.display, join(directory, 'display'));
  const device = openDevice({ loopback: directory });
  for (const [what, mistake] of Object.entries(CASES)) {
    await t.test(what, async t => {
      const direct = await outcome(UnixSocket.connect(sway.display), mistake);
      const [ours, theirs] = UnixSocket.pair();
      const transfers = new Transfers(device);
      const connection = new AppConnection(theirs, device.connect('display'), {
        transfers,
        allocator: () => allocator,
      });
      try {
        const said = await outcome(ours, mistake);
        t.ok(said === direct || direct === SINCE_0_16[what], `${said}, directly ${direct}`);
      } finally {
        connection.close();
        transfers.close();
      }
    });
  }
});
