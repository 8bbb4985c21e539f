/** What the server of a device counts beyond one VMM, on both kinds of device. */
import t from 'tap';
import { Control } from '../../../src/host/gpu-device/wire.js';
import { eventually } from '../../eventually.js';
import { withGpuHouse } from '../gpu-device/gpu-house.js';
import { allocCommand } from '../wl-device/guest-driver.js';
import { withHouse } from '../wl-device/house.js';

interface Server {
  readonly connected: boolean;
  readonly notifications: { readonly kicks: number; readonly interrupts: number };
}

/** What was counted while something was done. */
async function counted(server: Server, work: () => Promise<unknown>): Promise<Server['notifications']> {
  const before = { ...server.notifications };
  await work();
  const { kicks, interrupts } = server.notifications;
  return { kicks: kicks - before.kicks, interrupts: interrupts - before.interrupts };
}

const ONE_EACH = { kicks: 1, interrupts: 1 };

withHouse(t, 'a command on the wl device is a kick, its answer an interrupt', {}, async (t, house) => {
  const { server } = house;
  const guest = await house.guest();
  // What was on the queue before the device ran needs no kick.
  await guest.make(allocCommand(1, 4096));
  t.same(await counted(server, () => guest.make(allocCommand(2, 4096))), ONE_EACH);

  const before = { ...server.notifications };
  guest.frontEnd.close();
  await eventually('the end of the VMM', () => !server.connected);
  const next = await house.guest();
  await next.make(allocCommand(1, 4096));
  t.same(await counted(server, () => next.make(allocCommand(2, 4096))), ONE_EACH);
  t.ok(server.notifications.kicks > before.kicks, 'and those of the next VMM are added to them');
});

withGpuHouse(t, 'a command on the gpu device is a kick, its answer an interrupt', {}, async (t, house) => {
  const guest = await house.gpuGuest();
  await guest.command(Control.GetDisplayInfo, 0);
  t.same(await counted(house.server, () => guest.command(Control.GetDisplayInfo, 0)), ONE_EACH);
  const three = async (): Promise<void> => {
    const slots = [1, 2, 3].map(() => guest.submit(guest.encode(Control.GetDisplayInfo, 0, 0)));
    for (const slot of slots) await guest.finished(slot);
  };
  t.same(await counted(house.server, three), ONE_EACH, 'what comes together costs no more');
});
