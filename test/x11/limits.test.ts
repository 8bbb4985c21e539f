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

const limits = `${MAX_SHOWN} are shown, ${MAX_POPUPS} of them menus and the like, and ${MAX_WINDOWS} are known`;
t.test(`of X11 windows, ${limits}; others when there are fewer`, async t => {
  const { programs, client } = await startDesk(t);
  const { x, setup } = await client();
  const before = programs.windowCount;
  const make = async (count: number): Promise<number[]> => {
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
    await settled(x);
    await eventually(what, () => programs.windowCount === count, PATIENCE_MS);
    await new Promise(resolve => setTimeout(resolve, 300));
    t.equal(programs.windowCount, count, what);
  };

  const many = await make(MAX_POPUPS + 10);
  // Xwayland 22 ends itself when it has more pictures to send at once than its socket holds.
  for (const [i, id] of many.entries()) {
    x.send(mapWindow(id));
    if (i % 16 === 15) {
      await settled(x);
      const count = before + Math.min(i + 1, MAX_POPUPS);
      await eventually('those so far', () => programs.windowCount === count, PATIENCE_MS);
    }
  }
  await shown(before + MAX_POPUPS, 'as many as may be');
  // Managed ones, and without a picture, which would take long.
  const managed = Array.from({ length: MAX_SHOWN }, () => x.newId());
  for (const id of managed) {
    x.send(createWindow(id, setup.root, true));
    x.send(mapWindow(id));
  }
  await shown(MAX_SHOWN, 'as many as may be of all kinds');
  for (const id of [...many, ...managed]) x.send(destroyWindow(id));
  await shown(before, 'none of them');

  // xterm's window and our own are among those that are known.
  const all = await make(MAX_WINDOWS);
  x.send(mapWindow(all.at(-1)!));
  await shown(before, 'not the one too many');
  x.send(mapWindow(all[0]!));
  x.send(mapWindow(all[MAX_WINDOWS - 100]!));
  await shown(before + 2, 'those that are known');
  for (const id of all.slice(0, 200)) x.send(destroyWindow(id));
  const [next] = await make(1);
  x.send(mapWindow(next!));
  await shown(before + 2, 'a new one, in the place of the first');
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
  const servers = readdirSync('/proc').filter(name => /^\d+$/.test(name) && isServer(name, DISPLAY));
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

function isServer(pid: string, display: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
    return words[0]?.endsWith('Xwayland') === true && words[1] === display;
  } catch {
    return false; // it has ended
  }
}
