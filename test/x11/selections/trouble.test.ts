/**
 * Programs that stall, die or misbehave in the middle of a transfer end that transfer, after a while or at once, and no other.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import type { XEvent } from '../../../src/x11/events.js';
import {
  changeProperty,
  changeWords,
  convertSelection,
  destroyWindow,
  getProperty,
  getSelectionOwner,
} from '../../../src/x11/requests.js';
import { property, window as windowIn } from '../../../src/x11/replies.js';
import { MAX_MULTIPLE, MAX_TRANSFERS } from '../../../src/x11/selections/limits.js';
import { wordsOf } from '../../../src/x11/wire.js';
import { eventually } from '../../eventually.js';
import { XClipboardClient } from './x-clipboard.js';
import { comes, startDesk, type XDesk } from './x-desk.js';

/** More than all pipes on the way hold together. */
const MUCH = 2 << 20;
/** How long a transfer may stand still here, in milliseconds, and pauses that it may make. */
const IDLE_MS = 3_000;
const PAUSE_MS = 300;
const PARTS = 4;
const PART_BYTES = 64 * 1024;

const TYPE = 'application/octet-stream';
const TEXT = Buffer.from('noch da');

t.setTimeout(300_000);

const xPaste = ['xclip', '-o', '-selection', 'clipboard', '-t', TYPE];
const wlPaste = ['wl-paste', '--no-newline', '--type', TYPE];
/** Pastes and never reads what comes. */
const unread = (paste: readonly string[]): string[] => ['sh', '-c', '"$@" | sleep infinity', 'sh', ...paste];
const running = (desk: XDesk, count: number, what: string): Promise<void> =>
  eventually(what, () => desk.programs.transferCount === count);

t.test('an end that dies', async t => {
  const desk = await startDesk(t);
  const bytes = randomBytes(MUCH);
  /** The clipboard still goes both ways. */
  const works = async (): Promise<void> => {
    const copied = desk.start(['wl-copy', '--foreground', '--type', TYPE], TEXT);
    t.same(await comes(() => desk.output(xPaste), TEXT), TEXT, 'what a Wayland program copies next is pasted');
    await desk.press();
    const again = Buffer.concat([TEXT, TEXT]);
    const owner = desk.start(['xclip', '-i', '-quiet', '-selection', 'clipboard', '-t', TYPE], again);
    t.same(await comes(() => desk.output(wlPaste), again), again, 'and what an X11 program does');
    await Promise.all([copied.stop(), owner.stop()]);
    await running(desk, 0, 'all transfers have ended');
  };

  await desk.press();
  const owner = desk.start(['xclip', '-i', '-quiet', '-selection', 'clipboard', '-t', TYPE], bytes);
  t.ok(bytes.equals(await comes(() => desk.output(wlPaste), bytes)), 'an X11 program has copied');
  const reader = desk.start(unread(wlPaste));
  await running(desk, 1, 'a Wayland program pastes');
  owner.process.kill('SIGKILL');
  await running(desk, 0, 'its transfer ends with the owner, though nobody reads');
  await reader.stop();
  await works();

  await desk.press();
  const second = desk.start(['xclip', '-i', '-quiet', '-selection', 'clipboard', '-t', TYPE], bytes);
  t.ok(bytes.equals(await comes(() => desk.output(wlPaste), bytes)), 'an X11 program has copied');
  const leaving = desk.start(unread(wlPaste));
  await running(desk, 1, 'a Wayland program pastes');
  await leaving.stop();
  await running(desk, 0, 'its transfer ends with the reader');
  t.ok(bytes.equals(await desk.output(wlPaste)), 'and the next one gets all');
  await second.stop();

  const source = desk.start(['wl-copy', '--foreground', '--type', TYPE], bytes);
  t.ok(bytes.equals(await comes(() => desk.output(xPaste), bytes)), 'a Wayland program has copied');
  const client = await XClipboardClient.of(await desk.client());
  const { CLIPBOARD, INCR, FIRST } = client.atoms;
  await client.convert(CLIPBOARD, client.atoms[TYPE], FIRST);
  t.equal((await client.property(FIRST)).type, INCR, 'an X11 program is to get it in parts');
  t.equal(desk.programs.transferCount, 1);
  client.x.close();
  await running(desk, 0, 'the transfer ends with it');
  t.ok(bytes.equals(await desk.output(xPaste)), 'and the next one gets all');
  await source.stop();
  await works();
});

t.test('our windows, which any X11 program can destroy, come back', async t => {
  const desk = await startDesk(t);
  const client = await XClipboardClient.of(await desk.client());
  const { CLIPBOARD, FIRST } = client.atoms;
  const owner = (): Promise<number> =>
    new Promise(told => client.x.ask(getSelectionOwner(CLIPBOARD), reply => told(windowIn(reply))));
  const copied = desk.start(['wl-copy', '--foreground', '--type', TYPE], TEXT);
  t.same(await comes(() => desk.output(xPaste), TEXT), TEXT, 'a Wayland program has copied');
  for (const round of [1, 2]) {
    const ours = await owner();
    client.x.send(destroyWindow(ours));
    t.same(await comes(() => desk.output(xPaste), TEXT), TEXT, `and its text is still pasted, ${round}`);
    t.not(await owner(), ours, 'of another window');
  }
  const named = await owner();
  client.x.send(convertSelection(named, CLIPBOARD, client.atoms[TYPE], FIRST));
  const put = (): Promise<Buffer> =>
    new Promise(told =>
      client.x.ask(getProperty(named, FIRST, 1024), reply => told(Buffer.from(property(reply).value))),
    );
  t.same(await comes(put, TEXT), TEXT, 'one asks in the name of our window');
  await running(desk, 0, 'that transfer has ended');
  client.x.send(destroyWindow(named));
  t.same(await comes(() => desk.output(xPaste), TEXT), TEXT, 'and we hear of its end all the same');
  const destroyed = await owner();
  await desk.press();
  const again = Buffer.concat([TEXT, TEXT]);
  const program = desk.start(['xclip', '-i', '-quiet', '-selection', 'clipboard', '-t', TYPE], again);
  t.same(await comes(() => desk.output(wlPaste), again), again, 'then an X11 program has');
  client.x.send(destroyWindow(destroyed));
  t.same(
    await comes(() => desk.output(wlPaste), again),
    again,
    'which keeps it when the window goes that has no selection',
  );
  const third = desk.start(['wl-copy', '--foreground', '--type', TYPE], TEXT);
  t.same(await comes(() => desk.output(xPaste), TEXT), TEXT, 'until a Wayland program copies');
  await Promise.all([copied.stop(), program.stop(), third.stop()]);
});

t.test('an end that stands still', async t => {
  const desk = await startDesk(t, IDLE_MS);
  const bytes = randomBytes(PARTS * PART_BYTES);
  const client = await XClipboardClient.of(await desk.client());
  const { x, atoms } = client;

  const source = desk.start(['wl-copy', '--foreground', '--type', TYPE], bytes);
  t.ok(bytes.equals(await comes(() => desk.output(xPaste), bytes)), 'a Wayland program has copied');
  await client.convert(atoms.CLIPBOARD, atoms[TYPE], atoms.FIRST);
  t.ok(
    bytes.equals(await comes(() => desk.output(xPaste), bytes)),
    'one that never takes the first part costs others a while at most',
  );
  await running(desk, 0, 'and is given up');
  client.delete(atoms.FIRST);

  await client.convert(atoms.CLIPBOARD, atoms[TYPE], atoms.SECOND);
  const got: Buffer[] = [];
  for (;;) {
    client.delete(atoms.SECOND);
    await client.part(atoms.SECOND);
    const { value } = await client.property(atoms.SECOND);
    if (value.length === 0) break;
    got.push(Buffer.from(value));
    await pause(PAUSE_MS);
  }
  t.ok(bytes.equals(Buffer.concat(got)), 'one that takes its time gets all');

  await desk.press();
  client.own(atoms.PRIMARY, atoms[TYPE], () => {});
  const never = () => desk.output([...wlPaste, '--primary']);
  const types = () => desk.output(['wl-paste', '--list-types', '--primary']);
  await comes(async () => Buffer.from((await types()).includes(TYPE) ? 'offered' : ''), Buffer.from('offered'));
  const waits = never();
  await running(desk, 1, 'an X11 program is asked, and does not answer');
  t.ok(bytes.equals(await desk.output(xPaste)), 'the clipboard goes on meanwhile');
  t.equal((await waits).length, 0, 'who asked is told the end');
  await running(desk, 0, 'and it is given up');
  await source.stop();
  t.notOk(x.closed);
});

t.test('bounds', async t => {
  const desk = await startDesk(t);
  const bytes = randomBytes(MUCH);
  const client = await XClipboardClient.of(await desk.client());
  const { x, atoms } = client;
  const source = desk.start(['wl-copy', '--foreground', '--type', TYPE], bytes);
  t.ok(bytes.equals(await comes(() => desk.output(xPaste), bytes)), 'a Wayland program has copied');

  await t.test('transfers at the same time', async t => {
    // Any atom names a property.
    const ask = (of: XClipboardClient, at: number): void =>
      of.x.send(convertSelection(of.window, atoms.CLIPBOARD, atoms[TYPE], at));
    const refused = (event: XEvent): boolean => event.is === 'SelectionNotify' && event.property === 0;
    const second = await XClipboardClient.of(await desk.client());
    let most = 0;
    for (const each of [client, second]) {
      for (let i = 0; i < MAX_TRANSFERS / 2; i++) ask(each, 100 + i);
      most += MAX_TRANSFERS / 2;
      await running(desk, most, 'as many run as one program may have');
      ask(each, atoms.FIRST);
      await each.next(refused);
      t.equal(desk.programs.transferCount, most, 'one more is refused');
      t.notOk(each.events.some(refused), 'and no other');
    }
    const other = await XClipboardClient.of(await desk.client());
    ask(other, atoms.FIRST);
    await other.next(refused);
    t.equal(desk.programs.transferCount, MAX_TRANSFERS, 'nor are there more of all programs');
    for (const each of [client, second]) each.x.close();
    await running(desk, 0, 'all end with their clients');
    const after = await other.convert(other.atoms.CLIPBOARD, other.atoms[TYPE], atoms.FIRST);
    t.equal(after.property, atoms.FIRST, 'then there is room for others');
    other.x.close();
  });
  t.ok(x.closed);

  await t.test('several kinds at once', async t => {
    const asking = await XClipboardClient.of(await desk.client());
    const multiple = async (pairs: number): Promise<readonly number[] | undefined> => {
      const words = Array.from({ length: pairs }, () => [atoms.TARGETS, atoms.SECOND]).flat();
      words.splice(0, 2, atoms.STRING, atoms.THIRD);
      asking.x.send(changeWords(asking.window, atoms.FIRST, atoms.ATOM_PAIR, words));
      const { property } = await asking.convert(atoms.CLIPBOARD, atoms.MULTIPLE, atoms.FIRST);
      return property === 0 ? undefined : wordsOf((await asking.property(atoms.FIRST)).value);
    };
    const answer = await multiple(MAX_MULTIPLE);
    t.same(answer?.slice(0, 4), [atoms.STRING, 0, atoms.TARGETS, atoms.SECOND], 'those that there are not get none');
    t.ok(wordsOf((await asking.property(atoms.SECOND)).value).includes(atoms[TYPE]), 'the others are there');
    t.equal(await multiple(MAX_MULTIPLE + 1), undefined, 'more than anybody needs are refused');
    asking.x.close();
  });
  await source.stop();

  await t.test('a property that is large as a whole', async t => {
    const owner = await XClipboardClient.of(await desk.client());
    await desk.press();
    owner.own(atoms.CLIPBOARD, atoms[TYPE], request => {
      for (let at = 0; at < bytes.length; at += PART_BYTES) {
        const part = bytes.subarray(at, at + PART_BYTES);
        owner.x.send(changeProperty(request.requestor, request.property, request.target, 8, part, at === 0 ? 0 : 2));
      }
      owner.notify(request);
    });
    t.ok(bytes.equals(await comes(() => desk.output(wlPaste), bytes)), 'is carried over in parts');
    owner.x.close();
    const gone = () => desk.output(['wl-paste', '--list-types']);
    t.equal((await comes(gone, Buffer.alloc(0))).length, 0, 'with its client the selection ends');
  });
});
