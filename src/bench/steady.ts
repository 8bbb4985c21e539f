/**
 * What the processes that a frame goes through need while frames are steady: looked at several times within a measurement, from
 * when connecting is over until before the end, by what the kernel counts of each. Descriptors and mappings that come and go
 * within a frame do not show in this; the tests count those.
 *
 * Of faults, descriptors and mappings the median of the windows between two looks counts, and not their sum: what comes once, as
 * the first writing of a buffer that the compositor's timing asks for, is not what a steady frame needs.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { descendants } from './cpu.js';

/** Where on its way a frame meets a process: the client's relay or proxy, the compositor's relay or glue, the compositor. */
export type Place = 'near' | 'far' | 'compositor';
export const PLACES: readonly Place[] = ['near', 'far', 'compositor'];

/** The processes of one way to the compositor, by the pid of each: with all that it started. */
export type Places = Readonly<Partial<Record<Place, number>>>;

/** What a process has used and holds; times in microseconds. */
export interface Use {
  readonly cpu_us: number;
  readonly faults: number;
  readonly fds: number;
  readonly mappings: number;
}

/** What came to it within the window, and how long that was, in seconds. */
export type Steady = Readonly<Partial<Record<Place, Use>>> & { readonly seconds: number };

/** When the first look is, in milliseconds: a client has connected and warmed up by then. */
const SETTLED_MS = 450;
/** How much of the measured time lies between both looks. */
const SHARE = 0.7;
/** Into how many windows that is divided: an odd number has a median, and five hold a few hundred frames each. */
const WINDOWS = 5;

/** How long what a crowd left behind is waited for, and how often it is looked at, in milliseconds. */
const IDLE_TIMEOUT_MS = 30_000;
const IDLE_LOOK_MS = 250;
/** Share of a core that a process may take and count as idle: a compositor draws now and then. */
const IDLE_SHARE = 0.1;

/** Reads what one process has used until now. Zeros when it is gone. */
export function useOf(pid: number): Use {
  const directory = `/proc/${pid}`;
  try {
    const stat = readFileSync(`${directory}/stat`, 'utf8').split(') ').at(-1)!.split(' ').map(Number);
    const nanoseconds = readdirSync(`${directory}/task`)
      .map(task => Number(readFileSync(`${directory}/task/${task}/schedstat`, 'utf8').split(' ')[0]))
      .reduce((sum, n) => sum + n, 0);
    return {
      cpu_us: nanoseconds / 1000,
      faults: stat[7]! + stat[9]!,
      fds: count(() => readdirSync(`${directory}/fd`).length),
      mappings: count(() => readFileSync(`${directory}/maps`, 'utf8').split('\n').length),
    };
  } catch {
    return { cpu_us: 0, faults: 0, fds: 0, mappings: 0 };
  }
}

/** What only the owner of a process may see: of the compositor, that is another user. */
function count(look: () => number): number {
  try {
    return look();
  } catch {
    return 0;
  }
}

function usesOf(places: Places): Partial<Record<Place, Use>> {
  const uses: Partial<Record<Place, Use>> = {};
  for (const place of PLACES) {
    const pid = places[place];
    if (pid !== undefined)
      uses[place] = descendants(pid)
        .map(useOf)
        .reduce((a, b) => combine(a, b, 1));
  }
  return uses;
}

function combine(a: Use, b: Use, sign: 1 | -1): Use {
  return {
    cpu_us: a.cpu_us + sign * b.cpu_us,
    faults: a.faults + sign * b.faults,
    fds: a.fds + sign * b.fds,
    mappings: a.mappings + sign * b.mappings,
  };
}

/** Looks at them within a measurement of so many seconds that begins now. */
export async function watchSteady(places: Places, seconds: number): Promise<Steady> {
  await pause(SETTLED_MS);
  const from = performance.now();
  const looks = [usesOf(places)];
  while (looks.length <= WINDOWS) {
    await pause((seconds * 1000 * SHARE) / WINDOWS);
    looks.push(usesOf(places));
  }
  const to = performance.now();
  const changes: Partial<Record<Place, Use>> = {};
  for (const place of PLACES) {
    const uses = looks.map(look => look[place]).filter(use => use !== undefined);
    if (uses.length === looks.length) changes[place] = steadyUse(uses);
  }
  return { ...changes, seconds: (to - from) / 1000 };
}

/** What came to a process from the first look to the last, as if each window had been the median one but for time. */
export function steadyUse(looks: readonly Use[]): Use {
  const windows = looks.slice(1).map((look, n) => combine(look, looks[n]!, -1));
  const usual = (of: (use: Use) => number): number => {
    const sorted = windows.map(of).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)]! * windows.length;
  };
  return {
    cpu_us: looks.at(-1)!.cpu_us - looks[0]!.cpu_us,
    faults: usual(use => use.faults),
    fds: usual(use => use.fds),
    mappings: usual(use => use.mappings),
  };
}

/**
 * Waits until they have little to do any more: a crowd of clients that has gone leaves work behind, which is not to be in
 * what is measured next. False when they were not idle in time.
 */
export async function untilIdle(places: Places, timeoutMs = IDLE_TIMEOUT_MS): Promise<boolean> {
  const used = (): number => Object.values(usesOf(places)).reduce((sum, { cpu_us }) => sum + cpu_us, 0);
  for (const end = performance.now() + timeoutMs; performance.now() < end;) {
    const before = used();
    await pause(IDLE_LOOK_MS);
    if (used() - before < IDLE_SHARE * IDLE_LOOK_MS * 1000) return true;
  }
  return false;
}
