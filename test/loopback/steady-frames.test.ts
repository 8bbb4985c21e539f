/**
 * What a steady frame does not do. Once the buffers of a window exist, a frame is a copy and a few messages: no mapping,
 * no descriptor, no request to the allocator. Counted by our own counters in every process, and once by the kernel.
 */
import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { LoopbackStack, statusOf } from '../../src/demo/loopback-stack.js';
import { startSway } from '../compositors.js';
import { eventually } from '../eventually.js';

/** Frames that are checked; the compositor shows 60 a second. */
const FRAMES = 120;

t.test('steady frames of an unmodified application', { timeout: 120_000 }, async t => {
  const sway = await startSway(t, { width: 1280, height: 720, config: 'for_window [app_id=".*"] floating enable' });
  const stack = await LoopbackStack.start({ compositor: { attach: sway.display } });
  t.teardown(() => stack.stop());
  const app = stack.virtwl('client', ['run', '--', 'weston-simple-shm'], { XDG_RUNTIME_DIR: sway.runtimeDir });
  t.teardown(() => app.kill());

  const frames = async (): Promise<number> => (await statusOf(app)).frames as number;
  while ((await frames()) < 30) await pause(100);

  const all = async () => ({
    proxy: await statusOf(app),
    glue: await stack.status('compositor'),
    host: await stack.status('compositor-host'),
    broker: stack.parts.has('broker'),
  });
  const before = await all();
  while ((await frames()) < (before.proxy.frames as number) + FRAMES) await pause(100);
  const after = await all();

  for (const name of ['proxy', 'glue', 'host'] as const) {
    for (const counter of ['mmap', 'munmap', 'fdsOpened', 'fdsClosed'] as const) {
      t.equal(after[name].native[counter], before[name].native[counter], `${name}: ${counter}`);
    }
  }
  t.same(after.host.allocator, before.host.allocator, 'the allocator was not asked');
  const drawn = (after.proxy.frames as number) - (before.proxy.frames as number);
  const copied = (after.proxy.bytesCopied as number) - (before.proxy.bytesCopied as number);
  t.ok(drawn >= FRAMES, `${drawn} frames were drawn meanwhile`);
  // weston-simple-shm damages all but its 20 pixels of border: 250 x 250 less the border, each byte at most twice
  // because two buffers take turns.
  t.ok(copied / drawn <= 250 * 250 * 4, 'no more than the window was copied for a frame');

  await t.test('seen by strace', async t => {
    const seen = await trace([app.pid!, stack.parts.get('compositor')!.process.pid!], 2_000);
    t.match(seen, /sendmsg\(/, 'messages were sent meanwhile');
    t.notMatch(seen, /MAP_SHARED/, 'no shared memory was mapped');
    t.notMatch(seen, /SCM_RIGHTS/, 'no descriptor was passed');
    t.notMatch(seen, /(memfd_create|openat|socket|accept4?|dup[23]?|pipe2?)\(.* = \d+$/m, 'no descriptor was made');
  });
});

/** What processes ask of the kernel within `ms` milliseconds, as far as it concerns memory, descriptors and messages. */
async function trace(pids: readonly number[], ms: number): Promise<string> {
  const calls =
    'trace=mmap,munmap,mremap,memfd_create,openat,socket,accept,accept4,dup,dup2,dup3,pipe2,sendmsg,recvmsg';
  const strace = spawn('strace', ['-f', '-e', calls, ...pids.flatMap(pid => ['-p', String(pid)])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  strace.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = new Promise<void>((resolve, reject) => {
    strace.once('error', reject);
    strace.once('exit', () => resolve());
  });
  // So long since it is there.
  await Promise.race([
    eventually('strace to see them', () => output.includes('sendmsg(')).then(() => pause(ms)),
    ended,
  ]);
  strace.kill('SIGINT');
  await ended;
  return output;
}
