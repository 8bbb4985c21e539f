/** What X11 programs may have, and who may come: the limits of windows on both of their sides, and the display's door. */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, readlinkSync, readdirSync } from 'node:fs';
import t from 'tap';
import { MAX_POPUPS, MAX_SHOWN, MAX_WINDOWS } from '../../src/x11/limits.js';
import { createWindow, destroyWindow, mapWindow } from '../../src/x11/requests.js';
import { eventually } from '../eventually.js';
import { startDesk } from './selections/x-desk.js';
import { connectTo, makeWindow, settled } from './x-client.js';

/** How long anything may take to come about, in milliseconds. */
const PATIENCE_MS = 60_000;

t.setTimeout(240_000);

/** What one client may have of a bound. */
const half = (most: number): number => most / 2;

const limits = `${MAX_SHOWN} are shown, ${MAX_POPUPS} of them menus and the like, and ${MAX_WINDOWS} are known`;
t.test(`of X11 windows, ${limits}; half of these of one client; others when there are fewer`, async t => {
  const { programs, client } = await startDesk(t);
  const [one, other, third] = [await client(), await client(), await client()];
  type Client = typeof one;
  const before = programs.windowCount;
  const make = async ({ x, setup }: Client, count: number): Promise<number[]> => {
    const made: number[] = [];
    for (let i = 0; i < count; i++) {
      made.push(makeWindow(x, setup.root, true));
      if (i % 500 === 0) await settled(x);
    }
    await settled(x);
    return made;
  };
  /** As many are shown, and no more once the window manager has heard of all that came before. */
  const shown = async (count: number, what: string): Promise<void> => {
    for (const { x } of [one, other, third]) await settled(x);
    await eventually(what, () => programs.windowCount === count, PATIENCE_MS);
    await new Promise(resolve => setTimeout(resolve, 300));
    t.equal(programs.windowCount, count, what);
  };

  const made: (readonly [Client, number[]])[] = [];
  for (const [client, count] of [
    [one, half(MAX_POPUPS)],
    [other, MAX_POPUPS],
    [third, MAX_POPUPS],
  ] as const) {
    const many = await make(client, half(MAX_POPUPS) + 10);
    for (const id of many) client.x.send(mapWindow(id));
    await shown(before + count, 'as many menus as may be');
    made.push([client, many]);
  }
  // Managed ones, and without a picture, which would take long.
  for (const [client, count] of [
    [one, before + half(MAX_POPUPS) + half(MAX_SHOWN)],
    [other, MAX_SHOWN],
    [third, MAX_SHOWN],
  ] as const) {
    const managed = Array.from({ length: half(MAX_SHOWN) }, () => client.x.newId());
    for (const id of managed) {
      client.x.send(createWindow(id, client.setup.root, true));
      client.x.send(mapWindow(id));
    }
    await shown(count, 'as many windows as may be');
    made.push([client, managed]);
  }
  for (const [{ x }, ids] of made) for (const id of ids) x.send(destroyWindow(id));
  await shown(before, 'none of them');

  // xterm's window and our own are among those that are known.
  const ofOne = await make(one, half(MAX_WINDOWS) + 1);
  const ofOther = await make(other, half(MAX_WINDOWS));
  const [ofThird] = await make(third, 1);
  const map = ({ x }: Client, ...ids: readonly number[]): void => ids.forEach(id => x.send(mapWindow(id)));
  map(one, ofOne.at(-1)!);
  map(other, ofOther.at(-1)!);
  map(third, ofThird!);
  await shown(before, 'not the one too many of one client, nor of all');
  map(one, ofOne[0]!, ofOne.at(-2)!);
  await shown(before + 2, 'those that are known');
  for (const id of ofOne.slice(0, 200)) one.x.send(destroyWindow(id));
  await settled(one.x);
  for (const client of [one, third]) map(client, ...(await make(client, 1)));
  await shown(before + 3, 'new ones, in the place of the first');
});

t.test('an X11 display has one door, for who has the cookie', async t => {
  const { programs } = await startDesk(t);
  const { DISPLAY, XAUTHORITY } = programs.environment;
  await t.rejects(connectTo(DISPLAY, '/dev/null'), /refuses us/, 'nobody without it');

  const other = await startDesk(t);
  t.not(other.programs.environment.DISPLAY, DISPLAY, 'another VM has another display');
  await t.rejects(connectTo(DISPLAY, other.programs.environment.XAUTHORITY), /refuses us/, 'whose cookie is no good');
  (await connectTo(DISPLAY, XAUTHORITY)).x.close();

  t.equal(spawnSync('true', { uid: 65_534 }).status, 0, 'we can be another user');
  const tell = (authority: string): string =>
    spawnSync('xterm', ['-e', 'true'], {
      uid: 65_534,
      gid: 65_534,
      env: { PATH: process.env.PATH, DISPLAY, XAUTHORITY: authority },
    }).stderr.toString();
  t.match(tell(XAUTHORITY), /Can't open display|Authorization required/i, 'another user cannot read it');
  const copy = `${t.testdir({})}/copy`;
  copyFileSync(XAUTHORITY, copy);
  chmodSync(copy, 0o600);
  t.match(tell(copy), /Can't open display|Authorization required/i, 'nor a copy');

  const listening = sockets('/proc/net/unix').filter(line => line.includes('X11-unix'));
  t.notOk(
    listening.some(line => line.includes(` @/tmp/.X11-unix/X${DISPLAY.slice(1)}`)),
    'no abstract socket',
  );
  t.ok(listening.some(line => line.endsWith(` /tmp/.X11-unix/X${DISPLAY.slice(1)}`)));
  const inodes = new Set(
    ['tcp', 'tcp6'].flatMap(kind => sockets(`/proc/net/${kind}`).map(line => line.trim().split(/\s+/)[9])),
  );
  const servers = readdirSync('/proc').filter(name => /^\d+$/.test(name) && isServer(name, XAUTHORITY));
  t.equal(servers.length, 1);
  for (const pid of servers) {
    const held = readdirSync(`/proc/${pid}/fd`).map(fd => readlinkSync(`/proc/${pid}/fd/${fd}`));
    t.notOk(
      held.some(name => inodes.has(/^socket:\[(\d+)\]$/.exec(name)?.[1])),
      'no TCP',
    );
  }
});

const sockets = (path: string): string[] => readFileSync(path, 'latin1').trimEnd().split('\n').slice(1);

/** By its file of cookies: a server in another mount namespace may have the same display. */
function isServer(pid: string, authority: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
    return words[0]?.endsWith('Xwayland') === true && words.includes(authority);
  } catch {
    return false; // it has ended
  }
}
