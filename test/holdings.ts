/** What this process holds of descriptors and shared memory, for tests that prove that nothing is left behind. */
import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { describeDescriptors, openDescriptors } from './descriptors.js';
import { eventually } from './eventually.js';

/** Mappings of memfds, and of files of a private tmpfs, which have no name. */
function sharedMappings(): string[] {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter(line => line.includes('/memfd:') || /\/#\d+ \(deleted\)$/.test(line));
}

/** Descriptors and mappings at one moment. */
export class Holdings {
  readonly #descriptors = openDescriptors();
  readonly #mappings = sharedMappings().length;

  /** Asserts that as many are held now, or soon: what is under way may end first. */
  async assertSame(t: Test, what = 'nothing is left behind'): Promise<void> {
    try {
      await eventually(
        what,
        () => openDescriptors() === this.#descriptors && sharedMappings().length === this.#mappings,
        3_000,
      );
      t.pass(what);
    } catch {
      t.fail(what, {
        descriptors: `${openDescriptors()}, before ${this.#descriptors}`,
        open: describeDescriptors(),
        mappings: `${sharedMappings().length}, before ${this.#mappings}`,
        mapped: sharedMappings(),
      });
    }
  }
}
