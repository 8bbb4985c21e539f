/**
 * Browsers, with a page of the suite's own that tells in its title what happens to it: text typed and pasted, a choice
 * made, a file dropped, the pointer locked, the screen filled.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Desk } from '../desk.js';
import type { Program, Step } from '../program.js';
import { does, rects, titles } from '../steps.js';

const PAGE = `file://${resolve('test/applications/pages/page.html')}`;
const FILE_SOURCE = resolve('dist/test/applications/file-source.js');

/**
 * Where the page's parts are in it. Nothing is on the paper, and below it there is room for a menu: Firefox opens one before
 * it knows its size, or after, as it happens, and where there is no room, its place depends on that.
 */
const PARTS = {
  text: [140, 60],
  choice: [140, 120],
  place: [140, 220],
  lock: [140, 320],
  fill: [140, 380],
  paper: [380, 100],
} as const;
/** Places of the output where the page has nothing but its paper. */
const ON_PAPER = { x: 1140, y: 700 } as const;
const BESIDE_IT = { x: 1130, y: 700 } as const;
/** Where the browser's window begins: beside it is one of the suite's own. */
const LEFT = 640;

/**
 * Where a part of the page is on the output. The page tells where in it a click was; it is asked until it begins where the
 * window does, for it may still have another size. It is asked in two places, one after the other: what its title told
 * before is no answer, and sway may be waiting for the window to have its size, with clicks that reach nobody.
 */
async function positionOf(desk: Desk, part: keyof typeof PARTS): Promise<readonly [number, number]> {
  let [left, top] = [NaN, NaN];
  for (const { x, y } of [BESIDE_IT, ON_PAPER]) {
    await desk.until('a page as large as the window', async () => {
      await desk.seat.click(x, y);
      const [, pageX, pageY] = /clicked (\d+),(\d+)/.exec(await titles(desk)) ?? [];
      [left, top] = [x - Number(pageX), y - Number(pageY)];
      return left === LEFT;
    });
  }
  const [x, y] = PARTS[part];
  return [left + x, top + y];
}

async function click(desk: Desk, part: keyof typeof PARTS, button?: 'right'): Promise<void> {
  await desk.seat.click(...(await positionOf(desk, part)), button);
}

/**
 * What is done with a browser. Beside it, in the left half of the output, is a window from which a file can be dragged;
 * so the browser's is in the right half.
 */
const PAGE_STEPS: readonly Step[] = [
  does(
    'page shown',
    async desk => {
      await desk.title(/^ready/);
      // Which pointer it has is decided when it is moved.
      await desk.seat.move(ON_PAPER.x, ON_PAPER.y);
    },
    { facts: rects },
  ),
  does(
    'text typed',
    async desk => {
      await click(desk, 'text');
      await desk.seat.type('Typed, 1+2=3');
      await desk.title(/^text: Typed, 1\+2=3/);
    },
    { facts: titles },
  ),
  does(
    'cut and pasted twice',
    async desk => {
      for (const chord of ['Ctrl+a', 'Ctrl+x', 'Ctrl+v', 'Ctrl+v']) await desk.seat.key(chord);
      await desk.title(/^text: Typed, 1\+2=3Typed, 1\+2=3/);
    },
    { facts: titles },
  ),
  does('list opened', desk => click(desk, 'choice')),
  does(
    'choice made',
    async desk => {
      for (const key of ['Down', 'Down', 'Return']) await desk.seat.key(key);
      await desk.title(/^choice: third choice/);
    },
    { facts: titles },
  ),
  does('context menu opened', desk => click(desk, 'paper', 'right')),
  does('and closed', desk => desk.seat.key('Escape')),
  does(
    'text of another program pasted',
    async desk => {
      await desk.finished(['wl-copy', 'from elsewhere']);
      // Where it may not have the clipboard otherwise, it shows a window of its own for it, and the browser's gets smaller.
      await desk.until('the windows as before', async () => (await desk.windows()).length === 2);
      await desk.screen.still('the page as before');
      await click(desk, 'text');
      for (const chord of ['Ctrl+a', 'Ctrl+v']) await desk.seat.key(chord);
      await desk.title(/^text: from elsewhere/);
    },
    { facts: titles },
  ),
  does(
    'file dropped',
    async desk => {
      const [x, y] = await positionOf(desk, 'place');
      await desk.seat.move(320, 400);
      await desk.seat.press();
      await desk.seat.glide(x, y);
      await desk.seat.glide(x + 8, y);
      await desk.seat.release();
      await desk.title(/^dropped: /);
    },
    { facts: titles },
  ),
  does(
    'pointer locked',
    async desk => {
      await click(desk, 'lock');
      await desk.title(/^lock/);
      await desk.title(/^locked/);
      for (let i = 0; i < 10; i++) await desk.seat.push(-100, 0);
      // Firefox takes the pointer back to the middle itself and counts some of that.
      await desk.title(/^locked: moved -\d/);
    },
    // Browsers show a notice for some seconds.
    { see: 'window' },
  ),
  does(
    'and freed',
    async desk => {
      await desk.seat.key('Escape');
      await desk.title(/^unlocked/);
    },
    { see: 'window', facts: titles },
  ),
  does(
    'screen filled',
    async desk => {
      await click(desk, 'fill');
      await desk.title(/^filled/);
      await desk.until('a window that fills the screen', async () =>
        (await desk.windows()).some(({ fullscreen }) => fullscreen),
      );
    },
    { see: 'window' },
  ),
  does(
    'and left',
    async desk => {
      await desk.seat.key('Escape');
      await desk.title(/^not filled/);
    },
    { see: 'window', facts: rects },
  ),
];

/** A place of the page's paper where it fills an output, its colour, and a text field there. */
const FILLED = {
  paper: { x: 900, y: 600 },
  colour: 0xf4f0e0,
  text: { x: 180, y: 145 },
  choice: { x: 180, y: 205 },
} as const;

/** What is done with it where nobody tells its title. */
const ANYWHERE: readonly Step[] = [
  does('page shown', async desk => {
    const { x, y } = FILLED.paper;
    await desk.seat.move(x, y);
    await desk.screen.until(
      'the page',
      ({ pixels, width }) => (pixels[y * width + x - 20]! & 0xffffff) === FILLED.colour,
    );
    await desk.screen.still('the page');
  }),
  does('text typed', async desk => {
    await desk.seat.click(FILLED.text.x, FILLED.text.y);
    await desk.seat.type('Typed, 1+2=3');
  }),
  does('cut and pasted twice', async desk => {
    for (const chord of ['Ctrl+a', 'Ctrl+x', 'Ctrl+v', 'Ctrl+v']) await desk.seat.key(chord);
  }),
  does('list opened', desk => desk.seat.click(FILLED.choice.x, FILLED.choice.y)),
  does('choice made', async desk => {
    for (const key of ['Down', 'Down', 'Return']) await desk.seat.key(key);
  }),
  does('context menu opened', desk => desk.seat.click(FILLED.paper.x, 200, 'right')),
  does('and closed', desk => desk.seat.key('Escape')),
];

const beside = (directory: string): readonly string[] => [process.execPath, FILE_SOURCE, join(directory, 'a file.txt')];

function prepareFile(directory: string): void {
  writeFileSync(join(directory, 'a file.txt'), 'what was in it');
}

/** Keeps Firefox from asking, blinking, animating and calling home. */
const FIREFOX_PREFERENCES: Readonly<Record<string, string | number | boolean>> = {
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.sessionstore.resume_from_crash': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.tabs.firefox-view': false,
  'browser.toolbars.bookmarks.visibility': 'never',
  'datareporting.policy.dataSubmissionEnabled': false,
  'datareporting.policy.firstRunURL': '',
  'extensions.pocket.enabled': false,
  'full-screen-api.transition-duration.enter': '0 0',
  'full-screen-api.transition-duration.leave': '0 0',
  'full-screen-api.warning.timeout': 0,
  'network.connectivity-service.enabled': false,
  'network.captive-portal-service.enabled': false,
  'pointer-lock-api.warning.timeout': 0,
  'termsofuse.bypassNotification': true,
  'toolkit.cosmeticAnimations.enabled': false,
  'toolkit.telemetry.enabled': false,
  'trailhead.firstrun.didSeeAboutWelcome': true,
  'ui.caretBlinkTime': 0,
  'ui.prefersReducedMotion': 1,
  'ui.tooltip.delay_ms': 600_000,
};

function prepareFirefox(directory: string): void {
  prepareFile(directory);
  mkdirSync(join(directory, 'profile'));
  const lines = Object.entries(FIREFOX_PREFERENCES).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  writeFileSync(join(directory, 'profile', 'user.js'), lines.join(''));
}

function firefox(directory: string): readonly string[] {
  return ['firefox-esr', '--no-remote', '--profile', join(directory, 'profile'), PAGE];
}

/**
 * What is done with a browser on X11: no file of a Wayland program, and the pointer is locked in the end, since a page is
 * told other places of clicks after that, directly as well.
 */
const X11_STEPS = [0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 9, 10].map(i => PAGE_STEPS[i]!);

export const browsers: readonly Program[] = [
  {
    name: 'Firefox',
    toolkit: 'GTK 3, wl_shm',
    package: 'firefox-esr',
    needs: 'firefox-esr',
    command: firefox,
    env: { MOZ_ENABLE_WAYLAND: '1', MOZ_CRASHREPORTER_DISABLE: '1' },
    prepare: prepareFirefox,
    beside,
    steps: PAGE_STEPS,
    anywhere: ANYWHERE,
  },
  {
    name: 'Firefox, X11',
    toolkit: 'GTK 3, X11',
    package: 'firefox-esr',
    x11: true,
    command: firefox,
    env: { MOZ_ENABLE_WAYLAND: '0', MOZ_CRASHREPORTER_DISABLE: '1' },
    prepare: prepareFirefox,
    beside,
    steps: X11_STEPS,
  },
  {
    name: 'Chromium',
    toolkit: 'own, wl_shm',
    package: 'chromium',
    command: directory => [
      ...[
        'chromium',
        '--no-sandbox',
        '--ozone-platform=wayland',
        '--no-first-run',
        '--disable-gpu',
        '--no-default-browser-check',
      ],
      ...['--password-store=basic', '--disable-sync', '--disable-background-networking', '--disable-component-update'],
      ...['--force-prefers-reduced-motion', '--test-type', `--user-data-dir=${join(directory, 'profile')}`, PAGE],
    ],
    prepare: prepareFile,
    beside,
    steps: PAGE_STEPS,
  },
];
