/** The counters of the native layer, which every process that serves has. */
import { native } from '../system/native.js';
import { Counters } from './counters.js';

/** Counters of a process, with those of the native layer in them. */
export function processCounters(): Counters {
  return new Counters().provideBelow('native', () => ({ ...native.counters() }));
}
