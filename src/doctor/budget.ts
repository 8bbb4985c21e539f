/**
 * Whether a budget of memory holds: it is granted, more is asked for, and the kernel has to tell when nobody holds it.
 */
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { messageOf, type Finding } from './finding.js';
import { describeBytes } from './machine.js';

/** The trial budget in pages. */
const PAGES = 64;

export async function checkBudget(): Promise<Finding> {
  const name = 'memory budget';
  const { OwnedFd } = await import('../system/fd.js');
  const { Budget } = await import('../allocator/budget.js');
  const { native } = await import('../system/native.js');
  const bytes = PAGES * native.pageSize;
  try {
    const budget = new Budget({ bytes });
    try {
      const whole = budget.grant(BigInt(bytes));
      const more = budget.grant(1n);
      const wrong = (what: string): Finding => ({ name, state: 'fails', detail: `Linux ${release()}: ${what}` });
      if (!('memory' in whole)) return wrong(`a budget of ${bytes} bytes did not give them: ${whole.reason}`);
      if ('memory' in more) {
        more.memory.close();
        whole.memory.close();
        return wrong(`a budget of ${bytes} bytes gave more`);
      }
      // Another descriptor keeps what the first one gives up: what counts is what any descriptor holds.
      const second = new OwnedFd(native.dup(whole.memory.fd));
      whole.memory.close();
      const held = budget.used;
      second.close();
      if (held !== bytes || budget.used !== 0) return wrong('memory came back too early, or not at all');
    } finally {
      budget.close();
    }
  } catch (error) {
    return { name, state: 'fails', detail: `Linux ${release()}: ${messageOf(error)}`, advice: WATCH_ADVICE };
  }
  const detail = `Linux ${release()} keeps it: all of it was had, a byte more was not, all came back`;
  return { name, state: 'holds', detail };
}

const WATCH_ADVICE =
  'the kernel needs fanotify for unprivileged processes (Linux 5.13, CONFIG_FANOTIFY) and room in ' +
  'fs.fanotify.max_user_groups; a container may forbid it';

/** What to do where namespaces are forbidden; see docs/troubleshooting.md. */
export const NAMESPACES_ADVICE =
  'allow user namespaces (docs/troubleshooting.md, "Namespaces"), or run as an ordinary user of the machine itself ' +
  'instead of in a container or a chroot';

/** Memory that budgets come out of. It is only told: who gives a VM more than there is has to know. */
export function tellMemory(meminfo = readFileSync('/proc/meminfo', 'utf8')): Finding {
  const kib = Number(/^MemAvailable:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? NaN);
  const detail = Number.isNaN(kib) ? 'not told by /proc/meminfo' : `${describeBytes(kib * 1024)} available for budgets`;
  return { name: 'memory', state: 'note', detail };
}
