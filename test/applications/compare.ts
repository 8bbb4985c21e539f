/**
 * Runs a program directly and through virtwl and compares what is seen after each step: pictures pixel for pixel, titles,
 * sizes and files as text. A program that shows now this and now that, directly too, is compared with all that was seen
 * directly; what a fault of ours shows, no direct run does.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Picture } from '../../src/frames/picture.js';
import { countDifferent, isSame } from '../loopback/screen.js';
import type { Desk } from './desk.js';
import type { Program } from './program.js';
import { settled } from './settled.js';

/** Direct runs that one run through virtwl is compared with, at most. */
const DIRECT_RUNS = 3;

/** What was there after a step. */
interface Seen {
  /** One, or more where it blinks; none where pictures are not compared. */
  readonly pictures: readonly Picture[];
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
  /** Gets what a program has written to its standard error in the end. */
  readonly said?: (program: Program, way: string, text: string) => void;
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
    performance.seen.forEach(({ pictures: [picture] }, i) => {
      if (picture !== undefined) options.keep?.(program, i, desk.way, picture);
    });
    options.said?.(program, desk.way, desk.programs.map(({ stderr }) => stderr).join('\n'));
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
    desk.start(program.command(desk.directory), program.env, program.x11);
    for (const [i, step] of program.steps.entries()) {
      await step.act(desk);
      const wanted = expected?.flatMap(({ seen }) => seen[i]?.pictures ?? []);
      const pictures = step.see === 'window' ? [] : await settled(desk.screen, wanted);
      seen.push({ pictures, facts: (await step.facts?.(desk)) ?? '' });
    }
    return { seen };
  } catch (error) {
    return { seen, failure: (error as Error).message };
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

function compareSeen(expected: readonly Seen[], actual: Seen): Pick<StepResult, 'outcome' | 'detail' | 'pictures'> {
  const facts = expected.map(({ facts }) => facts);
  if (!facts.includes(actual.facts)) {
    return { outcome: 'differs', detail: `"${actual.facts}" instead of "${facts[0]!}"` };
  }
  if (actual.pictures.length === 0) return { outcome: 'same' };
  const pairs = expected.flatMap(({ pictures }) =>
    pictures.flatMap(direct =>
      actual.pictures.map(remote => ({ direct, remote, count: countDifferent(direct, remote) })),
    ),
  );
  const nearest = pairs.reduce((a, b) => (b.count < a.count ? b : a));
  if (nearest.count === 0) return { outcome: 'same' };
  const first = expected[0]!.pictures;
  const varies = expected.some(({ pictures }) => !pictures.some(one => first.some(other => isSame(one, other))));
  return {
    outcome: 'differs',
    detail: `${nearest.count} pixels${varies ? ', and between direct runs' : ''}`,
    pictures: nearest,
  };
}
