/** What processes need meanwhile, by what the kernel counts of them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { untilIdle, useOf, watchSteady } from '../../src/bench/steady.js';

/** A process that does so over and over, and says a line first. */
async function busy(t: Test, script: string): Promise<number> {
  const child = spawn('python3', ['-c', `print(1, flush=True)\n${script}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  await once(child.stdout, 'data');
  // With what it started.
  t.teardown(() => process.kill(-child.pid!, 'SIGKILL'));
  return child.pid!;
}

t.test('a process that waits needs nothing', async t => {
  const pid = await busy(t, 'import time\ntime.sleep(100)');
  const { near, seconds } = await watchSteady({ near: pid }, 0.2);
  t.match(near, { faults: 0, fds: 0, mappings: 0 });
  t.ok(seconds > 0);
});

t.test('descriptors, mappings, page faults and time of one that takes them are seen', async t => {
  const script =
    'import mmap,os\nkept=[]\nwhile len(kept)<400: kept.append((os.dup(1), mmap.mmap(-1, 4096, mmap.MAP_SHARED)))';
  const more = 'kept[-1][1][0]=1\nwhile True:\n  m=mmap.mmap(-1, 1<<20)\n  m[0]=1\n  m.close()';
  const before = useOf(process.pid);
  t.ok(before.fds > 0 && before.mappings > 0 && before.cpu_us > 0 && before.faults > 0, 'of this one');
  const pid = await busy(t, `${script}\n${more}`);
  const { far, near } = await watchSteady({ far: pid }, 1.5);
  t.ok(far!.faults > 0 && far!.cpu_us > 0, 'what it does between both looks');
  t.equal(near, undefined, 'and of no other place');
  const held = useOf(pid);
  t.ok(held.fds >= 400, `${held.fds} descriptors`);
});

t.test('what a process started counts with it', async t => {
  const pid = await busy(t, 'import subprocess\nsubprocess.run(["sh", "-c", "while :; do :; done"])');
  const { near } = await watchSteady({ near: pid }, 1.5);
  t.ok(near!.cpu_us > 0);
});

t.test('work that was left behind is waited for', async t => {
  const pid = await busy(t, 'import time\nend=time.time()+0.6\nwhile time.time()<end: pass\nprint(2)\ntime.sleep(100)');
  t.equal(await untilIdle({ near: pid }, 60_000), true, 'until it is done');
  const more = await busy(t, 'while True: pass');
  t.equal(await untilIdle({ near: pid, far: more }, 600), false, 'and not for ever');
});

t.test('a process that is gone has used nothing', t => {
  t.same(useOf(1 << 30), { cpu_us: 0, faults: 0, fds: 0, mappings: 0 });
  t.end();
});
