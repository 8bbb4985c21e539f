/**
 * X11 programs that do their worst in one VM, beside Wayland programs of the same VM and of another one that have every pixel
 * of their frames compared meanwhile. What they may cost is the other X11 programs of their VM. By hand, with properties of
 * 100 MiB: VIRTWL_X11_PROPERTY_MIB=100.
 */
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { ReportJson } from '../../src/frames/report.js';
import { LoopbackStack, VIRTWL } from '../../src/demo/loopback-stack.js';
import { internAtoms } from '../../src/x11/atoms.js';
import type { Setup, XConnection, XError } from '../../src/x11/connection.js';
import { clientMessage, configureNotify } from '../../src/x11/events.js';
import { property } from '../../src/x11/replies.js';
import {
  changeProperty,
  changeWindowEvents,
  changeWords,
  configureWindow,
  convertSelection,
  deleteProperty,
  destroyWindow,
  EventMask,
  getProperty,
  killClient,
  mapWindow,
  sendEvent,
  setSelectionOwner,
  unmapWindow,
} from '../../src/x11/requests.js';
import { request, u16, u32 } from '../../src/x11/wire.js';
import { startSway } from '../compositors.js';
import { quietEnvironment, run } from '../loopback/applications.js';
import { withDescendants } from '../loopback/nothing-left.js';
import { Random } from '../wayland/random.js';
import { openOffice } from './office.js';
import { connectTo, makeWindow, settled } from './x-client.js';

/** How long anything may take to come about, in milliseconds. */
const PATIENCE_MS = 60_000;

/** Of each property that is large. */
const PROPERTY_MIB = Number(process.env.VIRTWL_X11_PROPERTY_MIB ?? 4);

/** Most that `virtwl x11` may have had in memory at any time, in MiB: it begins with some 90. */
const MOST_RESIDENT_MIB = 256;

/** Names of atoms that mean something to us. */
const NAMES = [
  ...['ATOM', 'WINDOW', 'STRING', 'WM_NAME', 'WM_CLASS', 'WM_HINTS', 'WM_NORMAL_HINTS', 'WM_TRANSIENT_FOR', 'WM_S0'],
  ...['WM_PROTOCOLS', 'WM_CHANGE_STATE', 'WL_SURFACE_ID', 'WL_SURFACE_SERIAL', '_NET_ACTIVE_WINDOW', 'CLIPBOARD'],
  ...['_NET_SUPPORTING_WM_CHECK', '_NET_SUPPORTED', '_NET_WM_MOVERESIZE', '_NET_WM_PING', '_NET_WM_STATE', 'PRIMARY'],
  ...['_NET_WM_NAME', '_NET_WM_ICON', '_NET_WM_SYNC_REQUEST', '_NET_WM_SYNC_REQUEST_COUNTER', 'TARGETS'],
  ...['_NET_WM_STATE_FULLSCREEN', '_NET_WM_STATE_DEMANDS_ATTENTION', '_MOTIF_WM_HINTS', 'XdndEnter', 'XdndPosition'],
] as const;
type AtomsOfTests = Readonly<Record<(typeof NAMES)[number], number>>;

const grabServer = (): Uint8Array => request(36, 0);
const grabPointer = (window: number): Uint8Array =>
  request(26, 1, u32(window), u16(0xc), Uint8Array.of(1, 1), u32(0), u32(0), u32(0));
const grabKeyboard = (window: number): Uint8Array => request(31, 1, u32(window), u32(0), Uint8Array.of(1, 1));
const reparent = (window: number, parent: number): Uint8Array => request(7, 0, u32(window), u32(parent), u32(0));

const TO_ROOT = EventMask.substructureNotify | EventMask.substructureRedirect;

async function until(what: string, wanted: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !(await wanted());) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

// The server copies a property that grows with each part that is added.
t.setTimeout(280_000 + PROPERTY_MIB ** 2 * 100);

const sway = await startSway(t, {
  env: { WLR_HEADLESS_OUTPUTS: '3' },
  config: [
    ...[2, 3].map(n => `output HEADLESS-${n} mode 160x120@60Hz position ${n * 1000} 0 scale 1`),
    ...[1, 2, 3].map(n => `workspace ${n} output HEADLESS-${n}`),
    'assign [title="office.*virtwl frames"] workspace 2',
    'assign [title="lab.*virtwl frames"] workspace 3',
    'workspace 1',
  ].join('\n'),
});
const stack = await LoopbackStack.start({ clients: ['office', 'lab'], compositor: { attach: sway.display } });
t.teardown(() => stack.stop());
const env = quietEnvironment(t);
const { office, display, authority, waylandDisplay, runtime } = await openOffice(t, stack, env);

const OF_FRAMES = ['frames', '--frames', '1000000', '--timeout', '60000', '--json'];
/** One of the two only: sway 1.7 does what one who captures asks for at once, and on an idle machine gets to nothing else. */
const CAPTURED = ['--capture', sway.display, '--output', 'HEADLESS-3'];
const frames = {
  'a Wayland program of the same VM': run(
    t,
    [
      ...[process.execPath, VIRTWL, ...OF_FRAMES, '--no-capture'],
      ...['--display', waylandDisplay.startsWith('/') ? waylandDisplay : `${runtime}/${waylandDisplay}`],
    ],
    env,
  ),
  'one of another VM': run(t, [process.execPath, VIRTWL, ...OF_FRAMES, ...CAPTURED], {
    ...env,
    XDG_RUNTIME_DIR: stack.directory,
    VIRTWL_LOOPBACK: stack.loopback('lab'),
  }),
};

const tree = async (): Promise<string> => JSON.stringify(await sway.message('-t', 'get_tree'));
const shows = async (title: string): Promise<boolean> => (await tree()).includes(`${title}"`);
await until('both draw', async () => (await tree()).match(/virtwl frames"/g)?.length === 2);
const begin = (title: string): boolean => office.process.stdin!.write(`xterm -T ${title} -e sleep infinity &\n`);

interface Client {
  readonly x: XConnection;
  readonly setup: Setup;
  readonly atoms: AtomsOfTests;
  /** A window with a title. */
  window(title: string): number;
  /** What has failed. */
  readonly errors: XError[];
}

async function client(): Promise<Client> {
  const { x, setup } = await connectTo(display, authority);
  t.teardown(() => x.close());
  const errors: XError[] = [];
  x.on('failed', error => errors.push(error));
  const atoms = await new Promise<AtomsOfTests>(known => internAtoms(x, NAMES, known));
  return {
    ...{ x, setup, atoms, errors },
    window(title) {
      const id = makeWindow(x, setup.root);
      x.send(changeProperty(id, atoms.WM_NAME, atoms.STRING, 8, Buffer.from(title)));
      return id;
    },
  };
}

/** The process of `virtwl x11`, and its server. */
function processOf(word: string): number {
  const found = withDescendants(office.process.pid!).find(pid =>
    readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(word),
  );
  return found!;
}

/** Each is done by a client of its own, which leaves then. */
const MISDEEDS: Readonly<Record<string, (client: Client, t: Test) => void | Promise<void>>> = {
  'keeps the pointer and the keyboard': async ({ x, window }) => {
    const id = window('grabs');
    x.send(mapWindow(id));
    await until('the window', () => shows('grabs'));
    x.ask(grabPointer(id), () => {});
    x.ask(grabKeyboard(id), () => {});
    await settled(x);
    const other = await client();
    other.x.send(mapWindow(other.window('beside a grab')));
    await until('another window', () => shows('beside a grab'));
    other.x.close();
  },
  'keeps the server for itself, which hangs': async ({ x, window }) => {
    x.send(mapWindow(window('grabs all')));
    await until('the window', () => shows('grabs all'));
    x.send(grabServer());
    await settled(x);
    // Xwayland knows better, so it has to be made to.
    const other = await client();
    other.x.close();
    const server = processOf('-rootless');
    process.kill(server, 'SIGSTOP');
    t.teardown(() => {
      try {
        process.kill(server, 'SIGCONT');
      } catch {
        // it has ended
      }
    });
    await until('word of it', async () => {
      // The user looks at one window and another.
      for (const title of ['stays', 'grabs all']) await sway.message(`[title="${title}"] focus`);
      return office.stderr.includes('Xwayland has not answered for 5 s');
    });
    process.kill(server, 'SIGCONT');
    await settled(x);
  },
  'maps, unmaps, moves and nests its windows as fast as it can': async ({ x, setup, window }) => {
    const [one, other] = [window('one'), window('other')];
    for (let i = 0; i < 4_000; i++) {
      x.send(mapWindow(i % 2 === 0 ? one : other));
      x.send(configureWindow(one, { x: i, y: -i, width: 1 + (i % 300), height: 1 + (i % 200) }));
      if (i % 3 === 0) x.send(reparent(other, i % 2 === 0 ? one : setup.root));
      x.send(unmapWindow(i % 5 === 0 ? other : one));
      if (i % 200 === 0) await settled(x);
    }
    x.send(reparent(other, setup.root));
    x.send(mapWindow(one));
    x.send(mapWindow(other));
    await settled(x);
    await until('both in the end', async () => (await shows('one')) && shows('other'));
  },
  'has windows that belong to each other, to themselves, in a ring and in a long chain': async ({
    x,
    atoms,
    window,
  }) => {
    const ids = Array.from({ length: 80 }, (_, i) => window(`link ${i}`));
    ids.forEach((id, i) => {
      x.send(changeWords(id, atoms.WM_TRANSIENT_FOR, atoms.WINDOW, [ids[(i + 1) % ids.length]!]));
      x.send(changeWords(id, atoms.WM_HINTS, atoms.WM_HINTS, [0x40, 1, 1, 0, 0, 0, 0, 0, ids[(i + 2) % 80]!]));
      x.send(mapWindow(id));
    });
    await until('the last', () => shows('link 79'));
    for (const [i, id] of ids.entries()) {
      x.send(changeWords(id, atoms.WM_TRANSIENT_FOR, atoms.WINDOW, [ids[(i * 7) % ids.length]!]));
    }
    for (const id of ids.slice(0, 20)) x.send(changeWords(id, atoms.WM_TRANSIENT_FOR, atoms.WINDOW, [id]));
    await settled(x);
    for (const id of ids.slice(40)) x.send(destroyWindow(id));
    await settled(x);
  },
  'has properties of any size': async ({ x, atoms, window }) => {
    const id = window('large');
    x.send(mapWindow(id));
    const part = Buffer.alloc(1 << 17, 'x');
    const names = [
      'WM_NAME',
      '_NET_WM_NAME',
      'WM_NORMAL_HINTS',
      'WM_PROTOCOLS',
      '_NET_WM_SYNC_REQUEST_COUNTER',
    ] as const;
    for (const name of [...names, 'WM_CLASS', 'WM_HINTS', '_NET_WM_ICON', 'WM_TRANSIENT_FOR'] as const) {
      for (let i = 0; i < PROPERTY_MIB * 8; i++) {
        x.send(changeProperty(id, atoms[name], name === 'WM_NAME' ? atoms.STRING : atoms.ATOM, 32, part, 2));
        if (i % 16 === 0) await settled(x);
      }
    }
    x.send(unmapWindow(id));
    x.send(mapWindow(id));
    await settled(x);
  },
  'says nonsense, of windows of others too': async ({ x, setup, atoms, window }) => {
    const mine = window('talks');
    x.send(mapWindow(mine));
    const random = new Random(14);
    const some = [mine, setup.root, mine + 77, 0, 0xffffffff, 1, 2, 3, ...Object.values(atoms)];
    const pick = (): number => some[random.below(some.length)]!;
    for (let i = 0; i < 6_000; i++) {
      const type = Object.values(atoms)[i % NAMES.length]!;
      const message = clientMessage([mine, setup.root, pick()][i % 3]!, type, [pick(), pick(), pick(), pick(), pick()]);
      if (i % 7 === 0) message[1] = [8, 16, 3][i % 3]!;
      x.send(sendEvent(setup.root, message, TO_ROOT));
      // Copies of all that a server says.
      const copy = configureNotify(pick(), { x: i, y: i, width: i, height: i });
      copy[0] = 2 + (i % 62);
      x.send(sendEvent(setup.root, copy, TO_ROOT));
      if (i % 500 === 0) await settled(x);
    }
    await settled(x);
  },
  'asks and answers for selections without end': async ({ x, atoms, window }) => {
    const id = window('selects');
    for (let i = 0; i < 3_000; i++) {
      const selection = i % 2 === 0 ? atoms.CLIPBOARD : atoms.PRIMARY;
      x.send(setSelectionOwner(id, selection));
      x.send(convertSelection(id, selection, i % 3 === 0 ? atoms.TARGETS : atoms.STRING, atoms.WM_NAME));
      if (i % 200 === 0) await settled(x);
    }
    await settled(x);
  },
  'wants to be the window manager': async ({ x, setup, errors, atoms, window }, t) => {
    x.send(changeWindowEvents(setup.root, EventMask.substructureRedirect));
    x.send(setSelectionOwner(window('manages'), atoms.WM_S0));
    await settled(x);
    t.match(errors, [{ code: 10, major: 2 }], 'there is one');
  },
  'takes away what is ours': async ({ x, setup, atoms }) => {
    const own = await new Promise<number>(told =>
      x.ask(getProperty(setup.root, atoms._NET_SUPPORTING_WM_CHECK, 4), reply =>
        told(Buffer.from(property(reply).value).readUInt32LE()),
      ),
    );
    x.send(destroyWindow(own));
    for (const name of ['_NET_SUPPORTING_WM_CHECK', '_NET_SUPPORTED', '_NET_ACTIVE_WINDOW'] as const) {
      x.send(deleteProperty(setup.root, atoms[name]));
    }
    await settled(x);
  },
};

begin('stays');
await until('an X11 program', () => shows('stays'));

for (const [what, misdeed] of Object.entries(MISDEEDS)) {
  t.test(`an X11 program ${what}`, async t => {
    const began = Date.now();
    const one = await client();
    await misdeed(one, t);
    one.x.close();
    const next = await client();
    next.x.send(mapWindow(next.window('next')));
    await until('the window of the next X11 program', () => shows('next'));
    next.x.close();
    await until('its end', async () => !(await shows('next')));
    t.ok(await shows('stays'), 'another X11 program has nothing of it');
    for (const program of Object.values(frames)) t.equal(program.process.exitCode, null, 'Wayland programs neither');
    const resident =
      Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${processOf('x11')}/status`, 'latin1'))![1]) >> 10;
    t.ok(resident < MOST_RESIDENT_MIB, `virtwl x11 has had at most ${resident} MiB`);
    t.comment(`${Date.now() - began} ms, ${resident} MiB`);
  });
}

t.test('who ends the X server, or has us thrown out of it, ends X11 programs, and others start anew', async () => {
  for (const [what, sentence] of [
    ['kills the server', /lost their X server: Xwayland ended with SIGKILL/],
    ['throws us out', /lost their X server: it has closed its window manager’s connection/],
  ] as const) {
    const { x, setup, atoms } = await client();
    const check = getProperty(setup.root, atoms._NET_SUPPORTING_WM_CHECK, 4);
    if (what === 'kills the server') process.kill(processOf('-rootless'), 'SIGKILL');
    else x.ask(check, reply => x.send(killClient(Buffer.from(property(reply).value).readUInt32LE())));
    await until(what, () => sentence.test(office.stderr) && x.closed);
    begin('anew');
    await until('the next one', () => shows('anew'));
  }
});

t.test('and every frame of Wayland programs was right meanwhile', async t => {
  for (const [who, program] of Object.entries(frames)) {
    program.process.kill('SIGTERM');
    await program.ended;
    const report = JSON.parse(program.output().toString()) as ReportJson;
    const { sent, shown, wrong, missing } = report.frames;
    t.same({ wrong, missing }, { wrong: 0, missing: 0 }, who);
    t.ok(sent > 20, `${sent} frames, ${shown} of them compared pixel by pixel`);
    if (who === 'one of another VM') t.ok(shown > 20);
  }
  await office.stop();
});
