import { existsSync, statSync } from 'node:fs';
import t from 'tap';
import { startCage, startSway } from './compositors.js';

t.test('sway runs with the output asked for, and leaves nothing behind', async t => {
  const sway = await startSway(t, { width: 640, height: 360, config: 'workspace 7' });
  t.ok(statSync(sway.display).isSocket());
  t.equal(statSync(sway.runtimeDir).mode & 0o777, 0o700);
  t.match(await sway.message('-t', 'get_outputs'), [{ name: 'HEADLESS-1', current_mode: { width: 640, height: 360 } }]);
  t.match(await sway.message('-t', 'get_workspaces'), [{ name: '7' }]);
  t.equal(sway.environment().WAYLAND_DISPLAY, sway.display);
  await sway.stop();
  await sway.stop();
  t.equal(existsSync(sway.runtimeDir), false);
  t.equal(sway.process.exitCode, 0);
});

t.test('sway can be made to crash', async t => {
  const sway = await startSway(t);
  await sway.kill();
  t.equal(sway.process.signalCode, 'SIGKILL');
  t.ok(existsSync(sway.display), 'its socket is left behind, as after any crash');
});

t.test('cage runs with its application', async t => {
  const cage = await startCage(t);
  t.ok(statSync(cage.display).isSocket());
  t.equal(process.kill(-cage.process.pid!, 0), true, 'it runs');
});

t.test('a compositor that does not start is an error with what it said', async t => {
  await t.rejects(startCage(t, { command: ['false'], env: { WLR_BACKENDS: 'nonsense' } }), /cage did not start/);
});
