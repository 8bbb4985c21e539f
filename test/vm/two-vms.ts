/**
 * What two VMs have to show whatever their transport: every pixel of frames, unmodified applications that look as they do
 * beside the compositor, X11 programs among them, what is typed and the clipboard. The client VM is "office", the
 * compositor's output {@link SWAY_CONFIG}'s.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import { grim } from '../../src/demo/demo-vms.js';
import { RUNTIME, type VmStack } from '../../src/demo/vm-stack.js';
import { decodePng, type Picture } from '../../src/frames/picture.js';
import type { ReportJson } from '../../src/frames/report.js';
import type { GuestProgram } from '../../src/vm/guest-program.js';
import { foot } from '../loopback/applications.js';
import { hasColour, isSame, same, Screen } from '../loopback/screen.js';

/** How long anything may take in a guest, in milliseconds. Emulated on a busy machine, most takes a hundredth of it. */
export const TIMEOUT_MS = 240_000;
/** A picture of the output takes a second or two there, so this long is a few pictures. */
const STILL_MS = 4_000;

/** What the compositor VM needs of this checkout for {@link applicationsAreEqual}: a keyboard in front of it. */
export const SEAT = 'dist/test/applications/seat.js';

/** The file in {@link RUNTIME} with the display of sway's own Xwayland, which starts with the first X11 program. */
const OWN_DISPLAY = 'own-display';
export const SWAY_CONFIG = `
xwayland enable
exec echo "$DISPLAY" > ${RUNTIME}/${OWN_DISPLAY}
output HEADLESS-1 mode 640x400@60Hz position 0 0 scale 1
default_border none
default_floating_border none
focus_follows_mouse no
`;

/** What sway shows, by a program beside it. */
export function screenOf(stack: VmStack): Screen {
  return new Screen(async () => decodePng(await grim(stack)), STILL_MS, TIMEOUT_MS);
}

/** Has the frame checker run in the office: each frame right, and a fault seen. `display`: its kind. */
export function framesAreRight(t: Test, stack: VmStack, display: 'virtio_wl' | 'virtio_gpu'): void {
  for (const [what, options, expected] of [
    ['all of it drawn anew', ['--damage', 'full'], { pass: true, frames: { shown: 10, wrong: 0, missing: 0 } }],
    ['some of it', ['--damage', 'block'], { pass: true, frames: { shown: 10, wrong: 0, missing: 0 } }],
    [
      'a fault that is put in is seen',
      ['--inject', 'pixel@7'],
      { pass: false, frames: { shown: 9, wrong: 1 }, failures: [{ frame: 7, kind: 'pixels' }] },
    ],
  ] as const) {
    t.test(`frames of the client VM, every pixel compared: ${what}`, async t => {
      const frames = await stack.virtwl('office', [
        'frames',
        '--frames',
        '10',
        '--size',
        '203x117',
        '--timeout',
        String(TIMEOUT_MS),
        '--json',
        ...options,
      ]);
      const { output, errors } = await frames.ended(TIMEOUT_MS);
      t.match(output === '' ? { errors } : (JSON.parse(output) as ReportJson), {
        setup: { display, memory: 'glue' },
        ...expected,
      });
    });
  }
}

/** In which applications draw the same each time. */
const QUIET = {
  GDK_BACKEND: 'wayland',
  GSETTINGS_BACKEND: 'memory',
  NO_AT_BRIDGE: '1',
  GTK_A11Y: 'none',
  DBUS_SESSION_BUS_ADDRESS: `unix:path=${RUNTIME}/no-bus`,
  PS1: '$ ',
};

/** Behind the last line of {@link TEXT}, in a colour that nothing else has: a busy guest stops for seconds between lines. */
const END_COLOUR = 0xc000c8;
const TEXT =
  'i=1; while [ $i -le 40 ]; do printf "\\033[3$((i % 8))mline %d \\342\\202\\254 \\303\\274\\033[0m\\n" $i; i=$((i+1)); done; ' +
  'printf "\\033[48;2;192;0;200mend\\033[0m"; exec sleep 1000';
/** Behind words of the text view: gtk3-demo shows its list of demos first, alone. */
const TEXT_VIEW_COLOUR = 0xff0000;
/** The title bar of a window without the focus, see {@link GTK_SETTINGS}: the list's, once the text view has it. */
const BACKDROP_COLOUR = 0x00c850;
/** `complete`: whether a picture shows all that the application draws. */
const APPLICATIONS: readonly (readonly [
  name: string,
  command: readonly string[],
  complete: (picture: Picture) => boolean,
])[] = [
  ['foot', foot('sh', '-c', TEXT), picture => hasColour(picture, END_COLOUR)],
  [
    'gtk3-demo',
    ['gtk3-demo', '--run=textview'],
    picture => hasColour(picture, TEXT_VIEW_COLOUR) && hasColour(picture, BACKDROP_COLOUR),
  ],
];

/**
 * How often an application is looked at on both sides where it differs: a guest of a busy machine may stop for longer than a
 * picture has to keep still, before the application has taken its size. What is wrong is wrong each time.
 */
const MOST_LOOKS = 3;

type Shown = (
  program: GuestProgram,
  what: string,
  complete: (picture: Picture) => boolean,
  meanwhile?: () => Promise<void>,
) => Promise<Picture>;

/** Compares what applications of the office look like with what they look like beside the compositor. */
export async function applicationsAreEqual(t: Test, stack: VmStack, screen: Screen): Promise<void> {
  for (const vm of ['compositor', 'office']) await stack.run(vm, ['sh', '-c', GTK_SETTINGS]);
  const empty = await screen.still('an empty output');
  const shown: Shown = async (program, what, complete, meanwhile) => {
    const picture = await screen.still(what, candidate => complete(candidate) && !isSame(candidate, empty));
    await meanwhile?.();
    await program.signal('TERM');
    await screen.until('an empty output', candidate => isSame(candidate, empty));
    return picture;
  };
  for (const [name, command, complete] of APPLICATIONS) {
    await t.test(name, async t => {
      await looksEqual(t, name, async () => {
        const remote = await stack.virtwl('office', ['run', '--', ...command], QUIET);
        const actual = await shown(remote, `${name} of the client VM`, complete);
        const beside = await stack.program('compositor', name, command, { ...QUIET, WAYLAND_DISPLAY: stack.display });
        return { actual, expected: await shown(beside, `${name} in the compositor VM`, complete) };
      });
    });
  }
  await t.test('xterm, on X11', t => xtermIsEqual(t, stack, shown));
}

async function looksEqual(
  t: Test,
  name: string,
  look: () => Promise<{ expected: Picture; actual: Picture }>,
): Promise<void> {
  let seen = await look();
  for (let looks = 1; looks < MOST_LOOKS && !isSame(seen.expected, seen.actual); looks++) seen = await look();
  same(t, `${name} in two VMs`, { ...seen, same: isSame(seen.expected, seen.actual) });
}

/** It says what it has read, in a file of its VM. */
const XTERM = [
  ...['xterm', '-fa', 'DejaVu Sans Mono', '-fs', '9', '-xrm', '*selectToClipboard: true', '-e', 'sh', '-c'],
  TEXT.replace('exec sleep', `read -r a; read -r b; echo "$a, $b" > ${RUNTIME}/heard; exec sleep`),
];

/** xterm of the office, and on sway's own Xwayland; typed into and pasted into in the office. */
async function xtermIsEqual(t: Test, stack: VmStack, shown: Shown): Promise<void> {
  const complete = (picture: Picture): boolean => hasColour(picture, END_COLOUR);
  const keyboard = await plugIn(stack, TYPIST);
  const copier = await stack.program('compositor', 'wl-copy', ['wl-copy', '--foreground', 'pasted\n'], {
    WAYLAND_DISPLAY: stack.display,
  });
  const typed = async (): Promise<void> => {
    await stack.run('compositor', ['touch', TYPE]);
    let heard = '';
    for (const end = Date.now() + TIMEOUT_MS; heard === '' && Date.now() < end; await pause(500)) {
      ({ output: heard } = await stack.run('office', ['sh', '-c', `cat ${RUNTIME}/heard 2> /dev/null`]));
    }
    t.equal(heard, 'Typed, pasted\n', 'it gets what is typed and pasted');
  };
  let typing: typeof typed | undefined = typed;
  await looksEqual(t, 'xterm', async () => {
    const office = await stack.virtwl('office', ['run', '--x11', '--', ...XTERM], QUIET);
    const actual = await shown(office, 'xterm of the client VM', complete, typing);
    typing = undefined;
    const own = ['sh', '-c', `DISPLAY=$(cat ${RUNTIME}/${OWN_DISPLAY}) exec "$@"`, 'sh', ...XTERM];
    const beside = await stack.program('compositor', 'xterm', own, QUIET);
    return { actual, expected: await shown(beside, 'xterm in the compositor VM', complete) };
  });
  await copier.signal('TERM');
  await keyboard.signal('TERM');
}

const GTK_SETTINGS =
  'mkdir -p ~/.config/gtk-3.0 && printf "[Settings]\\ngtk-enable-animations=0\\ngtk-cursor-blink=0\\ngtk-font-name=DejaVu Sans 10\\n" > ~/.config/gtk-3.0/settings.ini && ' +
  'printf "* { transition: none; }\\nheaderbar:backdrop { background: #00c850; }\\n" > ~/.config/gtk-3.0/gtk.css';

/** A keyboard for sway's seat, which has none: only what has the keyboard's focus may copy. */
const KEYBOARD = `
  const { Seat } = await import('/virtwl/package/${SEAT}');
  const seat = await Seat.takeKeyboard(process.argv[1]);
  console.log('plugged in');
`;

/** In the compositor VM: {@link TYPIST} types when this file is there. */
const TYPE = `${RUNTIME}/type`;

/** Types a line, and pastes one. */
const TYPIST = `
  const { existsSync } = await import('node:fs');
  while (!existsSync('${TYPE}')) await new Promise(resolve => setTimeout(resolve, 300));
  await seat.type('Typed\\n');
  await seat.key('Shift+Insert');
`;

/** Its owner ends it. `script`: what is done with it. */
async function plugIn(stack: VmStack, script = ''): Promise<GuestProgram> {
  const keyboard = await stack.program('compositor', 'a keyboard', [
    ...['node', '--input-type=module', '-e', `${KEYBOARD}${script}setInterval(() => {}, 1000);`],
    stack.display,
  ]);
  await keyboard.until('word of it', ({ output }) => output.includes('plugged in'), TIMEOUT_MS);
  return keyboard;
}

/** Copies in one VM and pastes in the other, both ways. */
export async function clipboardCrosses(t: Test, stack: VmStack): Promise<void> {
  const keyboard = await plugIn(stack);
  await clipboard(t, stack, 'office', 'compositor', 'Grüße aus der Client-VM, 3 €');
  await clipboard(t, stack, 'compositor', 'office', 'und zurück');
  await keyboard.signal('TERM');
}

async function clipboard(t: Test, stack: VmStack, from: string, to: string, text: string): Promise<void> {
  const at = (vm: string, words: readonly string[]): readonly [string[], Record<string, string>] =>
    vm === 'compositor'
      ? [[...words], { WAYLAND_DISPLAY: stack.display }]
      : [['/virtwl/virtwl', 'run', '--', ...words], {}];
  const copier = await stack.program(from, 'wl-copy', ...at(from, ['wl-copy', '--foreground', text]));
  let pasted = '';
  for (const end = Date.now() + TIMEOUT_MS; pasted !== text && Date.now() < end; await pause(500)) {
    const [command, env] = at(to, ['wl-paste', '--no-newline']);
    ({ output: pasted } = await stack.run(to, ['timeout', '60', ...command], env));
  }
  t.equal(pasted, text, `from ${from} to ${to}`);
  await copier.signal('TERM');
}
