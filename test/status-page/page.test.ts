/**
 * The page of `virtwl status --web` in a real browser, against a running stack: real sway, unmodified programs, headless
 * Chromium. It says what `--json` says, a fault is on it within two seconds, and what VMs call themselves stays text.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium, type Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { LoopbackStack, VIRTWL } from '../../src/demo/loopback-stack.js';
import { ANSWER_MS } from '../../src/observe/ask-status.js';
import type { ProcessReport } from '../../src/observe/status-report.js';
import { STATUS_DIRECTORY_ENV } from '../../src/observe/status-socket.js';
import { EVERY_MS } from '../../src/status-page/pace.js';
import type { Reading } from '../../src/status-page/readings.js';
import { decodePng } from '../../src/frames/picture.js';
import { startSway, type Sway } from '../compositors.js';
import { eventually } from '../eventually.js';
import { foot, quietEnvironment, runIn } from '../loopback/applications.js';

t.setTimeout(240_000);

const BROWSER = '/usr/bin/chromium';
/** What Chromium does of itself, it does not do here: it may ask us, and nobody else. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
];
/** How long a browser may take to start, and to show anything, on a machine that is busy, in milliseconds. */
const START_MS = 120_000;
const HOSTILE = '<img src=x onerror=document.title="broken">';

interface Scene {
  readonly sway: Sway;
  readonly stack: LoopbackStack;
  readonly env: Record<string, string>;
  readonly json: () => Promise<readonly ProcessReport[]>;
  readonly page: Page;
  readonly url: string;
  /** All readings that the page was told, in order. */
  readonly readings: Reading[];
  readonly requests: string[];
  /** What the browser complained of. */
  readonly complaints: string[];
}

function stdoutOf(args: readonly string[]): Promise<string> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [VIRTWL, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    child.once('close', () => resolve(text));
  });
}

async function scene(t: Test, ...compositorArguments: string[]): Promise<Scene> {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-page-'));
  process.env[STATUS_DIRECTORY_ENV] = join(directory, 'status');
  t.teardown(() => {
    delete process.env[STATUS_DIRECTORY_ENV];
    rmSync(directory, { recursive: true });
  });
  const sway = await startSway(t);
  const policy = 'title free\nclients 2\n';
  const stack = await LoopbackStack.start({
    compositor: { attach: sway.display },
    compositorArguments: ['--policy', t.testdir({ 'client.policy': policy }), ...compositorArguments],
  });
  t.teardown(() => stack.stop());
  const web = spawn(process.execPath, [VIRTWL, 'status', '--web', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => web.kill());
  const url = await new Promise<string>(resolve => createInterface({ input: web.stdout }).once('line', resolve));
  const browser = await chromium.launch({ executablePath: BROWSER, args: FLAGS, timeout: START_MS });
  t.teardown(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(START_MS);
  const readings: Reading[] = [];
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on('request', request => requests.push(request.url()));
  page.on('response', response => {
    if (response.url().endsWith('status.json')) void response.json().then((reading: Reading) => readings.push(reading));
  });
  page.on('console', message => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', error => complaints.push(error.message));
  page.on('dialog', dialog => complaints.push(`a dialog: ${dialog.message()}`));
  await page.addInitScript(
    `document.addEventListener('securitypolicyviolation', event => console.error('violates', event.violatedDirective));`,
  );
  const json = async (): Promise<readonly ProcessReport[]> =>
    JSON.parse(await stdoutOf(['status', '--json'])) as readonly ProcessReport[];
  const env = { ...quietEnvironment(t), [STATUS_DIRECTORY_ENV]: process.env[STATUS_DIRECTORY_ENV] };
  return { sway, stack, env, json, page, url, readings, requests, complaints };
}

interface Shown {
  /** How many readings have been shown so far: the last of these is what stands there. */
  readonly refreshes: number;
  readonly summary: string;
  /** Texts of the cells of a section's rows. */
  readonly rows: Readonly<Record<string, readonly (readonly string[])[]>>;
}

/** All that stands there at one moment. */
async function shown(page: Page): Promise<Shown> {
  return page.evaluate<Shown>(`(() => {
    const text = node => node.innerText.replace(/\\s+/g, ' ').trim();
    const rows = id => [...document.querySelectorAll('#' + id + ' tbody tr:not(.empty)')].map(row => [...row.cells].map(text));
    return {
      refreshes: Number(document.documentElement.dataset.refreshes ?? 0),
      summary: text(document.getElementById('summary')),
      rows: Object.fromEntries(['processes', 'vms', 'programs', 'clients', 'denials', 'log'].map(id => [id, rows(id)])),
    };
  })()`);
}

/** Resolves when that holds there, with how many readings it took. (The page lets nobody evaluate by itself.) */
async function refreshesUntil(page: Page, condition: string): Promise<number> {
  return page.evaluate<number>(`new Promise(resolve => {
    const text = id => document.getElementById(id).innerText.replace(/\\s+/g, ' ');
    const refreshes = () => Number(document.documentElement.dataset.refreshes ?? 0);
    const before = refreshes();
    const look = () => {
      if (!(${condition})) return;
      observer.disconnect();
      resolve(refreshes() - before);
    };
    const observer = new MutationObserver(look);
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-refreshes'] });
    look();
  })`);
}

/** As above, by words of a section. */
const stands = (page: Page, id: string, words: string): Promise<number> =>
  refreshesUntil(page, `text('${id}').includes(${JSON.stringify(words)})`);

/** How soon a fault is to be on the page, in milliseconds. A machine that is busy is slower, so looks are counted and not time. */
const SOON_MS = 2_000;

/** That a fault was on the page after so many looks, of which one took `longerMs` more, is soon enough. */
function inTime(t: Test, looks: number, longerMs = 0): void {
  t.ok(looks * EVERY_MS + longerMs <= SOON_MS, `after ${looks} looks, one each ${EVERY_MS} ms`);
}

const count = async (page: Page): Promise<number> => (await shown(page)).refreshes;

t.test('the page of a running stack', async t => {
  const s = await scene(t);
  const { page } = s;
  const drawing = runIn(t, s.stack, 'client', ['weston-simple-shm'], s.env);
  runIn(t, s.stack, 'client', foot(`--app-id=${HOSTILE}`, '--title=tea & <b>cake</b>', 'cat'), s.env);
  await page.goto(s.url);

  await t.test('what it says is what --json says', async t => {
    // Both terminals are there, and one reading came after the first frames.
    await refreshesUntil(
      page,
      String.raw`/app id.*app id/.test(text('clients')) && /weston-\S+ process \d+ served 1 [1-9]/.test(text('programs')) && text('summary').includes('nothing is waited for')`,
    );
    const { refreshes, rows, summary } = await shown(page);
    await eventually('the reading that is shown', () => s.readings.length >= refreshes);
    const { reports } = s.readings[refreshes - 1]!;
    const glue = reports.find(({ role }) => role === 'compositor')!;
    const vm = glue.clientVms![0]!;
    const rate = (framesPerSecond: number | undefined): string => framesPerSecond?.toFixed(1) ?? '–';
    const mebibytes = (bytes: number): string => `${Math.round((bytes / 2 ** 20) * 10) / 10} MiB`;
    t.equal(rows.processes!.length, reports.length);
    t.match(
      rows.vms,
      [
        [
          'client',
          'served',
          `${mebibytes(vm.memory.bytes)} of 512 MiB, ${vm.memory.slabs} slab`,
          '2',
          rate(vm.framesPerSecond),
          vm.latency === undefined ? '–' : /^[\d.]+ \/ [\d.]+$/,
        ],
      ],
      'frames, latency and memory of the VM',
    );
    const programs = reports.flatMap(({ programs = [] }) => programs);
    t.equal(programs.length, 2);
    t.strictSame(
      rows.programs!.map(([name, state, windows, rate]) => [name, state, windows, rate]),
      programs.map(({ program, pid, windows, framesPerSecond, state }) => [
        ...[`${program} process ${pid}`, state.is, `${windows}`, rate(framesPerSecond)],
      ]),
      'and of each program',
    );
    t.ok(programs.some(({ framesPerSecond = 0 }) => framesPerSecond > 0));
    t.match(summary, /^all 6 processes answer, and nothing is waited for$/);

    const lasting = (all: readonly ProcessReport[]) =>
      JSON.stringify(
        all.map(({ role, pid, vm, programs, clientVms }) => [
          ...[role, pid, vm, programs?.map(({ client, pid, program, windows }) => [client, pid, program, windows])],
          clientVms?.map(({ vm, clientCount, memory, denials }) => [vm, clientCount, memory, denials]),
        ]),
      );
    let said = '';
    let told = '';
    for (let tries = 0; tries < 5 && (said === '' || said !== told); tries++) {
      told = lasting(await s.json());
      said = lasting(s.readings.at(-1)!.reports);
    }
    t.equal(said, told, 'what does not change from one second to the next is the same there');
  });

  await t.test('what a VM calls itself is text, in quotes, and marked as its word', async t => {
    const { rows } = await shown(page);
    t.ok(
      rows.clients!.some(([, , words]) => words === `app id “${HOSTILE}” title “tea & <b>cake</b>”`),
      JSON.stringify(rows.clients),
    );
    t.equal(await page.locator('#clients th').nth(2).innerText(), "By the VM's own word");
    t.equal(await page.locator('img, b').count(), 0);
    t.equal(await page.title(), 'virtwl status');
  });

  await t.test('plots and log lines', async t => {
    t.equal(await page.locator('#frames canvas, #latency canvas').count(), 2);
    t.match(
      await page.locator('#frames .canvas').getAttribute('aria-label'),
      /^frames over time; VM client: [\d.]+ frames\/s/,
    );
    t.match(await page.locator('#latency .legend').innerText(), /weston-simple-s \(\d+\)\s+[\d.]+ ms, [\d.]+ ms/);
    const { rows } = await shown(page);
    t.ok(rows.log!.some(row => /compositor \d+ info client, client \d+ a client arrived$/.test(row.join(' '))));
    const select = page.locator('#log select');
    await page.keyboard.press('Tab');
    t.equal(await page.evaluate('document.activeElement.tagName'), 'SELECT', 'the keyboard gets there');
    const broker = s.readings[0]!.reports.find(({ role }) => role === 'broker')!;
    await select.selectOption(`broker, process ${broker.pid}`);
    t.ok(
      (await shown(page)).rows.log!.every(([, process]) => process === `broker ${broker.pid}`),
      'of one process',
    );
    await select.selectOption('every process');
  });

  await t.test('a client that is denied is on it at the next look', async t => {
    const third = runIn(t, s.stack, 'client', foot('cat'), s.env);
    t.not(await third.ended, 0, 'it is turned away');
    // The first look may have been under way.
    const looks = await stands(page, 'denials', 'client.policy:2');
    t.ok(looks <= 2, `${looks} looks`);
    inTime(t, looks);
    t.match((await shown(page)).rows.denials, [
      ['client', 'clients', /client\.policy:2$/, '1', / ago$/, /turned away/],
    ]);
  });

  await t.test('a compositor that is stopped is on it within two seconds, and so is that it goes on', async t => {
    s.sway.process.kill('SIGSTOP');
    t.teardown(() => s.sway.process.kill('SIGCONT'));
    const looks = await stands(page, 'summary', "waits for the compositor's answer");
    inTime(t, looks);
    const { rows } = await shown(page);
    const waits = /^waiting for \d+ s waits for the compositor's answer: /;
    t.match(rows.processes!.find(([name]) => name!.startsWith('compositor'))![2], waits, 'by the glue');
    t.match(rows.programs!.find(([name]) => name!.startsWith('weston'))![1], waits, 'and of the program');
    s.sway.process.kill('SIGCONT');
    await stands(page, 'summary', 'nothing is waited for');
  });

  await t.test('a process that is frozen', async t => {
    const glue = s.stack.parts.get('compositor')!.process;
    glue.kill('SIGSTOP');
    t.teardown(() => glue.kill('SIGCONT'));
    const looks = await stands(page, 'summary', 'frozen');
    // The look that finds it takes as long as an answer may.
    inTime(t, looks, ANSWER_MS);
    t.match((await shown(page)).summary, /^compositor, process \d+: frozen, no answer within 1000 ms: it is stopped/);
    glue.kill('SIGCONT');
    await stands(page, 'summary', 'nothing is waited for');
  });

  await t.test('a page that nobody looks at asks nothing', async t => {
    await page.evaluate(`Object.defineProperty(document, 'hidden', { value: true, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));`);
    const before = s.requests.length;
    for (let i = 0; i < 2; i++) await s.json(); // each takes more than a second
    t.ok(s.requests.length <= before + 1, 'but for what was under way');
    await page.evaluate(`Object.defineProperty(document, 'hidden', { value: false });
      document.dispatchEvent(new Event('visibilitychange'));`);
    await eventually('and goes on when it is looked at again', () => s.requests.length > before + 1);
  });

  t.notOk(await page.locator('#outputs').isVisible(), 'no pictures of outputs: nobody has allowed them');
  t.notOk(s.requests.some(each => each.includes('thumbnails')));
  t.strictSame(s.complaints, [], 'the browser complains of nothing');
  t.strictSame(
    s.requests.filter(each => !each.startsWith(s.url)),
    ['data:,'].filter(icon => s.requests.includes(icon)),
    'and nobody else was asked',
  );
  await drawing.stop();
});

t.test('a small picture of each output, where the compositor was started with --thumbnails', async t => {
  const s = await scene(t, '--thumbnails');
  const { page } = s;
  const terminal = runIn(t, s.stack, 'client', foot('--override=colors.background=3060c0', 'cat'), s.env);
  await page.goto(s.url);
  const image = page.locator('#outputs img');
  const blue = async (): Promise<boolean> => {
    const source = (await image.getAttribute('src')) ?? '';
    const { width, height, pixels } = decodePng(Buffer.from(source.split('base64,')[1]!, 'base64'));
    t.same([width, height], [320, 240]);
    return pixels[(height / 2) * width + width / 2] === 0x3060c0;
  };
  for (let tries = 0; tries < 20 && !(await blue()); tries++) {
    await refreshesUntil(page, `Number(document.documentElement.dataset.refreshes) > ${await count(page)}`);
  }
  t.ok(await blue(), 'the terminal is in it');
  t.equal(await page.locator('#outputs figcaption').innerText(), 'HEADLESS-1');
  t.equal(await page.evaluate(`document.querySelector('#outputs img').naturalWidth`), 320, 'and drawn');

  s.sway.process.kill('SIGSTOP');
  t.teardown(() => s.sway.process.kill('SIGCONT'));
  await stands(page, 'outputs', 'no pictures: the compositor has not answered');
  t.equal(await image.count(), 1, 'the last one stays');
  s.sway.process.kill('SIGCONT');
  await refreshesUntil(page, `!text('outputs').includes('no pictures')`);
  t.strictSame(s.complaints, []);
  await terminal.stop();
});

t.test('--web is refused where others would reach it, and with what else there is to print', async t => {
  const status = (...args: string[]): Promise<{ code: number | null; text: string }> =>
    new Promise(resolve => {
      const child = spawn(process.execPath, [VIRTWL, 'status', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
      let text = '';
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      child.once('close', code => resolve({ code, text }));
    });
  const everywhere = await status('--web', '0.0.0.0:0');
  t.equal(everywhere.code, 1);
  t.match(everywhere.text, /other machines reach that address.*not encrypted.*"ssh -L", or add --web-for-others/);
  t.match(await status('--web', '127.0.0.1:0', '--json'), { code: 1, text: /give it without --json/ });
  t.match((await status('--web', 'somewhere')).text, /give an address and a port, like 127\.0\.0\.1:8080/);
});
