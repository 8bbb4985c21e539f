/** Which fds pass a relay: those that are named, by a carrier of their kind, and no other. */
import t from 'tap';
import { checkFdKinds, fdKind, type FdKind } from '../../src/relay/carriers.js';
import { CAPTURE_GLOBALS, REMOTE_GLOBALS } from '../../src/relay/globals.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { Holdings } from '../holdings.js';
import { settle } from './peer.js';
import { between, madeBy } from './relay-between.js';

function memfd(size = 4096): OwnedFd {
  return new OwnedFd(native.memfd('virtwl-carriers-test', size, 0));
}

t.test('the fds that can come through a global', async t => {
  for (const [list, globals] of Object.entries({ 'a remote client': REMOTE_GLOBALS, capture: CAPTURE_GLOBALS })) {
    for (const name of globals.keys()) t.doesNotThrow(() => checkFdKinds([name]), `${name}, of the list for ${list}`);
  }
  t.doesNotThrow(() => checkFdKinds(['virtwl_memory_v1']), 'our own extension');

  t.throws(() => checkFdKinds(['wl_shm', 'wp_linux_drm_syncobj_manager_v1']), {
    message: /^wp_linux_drm_syncobj_manager_v1\.import_timeline has an fd, and nothing says what it is/,
  });
  t.throws(
    () => checkFdKinds(['zwp_linux_dmabuf_v1']),
    { message: /^zwp_linux_(buffer_params|dmabuf_feedback)_v1\.\w+ has an fd/ },
    'also one of an object that the global makes',
  );
  t.throws(() => checkFdKinds(['wl_seat', 'no_such_interface']), {
    message: 'no_such_interface is announced, and there is no table for it',
  });
});

t.test('each message that is named has one fd, and is in the tables', t => {
  const named: [string, FdKind][] = [];
  for (const { name, requests, events } of interfaces.values()) {
    for (const message of [...requests, ...events]) {
      const kind = fdKind(name, message.name);
      if (kind === undefined) continue;
      t.equal(message.fds, 1, `${name}.${message.name}`);
      named.push([`${name}.${message.name}`, kind]);
    }
  }
  t.same(
    named.sort(([a], [b]) => (a < b ? -1 : 1)),
    [
      ['gtk_primary_selection_offer.receive', 'sink'],
      ['gtk_primary_selection_source.send', 'sink'],
      ['virtwl_slab_v1.memory', 'memory'],
      ['wl_data_offer.receive', 'sink'],
      ['wl_data_source.send', 'sink'],
      ['wl_keyboard.keymap', 'keymap'],
      ['wl_shm.create_pool', 'memory'],
      ['zwp_primary_selection_offer_v1.receive', 'sink'],
      ['zwp_primary_selection_source_v1.send', 'sink'],
    ],
  );
  t.end();
});

t.test('an fd', async t => {
  t.test('is carried by the carrier of its kind and its way', async t => {
    const carried: string[] = [];
    const noting = (kind: FdKind) => (call: { message: { name: string } }, fd: OwnedFd) => {
      carried.push(`${kind} of ${call.message.name}`);
      return fd;
    };
    const b = await between(t, {
      toServer: { memory: noting('memory') },
      toClient: { keymap: noting('keymap') },
    });
    const shm = b.client.bind(b.registry, 1, 'wl_shm', 1);
    const seat = b.client.bind(b.registry, 2, 'wl_seat', 5);
    b.client.make(shm, 'create_pool', ['new', memfd(8192), 8192]);
    b.client.make(seat, 'get_keyboard');
    await settle();
    t.equal((b.compositor.last('wl_shm.create_pool').args[1] as OwnedFd).info().size, 8192);
    b.compositor.say(madeBy(b.compositor, 'wl_seat.get_keyboard'), 'keymap', [1, memfd(333), 333]);
    await settle();
    t.equal((b.client.last('wl_keyboard.keymap').args[1] as OwnedFd).info().size, 333);
    t.same(carried, ['memory of create_pool', 'keymap of keymap']);
  });

  t.test('that nothing names is not carried, and is closed', async t => {
    const held = new Holdings();
    const b = await between(t);
    const manager = b.client.bind(b.registry, 1, 'wp_linux_drm_syncobj_manager_v1', 1);
    await settle();
    b.client.make(manager, 'import_timeline', ['new', memfd()]);
    await b.client.isEnded();
    t.match(b.client.last('wl_display.error').args, [
      1,
      3,
      'virtwl: no fd of wp_linux_drm_syncobj_manager_v1.import_timeline is carried',
    ]);
    await b.compositor.isEnded();
    t.same(b.compositor.all('wp_linux_drm_syncobj_manager_v1.import_timeline'), []);
    t.equal(b.compositor.fdCount, 0);
    b.client.close();
    b.compositor.close();
    await held.assertSame(t);
  });

  t.test('of a kind that this way has no carrier for is not carried either', async t => {
    const b = await between(t, { toServer: { sink: (_call, fd) => fd } });
    const shm = b.client.bind(b.registry, 1, 'wl_shm', 1);
    b.client.make(shm, 'create_pool', ['new', memfd(), 4096]);
    await b.client.isEnded();
    t.match(b.client.last('wl_display.error').args[2], /no fd of wl_shm\.create_pool is carried/);
    t.equal(b.compositor.fdCount, 0);
  });
});
