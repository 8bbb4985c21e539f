/**
 * Contexts as channels: in loopback, and on /dev/wl0 with a stand-in for the driver (test/bindings/fake-wl0.c). Each in a
 * process of its own, since the stand-in has to be loaded first.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';

// It starts processes, which a busy machine may take its time for. In milliseconds.
t.setTimeout(240_000);

const contract = new URL('contexts.contract.js', import.meta.url).pathname;

function directory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'virtwl-contexts-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

t.test('loopback', async t => {
  const servers = directory(t);
  await t.spawn(process.execPath, [contract, servers]);
});

t.test('/dev/wl0', async t => {
  const servers = directory(t);
  const library = join(directory(t), 'fake-wl0.so');
  const source = new URL('../../../test/bindings/fake-wl0.c', import.meta.url).pathname;
  const compiled = spawnSync('cc', ['-Wall', '-Wextra', '-shared', '-fPIC', '-O1', '-o', library, source], {
    encoding: 'utf8',
  });
  t.equal(compiled.stderr, '', 'the stand-in compiles without a word');
  const env = {
    ...process.env,
    LD_PRELOAD: [process.env.LD_PRELOAD, library].filter(Boolean).join(' '),
    FAKE_WL0: '/dev/fake-wl0',
    FAKE_WL0_SERVERS: servers,
  };
  await t.spawn(process.execPath, [contract, servers, '/dev/fake-wl0'], { env });
});
