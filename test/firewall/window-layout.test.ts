/** Layouts of windows hold from the commit on that knows them. */
import t from 'tap';
import { Layout, MAX_PENDING_LAYOUTS } from '../../src/firewall/window-layout.js';

t.test('a layout is said, sent, acknowledged, and committed', async t => {
  const layout = new Layout();
  layout.announce(true);
  layout.commit();
  t.equal(layout.full, false, 'said');
  layout.send(7);
  layout.commit();
  t.equal(layout.full, false, 'sent');
  layout.acknowledge(7);
  t.equal(layout.full, false, 'acknowledged');
  layout.commit();
  t.equal(layout.full, true);
});

t.test('serials begin anew after the largest', async t => {
  const layout = new Layout();
  layout.announce(true);
  layout.send(0xffff_ffff);
  layout.announce(false);
  layout.send(0);
  layout.acknowledge(0xffff_ffff);
  layout.commit();
  t.equal(layout.full, true);
  layout.acknowledge(0);
  layout.commit();
  t.equal(layout.full, false);
});

/** A window whose client is silent while the compositor says so many layouts, the first of which fills the screen. */
function afterSilence(layouts: number): Layout {
  const layout = new Layout();
  for (let serial = 1; serial <= layouts; serial++) {
    layout.announce(serial % 2 === 1);
    layout.send(serial);
    layout.announce(serial % 2 === 1);
    layout.send(serial);
  }
  layout.acknowledge(1);
  layout.commit();
  return layout;
}

t.test('so many wait', async t => {
  t.equal(afterSilence(MAX_PENDING_LAYOUTS).full, true);
  const layout = afterSilence(MAX_PENDING_LAYOUTS + 1);
  t.equal(layout.full, false, 'what the oldest was is forgotten');
  layout.acknowledge(MAX_PENDING_LAYOUTS + 1);
  layout.commit();
  t.equal(layout.full, true, 'what the newest is, is not');
});
