/**
 * A thousand clients come and go, orderly and otherwise; afterwards no process holds one more descriptor or mapping
 * than before, and the allocator's books say zero.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import t from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { Display } from '../../src/wayland-client/display.js';
import { startSway } from '../compositors.js';
import { settled, withDescendants } from './nothing-left.js';
import { sharedProxy } from './shared-proxy.js';

const CLIENTS = 1_000;
/** How long the last client may take to be gone everywhere, in milliseconds. */
const SETTLED_MS = 10_000;
/** Clients at the same time. */
const TOGETHER = 20;
const SIZE = 64;

t.test(`${CLIENTS} clients`, { timeout: 300_000 }, async t => {
  const sway = await startSway(t, { width: 640, height: 480 });
  const stack = await LoopbackStack.start({ compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  const { proxy, path } = await sharedProxy(t, stack, sway.runtimeDir);
  const started: [string, number][] = [
    ...[...stack.parts.values()].map(part => [part.name, part.process.pid] as [string, number]),
    ['proxy', proxy.pid!],
    ['sway', sway.process.pid!],
  ];
  // What is confined runs as a child of what was started, and so does a compositor that may not be root.
  const processes = started.flatMap(([name, pid]) =>
    withDescendants(pid).map((each, i) => [i === 0 ? name : `${name}, descendant ${i}`, each] as const),
  );
  const holdings = (): Record<string, Holdings> =>
    Object.fromEntries(processes.map(([name, pid]) => [name, holdingsOf(pid)]));

  await comeAndGo(path, 100);
  await settled(stack, SETTLED_MS);
  const before = holdings();
  await comeAndGo(path, CLIENTS);
  await settled(stack, SETTLED_MS);
  const after = holdings();

  for (const [name] of processes) {
    t.equal(after[name]?.descriptors.length, before[name]?.descriptors.length, `${name}: descriptors`);
    t.equal(after[name]?.sharedMappings, before[name]?.sharedMappings, `${name}: mappings of shared memory`);
  }
  const host = await stack.status('compositor-host');
  t.match(host.allocator, { used: 0, pieces: 0 }, "the allocator's books say zero");
  t.match(await stack.status('compositor'), { clients: 0, bytes: {} }, 'the glue has no client and no bytes');
});

/** Lets `count` clients draw and leave: a third orderly, a third without a word, a third in the middle of a request. */
async function comeAndGo(path: string, count: number): Promise<void> {
  for (let first = 0; first < count; first += TOGETHER) {
    await Promise.all(
      Array.from({ length: Math.min(TOGETHER, count - first) }, (_, i) => oneClient(path, (first + i) % 3)),
    );
  }
}

async function oneClient(path: string, manner: number): Promise<void> {
  const channel = UnixSocket.connect(path);
  const display = await Display.connect(channel);
  const compositor = display.bind('wl_compositor', 4);
  const shm = display.bind('wl_shm', 1);
  const surface = compositor.create('create_surface');
  const bytes = SIZE * SIZE * 4;
  const pool = shm.create('create_pool', new OwnedFd(native.memfd('test', bytes, 0)), bytes);
  const buffer = pool.create('create_buffer', 0, SIZE, SIZE, SIZE * 4, 1);
  surface.request('attach', buffer, 0, 0);
  surface.request('damage_buffer', 0, 0, SIZE, SIZE);
  surface.request('commit');
  if (manner === 0) {
    buffer.request('destroy');
    pool.request('destroy');
    surface.request('destroy');
    await display.roundtrip();
  } else if (manner === 1) {
    await display.roundtrip();
  } else {
    display.flush();
    // The first half of another request.
    channel.send(Uint8Array.of(1, 0, 0, 0, 0, 0));
  }
  display.close();
}

interface Holdings {
  readonly descriptors: string[];
  readonly sharedMappings: number;
}

function holdingsOf(pid: number): Holdings {
  const descriptors = readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return { descriptors, sharedMappings: maps.filter(line => / [r-][w-][x-]s /.test(line)).length };
}
