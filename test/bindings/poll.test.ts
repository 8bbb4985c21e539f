import { spawnSync } from 'node:child_process';
import { openSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import t from 'tap';
import { native, POLL_DISCONNECT, POLL_READABLE, POLL_WRITABLE, type Poll } from '../../src/system/native.js';
import { eventually } from '../eventually.js';
import { closeFds, leavesNothing, MEMFD, thrownBy } from './held.js';

// It starts processes or threads, which a busy machine may take its time for. In milliseconds.
t.setTimeout(240_000);

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc') as () => void;

/** Several turns of the event loop: what was going to be reported has been by then. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await setImmediate();
}

/** Resolves with the first call of the callback of a poll that `start` starts. */
function firstEvent(fd: number, events: number): Promise<{ events: number; status: number; poll: Poll }> {
  return new Promise(resolve => {
    const poll = new native.Poll(fd, (happened, status) => {
      poll.stop();
      resolve({ events: happened, status, poll });
    });
    poll.start(events);
  });
}

t.test('a descriptor becomes readable', async t => {
  const [a, b] = native.socketpair();
  const reported: number[] = [];
  const poll = new native.Poll(a, events => {
    reported.push(events);
    native.recv(a, new Uint8Array(10), []);
  });
  await turns();
  t.same(reported, [], 'stopped at first');
  poll.start(POLL_READABLE);
  await turns();
  t.same(reported, [], 'nothing to read yet');
  native.send(b, new Uint8Array(1), 0, 1, []);
  await eventually('the event', () => reported.length > 0);
  await turns();
  t.same(reported, [POLL_READABLE], 'once, as all was read');
  poll.close();
  closeFds(a, b);
});

t.test('a descriptor is writable until it is full', async t => {
  const [a, b] = native.socketpair();
  const { events, poll } = await firstEvent(a, POLL_READABLE | POLL_WRITABLE);
  t.equal(events, POLL_WRITABLE);
  const chunk = new Uint8Array(65536);
  while (native.send(a, chunk, 0, chunk.length, []) > 0);
  poll.close();
  let full = true;
  const again = new native.Poll(a, () => (full = false));
  again.start(POLL_WRITABLE);
  await turns();
  t.equal(full, true);
  while (native.recv(b, chunk, []) > 0);
  await eventually('room', () => !full);
  again.close();
  closeFds(a, b);
});

t.test('a peer that goes is a disconnect', async t => {
  const [a, b] = native.socketpair();
  native.close(b);
  const { events, status, poll } = await firstEvent(a, POLL_READABLE | POLL_DISCONNECT);
  t.equal(events & POLL_DISCONNECT, POLL_DISCONNECT);
  t.equal(status, 0);
  poll.close();
  native.close(a);
});

t.test('a descriptor in error: no events, a status, and the poll has stopped', async t => {
  const [reader, writer] = native.pipe();
  native.close(reader);
  const calls: [number, number][] = [];
  const poll = new native.Poll(writer, (events, status) => calls.push([events, status]));
  poll.start(POLL_WRITABLE);
  await eventually('the report', () => calls.length > 0);
  await turns();
  t.equal(calls.length, 1);
  t.equal(calls[0]![0], 0);
  t.ok(calls[0]![1] < 0);
  poll.start(POLL_WRITABLE);
  await eventually('the report of the second try', () => calls.length > 1);
  poll.close();
  native.close(writer);
});

t.test('start replaces, 0 and stop end it, and stop may come twice', async t => {
  const [a, b] = native.socketpair();
  native.send(b, new Uint8Array(1), 0, 1, []);
  let reported: number[] = [];
  const poll = new native.Poll(a, events => reported.push(events));
  poll.start(POLL_READABLE);
  poll.start(POLL_WRITABLE);
  await eventually('an event', () => reported.length > 0);
  t.equal(reported[0], POLL_WRITABLE);
  for (const stop of [() => poll.start(0), () => poll.stop()]) {
    poll.start(POLL_READABLE);
    poll.start(POLL_READABLE);
    stop();
    stop();
    reported = [];
    await turns();
    t.same(reported, []);
  }
  poll.close();
  closeFds(a, b);
});

t.test('nothing is reported after close, though it was ready', async t => {
  const [a, b] = native.socketpair();
  const [c, d] = native.socketpair();
  native.send(b, new Uint8Array(1), 0, 1, []);
  native.send(d, new Uint8Array(1), 0, 1, []);
  const reported: string[] = [];
  const first = new native.Poll(a, () => {
    reported.push('one');
    first.close();
    second.close();
  });
  const second = new native.Poll(c, () => {
    reported.push('one');
    first.close();
    second.close();
  });
  first.start(POLL_READABLE);
  second.start(POLL_READABLE);
  await eventually('one of them', () => reported.length > 0);
  await turns();
  t.same(reported, ['one'], 'each closed the other as well');
  closeFds(a, b, c, d);
});

t.test('close is idempotent; all else throws once it is closed', async t => {
  leavesNothing(t, () => {
    const [a, b] = native.socketpair();
    const poll = new native.Poll(a, () => {});
    poll.close();
    poll.close();
    for (const call of [
      () => poll.start(1),
      () => poll.start(0),
      () => poll.stop(),
      () => poll.ref(),
      () => poll.unref(),
    ]) {
      t.throws(call, { message: /the poll was closed/ });
    }
    closeFds(a, b);
  });
});

t.test('a descriptor has one poll at a time', async t => {
  const [a, b] = native.socketpair();
  const poll = new native.Poll(a, () => {});
  t.match(
    thrownBy(t, () => new native.Poll(a, () => {})),
    { code: 'EEXIST', syscall: 'uv_poll_init' },
  );
  poll.close();
  new native.Poll(a, () => {}).close();
  closeFds(a, b);
});

t.test('the number of a closed descriptor can be watched again at once', async t => {
  const [a, b] = native.socketpair();
  const poll = new native.Poll(a, () => t.fail('the old one'));
  poll.start(POLL_READABLE);
  poll.close();
  closeFds(a, b);
  const [c, d] = native.socketpair();
  t.equal(c, a, 'the same number');
  native.send(d, new Uint8Array(1), 0, 1, []);
  const { events, poll: other } = await firstEvent(c, POLL_READABLE);
  t.equal(events, POLL_READABLE);
  other.close();
  closeFds(c, d);
});

t.test('what cannot be watched says so', async t => {
  const memory = native.memfd(MEMFD, 0, 0);
  t.match(
    thrownBy(t, () => new native.Poll(memory, () => {})),
    { code: 'EPERM' },
  );
  native.close(memory);
  const directory = openSync('/', 'r');
  t.match(
    thrownBy(t, () => new native.Poll(directory, () => {})),
    { code: 'EPERM' },
  );
  native.close(directory);
});

t.test('arguments are checked', async t => {
  const [a, b] = native.socketpair();
  const Type = native.Poll as unknown as new (...args: unknown[]) => Poll;
  for (const args of [[], [a], [a, null], ['1', () => {}], [{}, () => {}]])
    t.throws(() => new Type(...args), TypeError);
  for (const fd of [-1, NaN, 0.5, 2 ** 31, Infinity]) t.throws(() => new native.Poll(fd, () => {}), RangeError);
  t.throws(() => (native.Poll as unknown as (...args: unknown[]) => void)(a, () => {}), TypeError, 'without new');
  const poll = new native.Poll(a, () => {});
  for (const events of [-1, 8, NaN, 1.5]) t.throws(() => poll.start(events), RangeError);
  t.throws(() => poll.start('1' as unknown as number), TypeError);
  t.throws(() => poll.start.call({} as Poll, 1), TypeError);
  t.throws(() => (Object.create(poll) as Poll).start(1), TypeError);
  poll.close();
  closeFds(a, b);
});

t.test('a poll that is started lives though nobody holds it; a forgotten one goes', async t => {
  const [a, b] = native.socketpair();
  const [c, d] = native.socketpair();
  let called = 0;
  (() => {
    const started = new native.Poll(a, () => {
      called++;
      started.close();
    });
    started.start(POLL_READABLE);
    new native.Poll(c, () => {});
  })();
  await eventually('the forgotten one is closed, so that its descriptor can be', () => {
    collectGarbage();
    try {
      native.close(c);
      return true;
    } catch {
      return false;
    }
  });
  t.equal(called, 0);
  native.send(b, new Uint8Array(1), 0, 1, []);
  await eventually('the started one to report', () => called > 0);
  closeFds(a, b, d);
});

t.test('a poll does not keep its callback, nor what that refers to, for ever', async t => {
  const [a, b] = native.socketpair();
  let collected = false;
  const registry = new FinalizationRegistry(() => (collected = true));
  (() => {
    const poll: Poll = new native.Poll(a, () => poll.stop()); // a cycle
    registry.register(poll, undefined);
    poll.start(POLL_READABLE);
    poll.stop();
  })();
  await eventually('the poll collected', () => {
    collectGarbage();
    return collected;
  });
  t.doesNotThrow(() => native.close(a), 'and with it the watch');
  native.close(b);
});

/** Runs a script that has `native`, `a` and `b` (a socketpair) in a process of its own. */
function runApart(script: string): { status: number | null; signal: string | null; stdout: string; stderr: string } {
  const module = JSON.stringify(new URL('../../src/system/native.js', import.meta.url).href);
  const prelude = `const { native } = await import(${module}); const [a, b] = native.socketpair();`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', prelude + script], {
    encoding: 'utf8',
    timeout: 60_000,
  });
}

t.test('an exception in the callback is an uncaughtException, and the next one comes', async t => {
  const { stdout, status } = runApart(`
    let count = 0;
    process.on('uncaughtException', (error) => console.log(error.message));
    const poll = new native.Poll(a, () => {
      if (++count === 2) poll.close();
      throw new Error('exception ' + count);
    });
    poll.start(2);`);
  t.same({ stdout, status }, { stdout: 'exception 1\nexception 2\n', status: 0 });
});

t.test('an exception that nobody handles ends the process', async t => {
  const { stderr, status } = runApart(`new native.Poll(a, () => { throw new Error('unhandled'); }).start(2);`);
  t.equal(status, 1);
  t.match(stderr, /Error: unhandled/);
});

t.test('promises and nextTicks of a callback run before the next one', async t => {
  const { stdout } = runApart(`
    const order = [];
    const poll = new native.Poll(a, () => {
      order.push('callback');
      process.nextTick(() => order.push('tick'));
      Promise.resolve().then(() => order.push('promise'));
      if (order.length > 3) { poll.close(); setImmediate(() => console.log(order.join(' '))); }
    });
    poll.start(2);`);
  t.equal(stdout, 'callback tick promise callback tick promise\n');
});

t.test('a poll keeps the process alive, and does not after unref', async t => {
  t.match(
    runApart(`
    const poll = new native.Poll(a, () => {});
    poll.start(1);
    poll.unref();
    process.on('exit', () => console.log('left'));`),
    { stdout: 'left\n', status: 0 },
  );
  t.match(
    runApart(`
    const poll = new native.Poll(a, () => { console.log('event'); poll.close(); });
    poll.start(1);
    poll.unref();
    poll.ref();
    setTimeout(() => native.send(b, new Uint8Array(1), 0, 1, []), 20).unref();
    setTimeout(() => {}, 5);`),
    { stdout: 'event\n', status: 0 },
  );
});

t.test('a process may end with polls in every state', async t => {
  for (const end of ['', 'process.exit(0)', 'process.exitCode = 0; setImmediate(() => process.exit())']) {
    const { status, signal, stderr } = runApart(`
      const [c, d] = native.socketpair(); const [e, f] = native.pipe();
      new native.Poll(a, () => {}).start(2);
      new native.Poll(b, () => {}).unref();
      new native.Poll(c, () => {}).close();
      const poll = new native.Poll(e, () => {}); poll.start(1); poll.unref();
      ${end || "setImmediate(() => process.kill(process.pid, 'SIGTERM'))"}`);
    t.same(
      { status, signal, stderr },
      end === '' ? { status: null, signal: 'SIGTERM', stderr: '' } : { status: 0, signal: null, stderr: '' },
    );
  }
});
