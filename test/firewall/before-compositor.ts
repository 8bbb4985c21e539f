/** A client behind a firewall, without a glue, and behind that a real compositor. */
import type { Test } from 'tap';
import { firewall, SharedFirewall, VmFirewall } from '../../src/firewall/firewall.js';
import { Relay } from '../../src/relay/relay.js';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { Display } from '../../src/wayland-client/display.js';
import type { Compositor } from '../compositors.js';
import { AS_IT_IS } from '../relay/relay-between.js';

export async function beforeCompositor(t: Test, compositor: Compositor, shared = new SharedFirewall()) {
  const [near, far] = native.socketpair();
  const toCompositor = UnixSocket.connect(compositor.display);
  const wall = firewall(new VmFirewall('work'), shared);
  const relay = new Relay(new UnixSocket(new OwnedFd(near)), toCompositor, {
    concerns: [...wall.first, ...wall.concerns],
    ...wall.rules,
    toServer: AS_IT_IS,
    toClient: AS_IT_IS,
  });
  wall.attach(relay);
  relay.start();
  const display = await Display.connect(new UnixSocket(new OwnedFd(far)));
  t.teardown(() => {
    relay.close(undefined);
    display.close();
  });
  return { relay, display, toCompositor };
}
