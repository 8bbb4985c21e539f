/** Counts what a process holds, for tests that prove that nothing is left behind. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Descriptors open now, less the one that looking takes. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length - 1;
}

/** Where every open descriptor leads, for the message of a failing test. */
export function describeDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      return [`${fd} -> ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      return []; // the one that read the directory
    }
  });
}

/** Mappings of files or memory with this text in their name. */
export function mappingsOf(name: string): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter(line => line.includes(name)).length;
}
