/** The end of an Xwayland that does not end by itself. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { mapWindow } from '../../src/x11/requests.js';
import { Desk, until } from './desk.js';
import { connectTo, makeWindow } from './x-client.js';

t.test('an Xwayland that hangs ends with us', { timeout: 120_000 }, async t => {
  const desk = await Desk.open(t);
  const { x, setup } = await connectTo(desk.display, desk.authority);
  t.teardown(() => x.close());
  x.send(mapWindow(makeWindow(x, setup.root)));
  await until('a window', async () => (await desk.windows()).length === 1);
  const pid = desk.process.pid!;
  const server = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
    .split(' ')
    .find(child => child !== '' && readFileSync(`/proc/${child}/cmdline`, 'latin1').includes('-rootless'))!;
  process.kill(Number(server), 'SIGSTOP');
  desk.process.kill('SIGTERM');
  await until('our end', () => desk.process.exitCode !== null);
  await until('its end', () => isDead(server));
  t.equal(desk.process.exitCode, 0);
});

/** Gone, or what nobody has waited for yet. */
function isDead(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z');
  } catch {
    return true;
  }
}
