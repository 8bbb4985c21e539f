/** What this process holds, for targets that must let go of everything. */
import { readFileSync } from 'node:fs';
import { openDescriptors } from '../descriptors.js';

/** How often it is looked again before something counts as left behind: what is under way takes a turn or two. */
const TURNS = 50;

/** Descriptors and mappings at one moment, to be the same later. */
export class Held {
  #descriptors = openDescriptors();
  #mappings = sharedMappings();

  /** Throws where there is more now, or less; once, and from then on that counts as what was there. */
  check(): void {
    const descriptors = openDescriptors();
    const mappings = sharedMappings();
    const more = [descriptors - this.#descriptors, mappings - this.#mappings];
    if (more.every(count => count === 0)) return;
    this.#descriptors = descriptors;
    this.#mappings = mappings;
    throw new Error(`left behind: ${more[0]} descriptors and ${more[1]} mappings`);
  }
}

function sharedMappings(): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter(line => / [r-][w-][x-]s .*\(deleted\)$/.test(line)).length;
}

/** Lets the event loop turn once. */
export function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

/** Lets it turn until `condition` holds, or many times. */
export async function turnsUntil(condition: () => boolean): Promise<boolean> {
  for (let turns = 0; turns < TURNS && !condition(); turns++) await turn();
  return condition();
}
