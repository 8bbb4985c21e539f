/** The proxy's socket: a link for each application, and what happens when there is none. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { MAX_ARRIVING } from '../../src/client/arrivals.js';
import { ClientProxy } from '../../src/client/proxy.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { openDevice } from '../../src/virtwl/device.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';
import { Peer, settle } from '../relay/peer.js';
import { DrawnPool, FarEnd, LINK_GLOBALS, loopbackDirectory, nameOf, type AppAndLink } from './app-and-link.js';

const before = new Holdings();

interface Desk {
  readonly directory: string;
  readonly path: string;
  readonly proxy: ClientProxy;
  readonly problems: Error[];
  /** Far ends of the links, oldest first. */
  readonly far: FarEnd[];
  readonly server: UnixListener | null;
  connect(): Peer;
}

async function withProxy(
  t: Test,
  options: { readonly server?: string; readonly listening?: boolean; readonly globals?: typeof LINK_GLOBALS },
  body: (d: Desk) => Promise<void>,
): Promise<void> {
  const directory = loopbackDirectory(t);
  const held = new Holdings();
  const far: FarEnd[] = [];
  const peers: Peer[] = [];
  let server: UnixListener | null = null;
  if (options.listening !== false) {
    server = UnixListener.listen(join(directory, options.server ?? 'wayland'));
    server.on('connection', socket => far.push(new FarEnd(new Peer('compositor', socket), options.globals)));
  }
  const path = join(directory, 'app-socket');
  const proxy = new ClientProxy({
    device: openDevice({ loopback: directory }),
    path,
    ...(options.server !== undefined && { server: options.server }),
  });
  const problems: Error[] = [];
  proxy.on('problem', error => problems.push(error));
  try {
    await body({
      directory,
      path,
      proxy,
      problems,
      far,
      server,
      connect: () => {
        const peer = new Peer('client', UnixSocket.connect(path));
        peers.push(peer);
        return peer;
      },
    });
  } finally {
    proxy.close();
    for (const peer of peers) peer.close();
    for (const end of far) end.close();
    server?.close();
  }
  t.notOk(existsSync(path), 'the socket is gone');
  await held.assertSame(t);
}

/** An application that shows one frame of 10x10. */
async function showFrame(app: Peer): Promise<void> {
  const registry = app.make(1, 'get_registry');
  await app.roundtrip();
  const factory = app.bind(registry, nameOf('wl_compositor'), 'wl_compositor', 6);
  const shm = app.bind(registry, nameOf('wl_shm'), 'wl_shm', 1);
  const surface = app.make(factory, 'create_surface');
  const pool = new DrawnPool({ app, shm } as unknown as AppAndLink, 400);
  app.say(surface, 'attach', [pool.buffer(0, 10, 10), 0, 0]);
  app.say(surface, 'commit');
  await app.roundtrip();
  pool.close();
}

t.test('each application has a link of its own, and the sum of their work is counted', async t => {
  await withProxy(t, {}, async d => {
    const apps = [d.connect(), d.connect(), d.connect()];
    for (const app of apps) await showFrame(app);
    t.equal(d.proxy.connectionCount, 3);
    t.equal(d.far.length, 3);
    apps[0]!.close();
    await eventually('it is gone', () => d.proxy.connectionCount === 2);
    t.match(d.proxy.counters, { frames: 3, bytesCopied: 1200 });
    await eventually('with its link', () => d.far[0]!.peer.ended);
    apps[1]!.close();
    apps[2]!.close();
    await eventually('all are', () => d.proxy.connectionCount === 0);
    t.match(d.proxy.counters, { frames: 3, bytesCopied: 1200 });
    t.same(d.problems, [], 'leaving is no problem');
  });
});

t.test('more programs than may be on their way at a time are all served', async t => {
  await withProxy(t, {}, async d => {
    const apps = Array.from({ length: MAX_ARRIVING + 8 }, () => d.connect());
    for (const app of apps) app.make(1, 'get_registry');
    for (const app of apps) await app.roundtrip();
    t.equal(d.proxy.connectionCount, apps.length);
    t.equal(d.far.length, apps.length);
    t.equal(d.proxy.unansweredCount, 0);
    t.same(d.problems, []);
  });
});

t.test('an application that breaks the protocol is a problem to be read, and another is not disturbed', async t => {
  await withProxy(t, {}, async d => {
    const [bad, good] = [d.connect(), d.connect()];
    bad.words(77, 0);
    await bad.isEnded();
    t.match(bad.last('wl_display.error').args[2], /invalid object 77/);
    await eventually('it is told', () => d.problems.length === 1);
    t.match(d.problems, [{ message: 'invalid object 77' }]);
    await showFrame(good);
    t.equal(d.proxy.connectionCount, 1);
  });
});

t.test('where the host offers no such server, an application is turned away', async t => {
  await withProxy(t, { listening: false }, async d => {
    const app = d.connect();
    await app.isEnded();
    t.match(d.problems, [{ code: 'ENOENT', message: /cannot connect to the server "wayland"/ }]);
    t.equal(d.proxy.connectionCount, 0);
    const later = UnixListener.listen(join(d.directory, 'wayland'));
    const arrived: UnixSocket[] = [];
    later.on('connection', socket => arrived.push(socket));
    const second = d.connect();
    await eventually('the next one may find it', () => arrived.length === 1);
    t.equal(second.ended, false);
    for (const socket of arrived) socket.close();
    await second.isEnded();
    later.close();
  });
});

t.test('the server may have another name', async t => {
  await withProxy(t, { server: 'display' }, async d => {
    await showFrame(d.connect());
    t.equal(d.far.length, 1);
  });
});

t.test('without a glue at the other end and without an allocator, an application gets an error', async t => {
  const globals = LINK_GLOBALS.map(([name, version]): readonly [string, number] => [
    name === 'virtwl_memory_v1' ? 'xdg_wm_base' : name,
    version,
  ]);
  await withProxy(t, { globals }, async d => {
    const app = d.connect();
    await showFrame(app);
    t.match(app.last('wl_display.error').args, [1, 2, /cannot connect to the server "allocator"/]);
    await eventually('it is told', () => d.problems.length === 1);
  });
});

t.test('a proxy that closes takes everybody along', async t => {
  await withProxy(t, {}, async d => {
    const apps = [d.connect(), d.connect()];
    await showFrame(apps[0]!);
    await eventually('both are there', () => d.far.length === 2);
    d.proxy.close();
    for (const app of apps) await app.isEnded();
    for (const { peer } of d.far) await eventually('the link ends', () => peer.ended);
    t.equal(d.proxy.connectionCount, 0);
    t.same(d.problems, []);
    t.throws(() => UnixSocket.connect(d.path), { code: 'ENOENT' });
  });
});

t.test('a hundred applications that come and go leave nothing', async t => {
  await withProxy(t, {}, async d => {
    for (let i = 0; i < 100; i++) {
      const app = d.connect();
      const registry = app.make(1, 'get_registry');
      await settle(i % 6);
      if (i % 4 === 0) app.raw([registry, 0]);
      if (i % 4 === 1) d.far.at(-1)?.close();
      app.close();
    }
    await eventually('all are gone', () => d.proxy.connectionCount === 0);
    await eventually('and their links', () => d.far.every(({ peer }) => peer.ended || peer.socket.closed));
  });
});

t.test('a path that is taken is an error', async t => {
  const directory = loopbackDirectory(t);
  const taken = UnixListener.listen(join(directory, 'app-socket'));
  t.throws(
    () => new ClientProxy({ device: openDevice({ loopback: directory }), path: join(directory, 'app-socket') }),
    {
      code: 'EADDRINUSE',
    },
  );
  taken.close();
});

t.test('nothing is left behind', async t => before.assertSame(t));
