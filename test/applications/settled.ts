/**
 * Waits until an output keeps still, though a text cursor blinks on it. In: its pictures. Out: the one that stays, or the few
 * between which it goes back and forth.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Picture } from '../../src/frames/picture.js';
import { isSame, type Screen } from '../loopback/screen.js';

/** How long a program may take to show what it shows directly, in milliseconds. */
const COMPARE_MS = 20_000;
/** The same picture for so long is the end of the waiting, though it is another one, in milliseconds. */
const GIVE_UP_MS = 6_000;
const LOOK_INTERVAL_MS = 100;
/** Pictures between which a program that keeps still may go back and forth, and for how long it is watched, in milliseconds. */
const MAX_PHASES = 4;
const CYCLE_MS = 2_500;

/**
 * What the output shows once it keeps still: one picture, or the few between which it goes back and forth, as with a text
 * cursor that blinks. Where it is known what is wanted, that is waited for.
 */
export async function settled(screen: Screen, wanted: readonly Picture[] = []): Promise<readonly Picture[]> {
  let phases: { readonly picture: Picture; seen: number }[] = [];
  let current: (typeof phases)[number] | undefined;
  /** Since when it is this picture, and since when it is none but these. */
  let [still, cycle] = [0, 0];
  for (const end = Date.now() + COMPARE_MS; ; await pause(LOOK_INTERVAL_MS)) {
    const picture = await screen.capture();
    const now = Date.now();
    let phase = phases.find(one => isSame(one.picture, picture));
    if (phase === undefined) {
      phase = { picture, seen: now };
      phases = [...phases, phase].slice(-MAX_PHASES);
      cycle = now;
    }
    if (phase !== current) still = now;
    current = phase;
    phase.seen = now;
    const keeps = now - still >= screen.stillMs;
    const isWanted = wanted.length === 0 || wanted.some(one => isSame(one, picture));
    if (keeps && isWanted) return [picture];
    if (now - cycle >= (isWanted ? CYCLE_MS : GIVE_UP_MS) || now > end) {
      const cycling = phases.filter(({ seen }) => seen >= cycle).map(({ picture }) => picture);
      return cycling.length > 0 ? cycling : [picture];
    }
  }
}
