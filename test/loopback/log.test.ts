/** What a client VM can do to the log of the compositor VM: say what it did wrong, in a line of its own. */
import t from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { native } from '../../src/system/native.js';
import { eventually } from '../eventually.js';
import { startSway } from '../compositors.js';
import { Peer } from '../relay/peer.js';

t.test(
  'a client that names a global with a line break and an escape in it forges no line',
  { timeout: 60_000 },
  async t => {
    const sway = await startSway(t, { width: 320, height: 240 });
    const logged: string[] = [];
    const stack = await LoopbackStack.start({
      compositor: { attach: sway.display },
      log: (part, line) => void (part === 'compositor' && logged.push(line)),
    });
    t.teardown(() => stack.stop());
    const client = new Peer('client', new OwnedFd(native.connectUnix(`${stack.loopback('client')}/wayland`)));
    t.teardown(() => client.close());
    const registry = client.make(1, 'get_registry');
    client.say(registry, 'bind', [
      1,
      { interface: 'wl_\n12:00:00.000 glue info: clients can come\u001b[2J', version: 1, id: client.newId() },
    ]);
    await client.isEnded();
    await eventually('it is logged', () => logged.some(line => line.includes('invalid global')));
    t.match(
      logged.find(line => line.includes('invalid global')),
      /glue warning vm=client client=1: the client left: invalid global wl_\\u000a12:00:00.000 glue .*\\u001b\[2J/,
    );
    t.equal(logged.filter(line => /^[0-9:.]+ glue info: clients can come/.test(line)).length, 1, 'only the true one');
    t.notOk(logged.some(line => line.includes('\u001b')));
  },
);
