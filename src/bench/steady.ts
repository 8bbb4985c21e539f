/**
 * What the processes that a frame goes through need while frames are steady: looked at twice within a measurement, when
 * connecting is over and before the end, by what the kernel counts of each. Descriptors and mappings that come and go within
 * a frame do not show in this; the tests count those.
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
  const [from, before] = [performance.now(), usesOf(places)];
  await pause(seconds * 1000 * SHARE);
  const [to, after] = [performance.now(), usesOf(places)];
  const changes: Partial<Record<Place, Use>> = {};
  for (const place of PLACES) {
    if (after[place] !== undefined) changes[place] = combine(after[place], before[place]!, -1);
  }
  return { ...changes, seconds: (to - from) / 1000 };
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
