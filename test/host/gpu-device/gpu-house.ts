/** A gpu device with servers to connect to, and VMMs that come to it. */
import type { Test } from 'tap';
import { GpuDeviceServer } from '../../../src/host/gpu-device/server.js';
import type { GuestLimits } from '../../../src/host/guest/limits.js';
import { House } from '../wl-device/house.js';
import { GpuDriver, type GpuDriverOptions } from './gpu-driver.js';

export class GpuHouse extends House<GpuDeviceServer> {
  constructor(limits: Partial<GuestLimits>, defaultServer: string | undefined) {
    super(limits, defaultServer, options => new GpuDeviceServer(options));
  }

  /** A VM whose driver runs. */
  async gpuGuest(options: GpuDriverOptions = {}): Promise<GpuDriver> {
    const frontEnd = this.frontEnd();
    const driver = new GpuDriver(frontEnd, options);
    await frontEnd.negotiate(driver.features);
    driver.start();
    return driver;
  }
}

/** A test with such a house, after which nothing of it may be left. */
export function withGpuHouse(
  t: Test,
  name: string,
  limits: Partial<GuestLimits>,
  body: (t: Test, house: GpuHouse) => Promise<void>,
  defaultServer: 'plain' | 'none' = 'plain',
): void {
  t.test(name, async t => {
    const house = new GpuHouse(limits, defaultServer === 'none' ? undefined : defaultServer);
    try {
      await body(t, house);
    } finally {
      house.close();
    }
    await house.holdings.assertSame(t);
  });
}
