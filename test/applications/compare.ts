/**
 * Runs a program directly and through virtwl and compares what is seen after each step: pictures pixel for pixel, titles,
 * sizes and files as text. A program that shows now this and now that, directly too, is compared with all that was seen
 * directly; what a fault of ours shows, no direct run does.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Picture } from '../../src/frames/picture.js';
import { countDifferent, isSame } from '../loopback/screen.js';
import type { Desk } from './desk.js';
import type { Program } from './program.js';

/** Direct runs that one run through virtwl is compared with, at most. */
const DIRECT_RUNS = 3;
/** How long a program may take to show what it shows directly, in milliseconds. */
const COMPARE_MS = 20_000;
/** The same picture for so long is the end of the waiting, though it is another one, in milliseconds. */
const GIVE_UP_MS = 6_000;
const LOOK_INTERVAL_MS = 100;

/** What was there after a step. */
interface Seen {
  readonly picture: Picture | undefined;
  readonly facts: string;
}

/** One run: what was seen after each step, until one could not be done. */
interface Performance {
  readonly seen: readonly Seen[];
  readonly failure?: string;
}

/** What came of a step. */
export interface StepResult {
  readonly name: string;
  readonly outcome: 'same' | 'differs' | 'fails' | 'fails directly' | 'not reached';
  /** Whether only windows and facts were compared. */
  readonly moving: boolean;
  readonly detail?: string;
  /** Where it differs: to be looked at. */
  readonly pictures?: { readonly direct: Picture; readonly remote: Picture };
}

export interface ProgramResult {
  readonly program: Program;
  /** False where it is not installed. */
  readonly installed: boolean;
  readonly steps: readonly StepResult[];
}

/** Whether a program is there to run. */
export function isInstalled({ needs, command }: Program): boolean {
  const file = needs ?? command('')[0]!;
  if (file.startsWith('/')) return existsSync(file);
  return (process.env.PATH ?? '').split(':').some(directory => existsSync(join(directory, file)));
}

export interface CompareOptions {
  /** Gets each picture that was taken. */
  readonly keep?: (program: Program, step: number, way: string, picture: Picture) => void;
}

/** Compares a program. The desks are cleared afterwards; rejects where that is not possible. */
export async function compareProgram(
  program: Program,
  direct: Desk,
  remote: Desk,
  options: CompareOptions = {},
): Promise<ProgramResult> {
  if (!isInstalled(program)) return { program, installed: false, steps: [] };
  const perform = async (desk: Desk, expected?: readonly Performance[]): Promise<Performance> => {
    const performance = await performOn(program, desk, expected);
    performance.seen.forEach(({ picture }, i) => {
      if (picture !== undefined) options.keep?.(program, i, desk.way, picture);
    });
    if (!(await desk.clear())) throw new Error(`${program.name} stays on the output, ${desk.way}`);
    return performance;
  };
  const directs = [await perform(direct)];
  const remotely = await perform(remote, directs);
  let steps = judge(program, directs, remotely);
  while (steps.some(({ outcome }) => outcome !== 'same') && directs.length < DIRECT_RUNS) {
    directs.push(await perform(direct, [remotely]));
    steps = judge(program, directs, remotely);
  }
  return { program, installed: true, steps };
}

async function performOn(program: Program, desk: Desk, expected?: readonly Performance[]): Promise<Performance> {
  desk.clean();
  program.prepare?.(desk.directory);
  const seen: Seen[] = [];
  const beside = program.beside?.(desk.directory);
  try {
    if (beside !== undefined) {
      desk.start(beside);
      await desk.shown(1);
    }
    desk.start(program.command(desk.directory), program.env);
    for (const [i, step] of program.steps.entries()) {
      await step.act(desk);
      const wanted = expected?.flatMap(({ seen }) => seen[i]?.picture ?? []);
      const picture = step.see === 'window' ? undefined : await settled(desk, wanted);
      seen.push({ picture, facts: (await step.facts?.(desk)) ?? '' });
    }
    return { seen };
  } catch (error) {
    return { seen, failure: (error as Error).message };
  }
}

/** The output once it keeps still; where it is known what is wanted, it is waited for. */
async function settled(desk: Desk, wanted: readonly Picture[] = []): Promise<Picture> {
  const { stillMs } = desk.screen;
  let last: Picture | undefined;
  let since = 0;
  for (const end = Date.now() + COMPARE_MS; ; await pause(LOOK_INTERVAL_MS)) {
    const picture = await desk.screen.capture();
    if (last === undefined || !isSame(last, picture)) {
      last = picture;
      since = Date.now();
    }
    const still = Date.now() - since;
    const known = wanted.length === 0 || wanted.some(one => isSame(one, picture));
    if (still >= (known ? stillMs : GIVE_UP_MS) || Date.now() > end) return picture;
  }
}

function judge(program: Program, directs: readonly Performance[], remotely: Performance): StepResult[] {
  return program.steps.map((step, i): StepResult => {
    const base = { name: step.name, moving: step.see === 'window' };
    const expected = directs.flatMap(({ seen }) => seen[i] ?? []);
    const actual = remotely.seen[i];
    if (expected.length === 0) {
      const failed = directs.every(({ seen }) => seen.length === i);
      return { ...base, outcome: failed ? 'fails directly' : 'not reached', ...detailOf(failed, directs[0]!) };
    }
    if (actual === undefined) {
      const failed = remotely.seen.length === i;
      return { ...base, outcome: failed ? 'fails' : 'not reached', ...detailOf(failed, remotely) };
    }
    return { ...base, ...compareSeen(expected, actual) };
  });
}

function detailOf(failed: boolean, { failure }: Performance): { detail?: string } {
  return failed && failure !== undefined ? { detail: failure } : {};
}

function compareSeen(
  expected: readonly Seen[],
  actual: Seen,
): Pick<StepResult, 'outcome' | 'detail' | 'pictures'> {
  const facts = expected.map(({ facts }) => facts);
  if (!facts.includes(actual.facts)) {
    return { outcome: 'differs', detail: `"${actual.facts}" instead of "${facts[0]!}"` };
  }
  if (actual.picture === undefined) return { outcome: 'same' };
  const remote = actual.picture;
  const counts = expected.map(({ picture }) => countDifferent(picture!, remote));
  const least = Math.min(...counts);
  if (least === 0) return { outcome: 'same' };
  const varies = expected.some(({ picture }) => !isSame(picture!, expected[0]!.picture!));
  return {
    outcome: 'differs',
    detail: `${least} pixels${varies ? ', and between direct runs' : ''}`,
    pictures: { direct: expected[counts.indexOf(least)]!.picture!, remote },
  };
}
