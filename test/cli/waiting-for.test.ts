/** Which reason is told for which state of the way, and when there is none. */
import t from 'tap';
import { reasonOf, waitedFor } from '../../src/cli/waiting-for.js';

t.test('why applications wait', async t => {
  const wait = { server: 'wayland', way: 'there', unanswered: 0, everAnswered: false, silent: false } as const;
  t.equal(reasonOf(wait), undefined, 'a compositor is there, and nobody wants it yet');
  t.equal(reasonOf({ ...wait, way: 'unknown' }), undefined, 'nobody says, and nobody wants it yet');
  t.match(reasonOf({ ...wait, way: 'no broker' }), /broker on the host does not answer/, 'it is told beforehand');
  t.match(reasonOf({ ...wait, way: 'no compositor' }), /virtwl compositor/);
  t.match(reasonOf({ ...wait, way: 'no compositor VM' }), /knows no compositor VM/);
  t.match(reasonOf({ ...wait, way: 'no host' }), /host process of this VM is gone/);
  t.equal(reasonOf({ ...wait, way: 'no broker', everAnswered: true }), undefined, 'who is served needs no broker');
  t.match(reasonOf({ ...wait, way: 'no broker', everAnswered: true, unanswered: 1 }), /broker/, 'the next one does');
  t.match(reasonOf({ ...wait, unanswered: 1 }), /compositor does not answer/);
  t.match(reasonOf({ ...wait, way: 'unknown', unanswered: 1 }), /this host does not say which/);
  const silent = { ...wait, everAnswered: true, silent: true };
  t.match(reasonOf(silent), /^connected, and the compositor does not answer: it hangs, or its VM is paused$/);
  t.match(reasonOf({ ...silent, way: 'no broker' }), /^connected/, 'who is connected needs no broker');
  t.match(reasonOf({ ...silent, way: 'no broker', unanswered: 1 }), /broker/, 'the next one does');
  t.equal(waitedFor(silent), 'answer');
  t.equal(waitedFor({ ...wait, way: 'no broker' }), 'broker');
  t.equal(waitedFor({ ...wait, way: 'no compositor VM' }), 'compositor');
  t.equal(waitedFor({ ...wait, way: 'no host' }), 'host');
  t.equal(waitedFor({ ...wait, unanswered: 1 }), 'answer');
  t.match(reasonOf({ ...wait, server: 'display', way: 'unknown', unanswered: 1 }), /"display" does not answer/);
});
