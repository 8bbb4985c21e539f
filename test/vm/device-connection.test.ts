/** The connection to a VM's device, as the program that runs QEMU sees it: its end, and where there is none. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type UnixSocket } from '../../src/system/unix-socket.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { DeviceConnection, lookForDevice } from '../../src/vm/device-connection.js';
import { Holdings } from '../holdings.js';

/** A listening socket, its path, and the first connection to it. */
function listening(t: Test): { path: string; listener: UnixListener; accepted: Promise<UnixSocket> } {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-wl-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'wl');
  const listener = UnixListener.listen(path);
  t.teardown(() => listener.close());
  return { path, listener, accepted: new Promise(resolve => listener.once('connection', resolve)) };
}

t.test('the end of the host process is told', async t => {
  const { path, listener, accepted } = listening(t);
  const connection = new DeviceConnection({ kind: 'wl', socket: path });
  const device = await accepted;
  // What the device says is for QEMU, and is no end.
  device.send(new Uint8Array(100));
  const early = await Promise.race([connection.gone.then(() => 'gone'), pause(100, 'there')]);
  t.equal(early, 'there');
  device.close();
  await connection.gone;
  t.pass('when it has hung up');
  connection.close();
  connection.close();
  listener.close();
});

t.test('a caller that has ended QEMU is told nothing more, and holds nothing', async t => {
  const { path, listener, accepted } = listening(t);
  const holdings = new Holdings();
  const connection = new DeviceConnection({ kind: 'wl', socket: path });
  const device = await accepted;
  device.start();
  let told = false;
  void connection.gone.then(() => (told = true));
  const end = new Promise<void>(resolve => device.once('end', () => resolve()));
  connection.close();
  await end;
  t.pass('the device sees the end');
  device.close();
  await pause(20);
  t.notOk(told);
  t.throws(() => connection.fd, /closed/);
  await holdings.assertSame(t);
  listener.close();
});

t.test('where nobody listens, the error says what to start', async t => {
  const { path, listener } = listening(t);
  listener.close();
  const holdings = new Holdings();
  const error = { message: /no wl device at .*: start "virtwl host --socket .*" first/, code: 'ENOENT' };
  t.throws(() => new DeviceConnection({ kind: 'wl', socket: path }), error);
  t.throws(() => lookForDevice({ kind: 'wl', socket: path }), error);
  t.throws(() => lookForDevice({ kind: 'gpu', socket: path }), {
    message: /no gpu device at .*: start "virtwl host --gpu-socket .*" first/,
  });
  await holdings.assertSame(t);
});
