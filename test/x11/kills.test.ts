/**
 * kill -9 of X11 programs at moments that chance decides, from before they connect to when they have windows and transfers
 * of the clipboard. An X11 program beside them keeps its window and its connection, and in the end everything is as before
 * the first: windows, descriptors, mappings and, as far as that can be said, memory of `virtwl x11`, its server, the proxy,
 * the glue and the compositor.
 *
 * VIRTWL_X11_KILLS says how many, FUZZ_SEED which programs and which moments.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { destroyWindow, mapWindow, unmapWindow } from '../../src/x11/requests.js';
import { startSway } from '../compositors.js';
import { eventually } from '../eventually.js';
import { quietEnvironment } from '../loopback/applications.js';
import {
  holdingsOf,
  processTree,
  programOf,
  residentBytes,
  type ProcessHoldings,
} from '../robustness/process-holdings.js';
import { Random } from '../wayland/random.js';
import { until } from './desk.js';
import { openOffice } from './office.js';
import { connectTo, makeWindow, settled } from './x-client.js';

const KILLS = Number(process.env.VIRTWL_X11_KILLS ?? 16);
const SEED = Number(process.env.FUZZ_SEED ?? 14);
/** How many come before what is held is noted: caches are filled then, and heaps have grown. */
const EARLY = Math.ceil(KILLS / 4);
/** The latest moment, in milliseconds after the start. */
const LATEST_MS = 400;
/** Until what a program had is given back, in milliseconds: pools of pixels are kept for the next window a while. */
const PATIENCE_MS = 30_000;
/** More resident memory than that, in MiB, is no heap's habit. A leak of a window's pixels would be more after 200 kills. */
const MORE_MIB = 24;

t.setTimeout(60_000 + KILLS * 4_000);

const sway = await startSway(t, { width: 400, height: 300 });
const stack = await LoopbackStack.start({ clients: ['office'], compositor: { attach: sway.display } });
t.teardown(() => stack.stop());
const env = quietEnvironment(t);
const { office, display, authority } = await openOffice(t, stack, env);

const { x, setup } = await connectTo(display, authority);
t.teardown(() => x.close());
x.send(mapWindow(makeWindow(x, setup.root)));
const windows = async (): Promise<number> =>
  (JSON.stringify(await sway.message('-t', 'get_tree')).match(/"pid":/g) ?? []).length;
await until('the window of the one that stays', async () => (await windows()) === 1);

const file = `${t.testdir({})}/copied`;
writeFileSync(file, 'copied '.repeat(1 << 17));
/** xterm is pasted into by nobody: it draws. xclip copies, and asks for what another one has copied. */
const VICTIMS: readonly (readonly string[])[] = [
  ['xterm', '-e', 'yes'],
  ['editres'],
  ['xclip', '-quiet', '-selection', 'clipboard', file],
  ['xclip', '-o', '-selection', 'clipboard', '-t', 'STRING'],
];

/** All processes that X11 programs are served by, and sway. */
function holders(): readonly (readonly [name: string, pid: number])[] {
  const glue = stack.parts.get('compositor')!.process.pid!;
  return [office.process.pid!, glue, sway.process.pid!].flatMap(pid =>
    processTree(pid)
      .filter(each => programOf(each) !== 'sh')
      .map(each => [`${programOf(each)} of ${pid}`, each] as const),
  );
}
type Held = Readonly<Record<string, ProcessHoldings>>;
const held = (): Held => Object.fromEntries(holders().map(([name, pid]) => [`${name} ${pid}`, holdingsOf(pid)]));
const resident = (): number[] => holders().map(([, pid]) => residentBytes(pid) >> 20);

const random = new Random(SEED);
async function kill(): Promise<void> {
  const command = VICTIMS[random.below(VICTIMS.length)]!;
  const victim = spawn(command[0]!, command.slice(1), {
    env: { ...env, DISPLAY: display, XAUTHORITY: authority },
    stdio: 'ignore',
  });
  const ended = new Promise(resolve => victim.once('exit', resolve));
  await pause(random.below(LATEST_MS));
  victim.kill('SIGKILL');
  await ended;
  await settled(x);
}

async function quiet(t: Test): Promise<void> {
  await until('no other window', async () => (await windows()) === 1);
  await settled(x);
  t.notOk(x.closed, 'the one that stays is connected');
}

/** Xwayland keeps pictures for the next ones a few seconds, and the glue its memory. */
async function holdsNoMore(t: Test, before: Held): Promise<void> {
  const more = (): string[] =>
    Object.entries(held()).flatMap(([name, kinds]) =>
      Object.entries(kinds)
        .filter(([kind, count]) => count > (before[name]?.[kind] ?? 0))
        .map(([kind, count]) => `${name}: ${count} of ${kind}, before ${before[name]?.[kind] ?? 0}`),
    );
  await eventually('what is held is as before', () => more().length === 0, PATIENCE_MS).catch(() => {});
  t.same(more(), [], 'descriptors and mappings of each process are no more than before');
}

t.test('windows that go before they are shown, as soon as they are, and after', async t => {
  const go = async (rounds: number): Promise<void> => {
    for (let i = 0; i < rounds; i++) {
      const ids = [0, 1, 2].map(() => makeWindow(x, setup.root));
      for (const id of ids) x.send(mapWindow(id));
      x.send(destroyWindow(ids[0]!));
      await settled(x);
      x.send(unmapWindow(ids[1]!));
      await pause(random.below(60));
      for (const id of ids.slice(1)) x.send(destroyWindow(id));
      await settled(x);
    }
    await quiet(t);
  };
  await go(8);
  await pause(1_000);
  const before = held();
  await go(40);
  await holdsNoMore(t, before);
});

t.test(`${KILLS} kills (FUZZ_SEED=${SEED})`, async t => {
  for (let i = 0; i < EARLY; i++) await kill();
  await quiet(t);
  await pause(1_000);
  const [before, residentBefore] = [held(), resident()];
  for (let i = EARLY; i < KILLS; i++) await kill();
  await quiet(t);
  await holdsNoMore(t, before);
  const grown = resident().map((mib, i) => mib - residentBefore[i]!);
  t.comment(
    holders()
      .map(([name], i) => `${name}: ${residentBefore[i]} MiB, grown by ${grown[i]}`)
      .join('; '),
  );
  t.ok(Math.max(...grown) < MORE_MIB, 'and memory is', { grown });
});
