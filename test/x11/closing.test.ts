/** What becomes of a window that is to be closed, once and again; that real programs are asked, `windows.test.ts` has. */
import t from 'tap';
import { Closing, UNANSWERED_MS } from '../../src/x11/closing.js';
import { XWindow } from '../../src/x11/window.js';

const atoms = { WM_DELETE_WINDOW: 1, WM_PROTOCOLS: 2, _NET_WM_PING: 3 };
const KILL_CLIENT = 113;

/** A window of a client that understands these protocols; what is said to it; a clock that is set, since it is about time. */
function windowThatKnows(...protocols: number[]): {
  window: XWindow;
  closing: Closing;
  said: (string | number)[];
  clock: { at: number };
} {
  const said: (string | number)[] = [];
  const clock = { at: 1000 };
  const send = (request: Uint8Array): void => {
    // The first word of a ClientMessage, which SendEvent has at its end.
    said.push(request[0] === KILL_CLIENT ? 'killed' : request[12 + 12]!);
  };
  const window = new XWindow(77, { x: 0, y: 0, width: 1, height: 1 }, false);
  window.properties.protocols = protocols;
  return { window, closing: new Closing({ x: { send }, atoms, now: () => clock.at }), said, clock };
}

t.test('a window is asked to close, and its program whether it listens', t => {
  const { window, closing, said } = windowThatKnows(atoms.WM_DELETE_WINDOW, atoms._NET_WM_PING);
  closing.close(window);
  t.same(said, [atoms.WM_DELETE_WINDOW, atoms._NET_WM_PING]);
  closing.close(window);
  t.same(said.slice(2), [atoms.WM_DELETE_WINDOW], 'it is asked once');
  t.end();
});

t.test(`a program that has not answered for ${UNANSWERED_MS} ms ends when its window is closed again`, t => {
  const { window, closing, said, clock } = windowThatKnows(atoms.WM_DELETE_WINDOW, atoms._NET_WM_PING);
  closing.close(window);
  clock.at += UNANSWERED_MS - 1;
  closing.close(window);
  t.notOk(said.includes('killed'), 'not before');
  clock.at += 1;
  closing.close(window);
  t.equal(said.at(-1), 'killed');
  t.end();
});

t.test('a program that has answered does not, however long it asks the user', t => {
  const { window, closing, said, clock } = windowThatKnows(atoms.WM_DELETE_WINDOW, atoms._NET_WM_PING);
  closing.close(window);
  closing.answered(window);
  clock.at += UNANSWERED_MS * 100;
  closing.close(window);
  t.same(said.slice(2), [atoms.WM_DELETE_WINDOW, atoms._NET_WM_PING], 'it is asked again');
  t.end();
});

t.test('one that knows of no question is asked none, one that cannot be asked to close ends', t => {
  const patient = windowThatKnows(atoms.WM_DELETE_WINDOW);
  patient.closing.close(patient.window);
  patient.clock.at += UNANSWERED_MS * 2;
  patient.closing.close(patient.window);
  t.same(patient.said, [atoms.WM_DELETE_WINDOW, atoms.WM_DELETE_WINDOW]);
  const plain = windowThatKnows(atoms._NET_WM_PING);
  plain.closing.close(plain.window);
  t.same(plain.said, ['killed']);
  t.end();
});
