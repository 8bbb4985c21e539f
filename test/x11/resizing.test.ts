/**
 * Clients that count the sizes that they have drawn, and those that say so and do not. A real client on a real server is in
 * `windows.test.ts`; here it is about order and time, so what the server would be told is looked at.
 */
import t, { type Test } from 'tap';
import type { Atoms } from '../../src/x11/atoms.js';
import { parseEvent } from '../../src/x11/events.js';
import { Resizing } from '../../src/x11/resizing.js';
import type { Toplevel } from '../../src/x11/toplevel.js';
import { XWindow } from '../../src/x11/window.js';
import { words } from '../../src/x11/wire.js';
import { eventually } from '../eventually.js';

const atoms = { WM_PROTOCOLS: 2, CARDINAL: 6, _NET_WM_SYNC_REQUEST: 3, _XWAYLAND_ALLOW_COMMITS: 4 } as Atoms;
const extension = { opcode: 140, firstEvent: 90 };
const COUNTER = 5;
const LONG_MS = 600_000;

interface Case {
  readonly window: XWindow;
  readonly resizing: Resizing;
  readonly said: string[];
  resize(width: number): void;
  /** The counter has a value. */
  counts(value: number, code?: number): void;
}

function windowThatCounts(t: Test, syncMs: number, protocols = [atoms._NET_WM_SYNC_REQUEST]): Case {
  const said: string[] = [];
  let alarm = 0;
  const word = (request: Uint8Array, at: number): number => Buffer.from(request).readUInt32LE(at);
  const send = (request: Uint8Array): void => {
    const [opcode, own] = request;
    if (opcode === 18) said.push(word(request, 24) === 0 ? 'hold' : 'show');
    else if (opcode === 25) said.push(`asked ${word(request, 12 + 20)}`);
    else if (opcode === 12) said.push(`width ${word(request, 12 + 8)}`);
    else if (opcode === extension.opcode && own === 8) alarm = word(request, 4);
  };
  const window = new XWindow(77, { x: 0, y: 0, width: 100, height: 100 }, false);
  window.properties.protocols = protocols;
  window.properties.syncCounter = COUNTER;
  window.toplevel = { shown: true } as Toplevel;
  const resizing = new Resizing({ x: { send, newId: () => 1000 }, atoms, extension, syncMs });
  t.teardown(() => resizing.forget(window));
  return {
    ...{ window, resizing, said },
    resize: width => resizing.resize(window, { x: 0, y: 0, width, height: 100 }),
    counts: (value, code = extension.firstEvent + 1) => {
      const event = new Uint8Array(32);
      event[0] = code;
      event.set(words([alarm, 0, value]), 4);
      resizing.event(parseEvent(event));
    },
  };
}

t.test('nothing of the window is shown from before the client is told of a size until it has drawn it', t => {
  const { window, resizing, said, resize, counts } = windowThatCounts(t, LONG_MS);
  resize(200);
  t.same(said, ['hold', 'asked 1', 'width 200']);
  counts(0);
  counts(1, extension.firstEvent);
  counts(1, 0x80 | (extension.firstEvent + 1));
  resizing.shown(window, window.geometry);
  t.equal(said.length, 3, 'neither an old number, nor another event, nor what a client made up');
  counts(1);
  t.same(said.slice(3), ['show']);
  t.end();
});

t.test('a size that comes meanwhile is the next one, after the picture; of several it is the last', t => {
  const { window, resizing, said, resize, counts } = windowThatCounts(t, LONG_MS);
  resize(200);
  resize(300);
  resize(400);
  counts(1);
  t.same(said.slice(3), ['show'], 'the picture is awaited');
  resizing.shown(window, window.geometry);
  t.same(said.slice(4), ['hold', 'asked 2', 'width 400']);
  resize(500);
  resize(400);
  counts(2);
  resizing.shown(window, window.geometry);
  t.same(said.slice(7), ['show'], 'and none when it is the same again');
  t.end();
});

t.test('a client that does not count is waited for only so long, and so is its picture', async t => {
  const { said, resize } = windowThatCounts(t, 10);
  resize(200);
  resize(300);
  await eventually('the next size', () => said.includes('width 300'));
  t.same(said.slice(0, 7), ['hold', 'asked 1', 'width 200', 'show', 'hold', 'asked 2', 'width 300']);
});

t.test('a window that is gone is not waited for', t => {
  const { window, resizing, said, resize } = windowThatCounts(t, LONG_MS);
  resize(200);
  resize(300);
  resizing.forget(window);
  t.same(said.slice(3), ['show']);
  t.end();
});

t.test('others are told of their size alone', t => {
  const plain = windowThatCounts(t, LONG_MS, []);
  plain.resize(200);
  t.same(plain.said, ['width 200']);
  plain.resize(300);
  plain.resize(100);
  plain.resizing.shown(plain.window, { width: 100, height: 100 });
  t.same(plain.said, ['width 200'], 'the picture is awaited, and is none of before');
  t.ok(plain.resizing.isChanging(plain.window));
  plain.resizing.shown(plain.window, { width: 200, height: 100 });
  t.same(plain.said, ['width 200', 'width 100'], 'then of the last one, also where it had that before');
  const hidden = windowThatCounts(t, LONG_MS);
  hidden.window.toplevel = { shown: false } as Toplevel;
  hidden.resize(200);
  t.same(hidden.said, ['width 200'], 'what is not shown yet as well');
  const same = windowThatCounts(t, LONG_MS);
  same.resize(100);
  t.same(same.said, []);
  t.end();
});
