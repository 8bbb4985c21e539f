/**
 * Many clients of one VM with many buffers, on real sway: they lie in few slabs, none is refused or disconnected, and when
 * all have left, no slab and no descriptor is left. VIRTWL_TEST_CLIENTS says how many clients; 500 is the shown number.
 */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { LoopbackStack, statusOf } from '../../src/demo/loopback-stack.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { Display } from '../../src/wayland-client/display.js';
import { startSway } from '../compositors.js';
import { settled, withDescendants } from './nothing-left.js';
import { sharedProxy } from './shared-proxy.js';

const CLIENTS = Number(process.env.VIRTWL_TEST_CLIENTS ?? 60);
/** How long the last client may take to be gone everywhere, in milliseconds. */
const SETTLED_MS = 20_000;
const BUFFERS = 10;
const SIZE = 64;
/** What the buffers take, page for page. */
const BYTES = CLIENTS * BUFFERS * SIZE * SIZE * 4;

t.test(`${CLIENTS} clients with ${CLIENTS * BUFFERS} buffers in one VM`, { timeout: 300_000 }, async t => {
  const sway = await startSway(t, { width: 640, height: 480, config: 'workspace_layout stacking' });
  const stack = await LoopbackStack.start({ compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  const { proxy, path, log } = await sharedProxy(t, stack, sway.runtimeDir);
  const processes = [proxy.pid!, stack.parts.get('compositor')!.process.pid!, sway.process.pid!].flatMap(pid =>
    withDescendants(pid),
  );
  const descriptors = (): number[] => processes.map(pid => readdirSync(`/proc/${pid}/fd`).length);

  (await client(path)).close();
  await settled(stack, SETTLED_MS);
  const before = descriptors();

  const clients: Client[] = [];
  for (let i = 0; i < CLIENTS; i++) clients.push(await client(path));
  for (const each of clients) await each.display.roundtrip();
  t.equal(clients.filter(({ display }) => display.ended === undefined).length, CLIENTS, 'all are there');
  const { memory } = await statusOf(proxy);
  const { slabs, bytes } = await stack.status('compositor');
  t.same(slabs, { client: (memory as Memory).slabs });
  t.same(bytes, { client: (memory as Memory).bytes });
  const most = 12 + Math.ceil(BYTES / (16 << 20));
  t.ok((memory as Memory).slabs <= most, `${(memory as Memory).slabs} slabs, of at most ${most}`);
  t.ok((memory as Memory).bytes <= 2 * BYTES + (8 << 20), `${(memory as Memory).bytes} bytes for ${BYTES}`);
  t.comment(`slabs ${(memory as Memory).slabs}, bytes ${(memory as Memory).bytes} for ${BYTES}`);

  for (const each of clients) each.close();
  await settled(stack, SETTLED_MS);
  t.match(await stack.status('compositor-host'), { allocator: { used: 0, pieces: 0, refused: 0 } });
  t.match(await stack.status('compositor'), { clients: 0, bytes: {}, slabs: {} });
  t.match((await statusOf(proxy)).memory, { slabs: 0, bytes: 0, givenUp: 0 });
  t.same(descriptors(), before, 'no process has one more descriptor than before');
  t.notMatch(log(), /warning/);
});

interface Memory {
  readonly slabs: number;
  readonly bytes: number;
}

interface Client {
  readonly display: Display;
  close(): void;
}

/** A client with a window, and surfaces that have no role yet, each with a buffer in a pool of its own. */
async function client(path: string): Promise<Client> {
  const display = await Display.connect(UnixSocket.connect(path));
  const compositor = display.bind('wl_compositor', 4);
  const shm = display.bind('wl_shm', 1);
  const wm = display.bind('xdg_wm_base', 1);
  const bytes = SIZE * SIZE * 4;
  const surfaces = Array.from({ length: BUFFERS }, () => compositor.create('create_surface'));
  const xdg = wm.create('get_xdg_surface', surfaces[0]!);
  xdg.create('get_toplevel');
  surfaces[0]!.request('commit');
  const serial = await new Promise<number>(resolve => xdg.once('configure', resolve));
  xdg.request('ack_configure', serial);
  for (const surface of surfaces) {
    const pool = shm.create('create_pool', new OwnedFd(native.memfd('test', bytes, 0)), bytes);
    const buffer = pool.create('create_buffer', 0, SIZE, SIZE, SIZE * 4, 1);
    pool.request('destroy');
    surface.request('attach', buffer, 0, 0);
    surface.request('damage_buffer', 0, 0, SIZE, SIZE);
    surface.request('commit');
  }
  await display.roundtrip();
  return { display, close: () => display.close() };
}
