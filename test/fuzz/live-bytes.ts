/** How much of the heap is alive: what a garbage collection leaves. Costs some tens of milliseconds. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/** Bytes of objects and of the memory outside the heap that they hold. */
export function liveBytes(): number {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
  }
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
