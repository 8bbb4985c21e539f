/**
 * A compositor that is stopped while an application draws: it reads nothing and releases nothing. The application's
 * buffers stay busy, memory stays bounded, and what was drawn last is shown when the compositor goes on.
 */
import t from 'tap';
import { MAX_UNREAD_LINK_BUFFERS } from '../../src/client/app-surface.js';
import { settle } from '../relay/peer.js';
import { connectApp, DrawnPool } from './app-and-link.js';

const FRAMES = 40;

for (const sizes of ['one size', 'another size each time'] as const) {
  t.test(`frames of ${sizes} at a stopped compositor`, async t => {
    const c = await connectApp(t);
    const { far, app } = c;
    const answer = far.peer.answer;
    const unread: number[] = [];
    far.peer.answer = received => {
      if (received.name === 'wl_display.sync') unread.push(received.args[0] as number);
      else answer(received);
    };
    const surface = app.make(c.factory, 'create_surface');
    const pool = new DrawnPool(c, 4 * 64 * 64 * FRAMES);
    const buffers: number[] = [];
    for (let i = 0; i < FRAMES; i++) {
      const side = sizes === 'one size' ? 64 : 24 + i;
      const offset = i * 4 * 64 * 64;
      pool.bytes.fill(i + 1, offset, offset + 4 * side * side);
      const buffer = pool.buffer(offset, side, side);
      buffers.push(buffer);
      app.say(surface, 'attach', [buffer, 0, 0]);
      app.say(surface, 'damage_buffer', [0, 0, side, side]);
      app.say(surface, 'commit');
    }
    await settle();
    const shown = () => [...far.surfaces.values()][0]!;
    t.equal(far.held.length, MAX_UNREAD_LINK_BUFFERS, 'so many buffers are busy, and no more');
    t.equal(shown().commits, MAX_UNREAD_LINK_BUFFERS);
    t.same(c.ends, []);
    t.equal(unread.length, 1, 'the compositor is asked once');

    // It goes on: each sync is answered, and each buffer but the last is released.
    for (let i = 0; i < 4 * FRAMES && shown().commits < FRAMES; i++) {
      for (const id of unread.splice(0)) {
        far.peer.say(id, 'done', [0]);
        far.peer.say(1, 'delete_id', [id]);
      }
      if (i % 2 === 0) while (far.held.length > 1) far.release(far.held[0]!);
      await settle();
    }
    t.equal(shown().commits, FRAMES, 'every commit arrives');
    t.ok(
      far.pixels(shown().shown!).every(byte => byte === FRAMES),
      'the last picture is shown',
    );
    t.same(c.ends, []);
    t.same(far.mistakes, []);
    pool.close();
  });
}
