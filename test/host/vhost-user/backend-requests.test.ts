/** What the wl device asks of its front-end, where the front-end does not do its part. */
import t from 'tap';
import { BackendRequests } from '../../../src/host/vhost-user/backend-requests.js';
import { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { Holdings } from '../../holdings.js';

const wait = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds));

/** Looks for the first byte go on in turns of the event loop, then by a timer: until that is what is due. */
const UNTIL_TIMER_MS = 100;

for (const [when, waiting] of [
  ['at once', 0],
  ['after a while', UNTIL_TIMER_MS],
] as const) {
  t.test(`a front-end that has not read a request and goes ${when}: the event loop turns on`, async t => {
    const holdings = new Holdings();
    const [ours, theirs] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    const memory = new OwnedFd(native.memfd('virtwl-test', 4096, 0));
    const requests = new BackendRequests(ours, {
      inParts: true,
      running: () => true,
      broken: () => t.fail('nothing was said'),
    });
    const outcome = requests.map(0, memory, 0, 4096, true);
    await wait(waiting);
    requests.close();
    t.equal(await outcome, 'refused');
    // To end a timer as if it were an immediate stops all immediates of the process, for good, from the next turn on.
    await wait(1);
    const turned = await new Promise(resolve => {
      const late = setTimeout(() => resolve(false), 5000);
      setImmediate(() => {
        clearTimeout(late);
        resolve(true);
      });
    });
    t.equal(turned, true, 'an immediate is called');
    theirs.close();
    memory.close();
    await holdings.assertSame(t);
  });
}
