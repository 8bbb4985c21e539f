/**
 * A stack with real VMs, for the tests that kill its processes: clients that draw until they are told to stop, word on
 * whether their frames go on, and what every process that is there holds, on the host and in the guests.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import { VmStack, type VmStackOptions } from '../../src/demo/vm-stack.js';
import { STATUS_PREFIX } from '../../src/observe/status.js';
import type { ReportJson } from '../../src/frames/report.js';
import type { GuestProgram, ProgramState } from '../../src/vm/guest-program.js';
import { holdingsOf, processTree, programOf } from '../robustness/process-holdings.js';

/** How long anything may take to come about, in milliseconds: minutes, where guests are emulated on a busy machine. */
export const TIMEOUT_MS = 180_000;
const LOOK_INTERVAL_MS = 250;
/** Between two questions to a guest, which take it a while. */
const ASK_INTERVAL_MS = 1_000;
/** Lines of the glue's log that are told when a client has ended. */
const LAST_LINES = 25;
/** Messages of a device after which frames have gone on: a frame with its capture takes some ten. */
const MESSAGES_OF_FRAMES = 40;
/** Small, since every pixel costs where guests are emulated. */
const FRAME = ['--size', '64x64', '--json', '--timeout', String(TIMEOUT_MS), '--connect-timeout', String(TIMEOUT_MS)];

/** Twice a second only: where guests are emulated, clients that draw without pause leave nothing for what is tested. */
const SWAY_CONFIG = `
xwayland disable
output HEADLESS-1 mode 200x96@2Hz position 0 0 scale 1
default_border none
default_floating_border none
focus_follows_mouse no
for_window [title="^\\[office\\]"] floating enable, move position 8 8
for_window [title="^\\[lab\\]"] floating enable, move position 104 8
`;

/** A stack whose clients may capture, so that they check their own frames. It ends with the test. */
export async function startStack(
  t: Test,
  clients: readonly string[],
  more: Partial<VmStackOptions> = {},
): Promise<VmStack> {
  const stack = await VmStack.start({
    clients,
    swayConfig: SWAY_CONFIG,
    policies: Object.fromEntries(clients.map(vm => [vm, 'capture yes\n'])),
    budget: '64M',
    say: line => t.comment(line),
    log: (part, line) => t.comment(`${part}: ${line}`),
    ...more,
  });
  t.teardown(() => stack.stop());
  return stack;
}

/** A client that draws and checks every frame until it is told to stop. It draws already: the glue gave it memory. */
export async function drawing(stack: VmStack, vm: string, more: readonly string[] = []): Promise<GuestProgram> {
  const given = async (): Promise<number> =>
    ((await stack.statusOf(stack.compositor)).bytes as Record<string, number>)[vm] ?? 0;
  const before = await given();
  const client = await stack.virtwl(vm, ['frames', '--frames', '1000000', ...FRAME, ...more]);
  for (const end = Date.now() + TIMEOUT_MS; (await given()) <= before; await pause(ASK_INTERVAL_MS)) {
    const { status, output, errors } = await client.state();
    if (status !== undefined || Date.now() > end)
      throw new Error(`a client of ${vm} does not draw (${status}): ${output}${errors}`);
  }
  return client;
}

/** A client of a few frames. */
export function fewFrames(stack: VmStack, vm: string, more: readonly string[] = []): Promise<GuestProgram> {
  return stack.virtwl(vm, ['frames', '--frames', '3', ...FRAME, ...more]);
}

/** Asserts that a client of a few frames is served, pixel for pixel. */
export async function served(t: Test, client: GuestProgram, what: string): Promise<void> {
  const state = await client.ended(TIMEOUT_MS);
  t.equal(state.status, 0, what, { errors: state.errors, output: state.output });
  if (state.output !== '') t.match(reportOf(state).frames, { shown: 3, wrong: 0, missing: 0 }, 'with every pixel');
}

export function reportOf({ output }: ProgramState): ReportJson {
  return JSON.parse(output) as ReportJson;
}

/** Asserts that a client of {@link drawing} has ended, and gave the reason. */
export async function hasEnded(t: Test, client: GuestProgram, reason: RegExp): Promise<void> {
  const state = await client.ended(TIMEOUT_MS);
  t.equal(state.status, 1, 'the client ends');
  t.match(`${state.output}${state.errors}`, reason, 'and says why');
}

/** Asserts that a client of {@link drawing} goes on: that its VM's device carries frames, and more of them than a moment ago. */
export async function goesOn(t: Test, stack: VmStack, vm: string, client: GuestProgram): Promise<void> {
  const messages = async (): Promise<number> => (await stack.status(`${vm}-host`)).native.recvmsg;
  const before = await messages();
  const end = Date.now() + TIMEOUT_MS;
  let state = await client.state();
  while ((await messages()) < before + MESSAGES_OF_FRAMES && state.status === undefined && Date.now() < end) {
    await pause(LOOK_INTERVAL_MS);
    state = await client.state();
  }
  t.ok((await messages()) >= before + MESSAGES_OF_FRAMES, `${vm}: frames go on`);
  state = await client.state();
  if (state.status === undefined) t.pass(`${vm}: the client is there`);
  else t.fail(`${vm}: the client has ended`, { ...state, glue: await lastWords(stack.compositor) });
}

/** What the glue and its compositor have said last, for who looks for the reason. */
async function lastWords(glue: GuestProgram): Promise<unknown> {
  const { status, errors } = await glue.state();
  const lines = errors.split('\n').filter(line => !line.startsWith(STATUS_PREFIX));
  return { status, lines: lines.slice(-LAST_LINES) };
}

/** Tells a client of {@link drawing} to stop. Asserts that every frame which it has ever drawn was shown, pixel for pixel. */
export async function wasRight(t: Test, client: GuestProgram, what: string): Promise<void> {
  await client.signalAlone('TERM');
  const state = await client.ended(TIMEOUT_MS);
  t.equal(state.status, 0, what, { errors: state.errors, output: state.output });
  if (state.output === '') return;
  const { frames, stopped } = reportOf(state);
  t.match(
    { frames, stopped },
    { frames: { wrong: 0, stale: 0, missing: 0 }, stopped: true },
    'without one wrong pixel',
  );
  t.equal(frames.shown, frames.sent, `all of ${frames.sent} frames`);
  t.ok(frames.sent > 1);
}

/** What a VM's host process says of the VM's device. */
export async function deviceOf(stack: VmStack, vm: string): Promise<unknown> {
  const { device, gpu } = await stack.status(`${vm}-host`);
  return stack.device(vm).kind === 'gpu' ? gpu : device;
}

/** What is held, by holder. Numbers of processes and files are not in it, so that a process can take another's place. */
export type StackHoldings = Readonly<Record<string, unknown>>;

/** Programs of the compositor VM whose descriptors and mappings of the device are counted. */
const IN_GUEST = `
for name in node sway; do
  for pid in $(pgrep -x $name); do
    echo $name: $(ls -l /proc/$pid/fd | sed -n 's/.* -> //p' | sed 's/wlroots-.*//; s/[0-9]//g' | sort | uniq -c)
    echo $name: $(grep -c -e wl -e dmabuf -e dri /proc/$pid/maps) mappings
  done
done`;

/** An allocator's accounts without its totals, which only grow. */
function held({ budget, used, pieces, connections }: Record<string, number>): Record<string, number | undefined> {
  return { budget, used, pieces, connections };
}

/** A device's, without what it has counted of a guest's notifications, which only grows. */
function settled(device: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(device).filter(([name]) => name !== 'kicks' && name !== 'interrupts'));
}

/**
 * Descriptors and mappings of every process on the host, accounts of devices and of the allocator; with `glue`, also what
 * glue and compositor hold in their VM.
 */
export async function holdings(stack: VmStack, glue?: GuestProgram): Promise<StackHoldings> {
  const all: Record<string, unknown> = {};
  // A part that was started again stands last among them.
  for (const [name, { process }] of [...stack.parts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const [i, pid] of processTree(process.pid!).entries())
      all[`${name}: ${i} ${programOf(pid)}`] = holdingsOf(pid);
    if (name === 'broker') continue;
    const { allocator, device, gpu } = await stack.status(name);
    const accounts = [device, gpu].map(each => each && settled(each as Record<string, number>));
    all[`${name}: accounts`] = { allocator: allocator && held(allocator as Record<string, number>), accounts };
  }
  if (glue !== undefined) {
    const { clients, bytes } = await stack.statusOf(glue);
    all['glue: accounts'] = { clients, bytes };
    all['glue and sway'] = (await stack.machine('compositor').run(IN_GUEST)).output.split('\n');
  }
  return all;
}

/** Asserts that what is held becomes what was held before. */
export async function holdsAsBefore(t: Test, before: StackHoldings, look: () => Promise<StackHoldings>): Promise<void> {
  let now = await look();
  for (
    const end = Date.now() + TIMEOUT_MS / 3;
    JSON.stringify(now) !== JSON.stringify(before) && Date.now() < end;
    now = await look()
  ) {
    await pause(ASK_INTERVAL_MS);
  }
  t.same(now, before, 'who is left holds what it held before, and so does who has come');
}

/** Waits until the broker holds a client for whom there is no compositor. */
export async function waits(t: Test, stack: VmStack, come: () => Promise<GuestProgram>): Promise<GuestProgram> {
  const held = (): number => {
    const confined = processTree(stack.parts.get('broker')!.process.pid!).at(-1)!;
    return holdingsOf(confined).socket ?? 0;
  };
  // What a process held that has just ended may be on its way out.
  let before = held();
  for (let again = -1; again !== before; before = held()) {
    again = before;
    await pause(LOOK_INTERVAL_MS);
  }
  const client = await come();
  for (const end = Date.now() + TIMEOUT_MS; held() <= before && Date.now() < end;) await pause(LOOK_INTERVAL_MS);
  t.ok(held() > before, 'a client that comes meanwhile waits');
  return client;
}

/** Beside a stack whose compositor's side is killed: what must not notice, and what was held before. */
export interface ClientSide {
  readonly sleeper: GuestProgram;
  readonly before: StackHoldings;
}

/** Has a first client served in the office, and another program run there. */
export async function beforeTheFirstKill(t: Test, stack: VmStack): Promise<ClientSide> {
  await served(t, await fewFrames(stack, 'office'), 'a client is served');
  const sleeper = await stack.program('office', 'sleep', ['sleep', '100000']);
  // What that client had may be on its way out.
  const look = (): Promise<StackHoldings> => holdings(stack, stack.compositor);
  let before = await look();
  for (const end = Date.now() + TIMEOUT_MS; Date.now() < end;) {
    await pause(ASK_INTERVAL_MS);
    const now = await look();
    if (JSON.stringify(now) === JSON.stringify(before)) break;
    before = now;
  }
  return { sleeper, before };
}

/** Kills while a client of the office draws. Asserts that it costs the client, and its VM nothing else. */
export async function costsTheClient(
  t: Test,
  stack: VmStack,
  { sleeper }: ClientSide,
  kill: () => Promise<unknown>,
): Promise<void> {
  const office = stack.machine('office');
  const client = await drawing(stack, 'office');
  await kill();
  await hasEnded(t, client, /closed the connection/);
  t.ok(office.running, 'its VM runs');
  t.equal((await sleeper.state()).status, undefined, 'and so does everything else in it');
}

/** Asserts that a client which has waited is served, and that all is then as it was before. */
export async function isBack(
  t: Test,
  stack: VmStack,
  { before }: ClientSide,
  client: GuestProgram,
  what: string,
): Promise<void> {
  await served(t, client, what);
  await holdsAsBefore(t, before, () => holdings(stack, stack.compositor));
}
