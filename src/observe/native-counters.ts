/** The counters that every process which serves has: those of the native layer, and the turns of its event loop. */
import { performance } from 'node:perf_hooks';
import { native } from '../system/native.js';
import { Counters } from './counters.js';

/** Counters of a process, with those in them. */
export function processCounters(): Counters {
  return new Counters()
    .provideBelow('native', () => ({ ...native.counters() }))
    .provideBelow('loop', () => ({ turns: turns() }));
}

/** Undefined where Node.js does not tell: before 20.18. */
function turns(): number | undefined {
  const timing = performance.nodeTiming as { readonly uvMetricsInfo?: { readonly loopCount: number } };
  return timing.uvMetricsInfo?.loopCount;
}
