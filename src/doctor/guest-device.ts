/**
 * Which way to the host a VM has: a wl device with our driver, a gpu device with the kernel's, or neither, and what is
 * missing then: a device that waits for its driver, or all devices.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, type Finding } from './finding.js';

/** What virtio devices are by their numbers, and who drives them. */
const DRIVERS: Readonly<Record<number, { readonly what: string; readonly driver: string }>> = {
  16: { what: 'a gpu device', driver: 'virtio_gpu' },
  30: { what: 'a wl device', driver: 'virtio_wl' },
  63: { what: 'a wl device', driver: 'virtio_wl' },
};

const DEVICES = '/sys/bus/virtio/devices';

/** Devices of the VM that could be a way and have no driver: what to do about each. */
export function driverless(directory = DEVICES): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return [];
  }
  return names.flatMap(name => {
    try {
      const kind = DRIVERS[Number(readFileSync(join(directory, name, 'device'), 'utf8'))];
      if (kind === undefined || existsSync(join(directory, name, 'driver'))) return [];
      return [`${kind.what} is there (${name}) and has no driver: modprobe ${kind.driver}`];
    } catch {
      return [];
    }
  });
}

/** The device or the loopback directory, as every guest command finds it. `needed`: there is no host to start here. */
export async function checkDevice(needed: boolean): Promise<Finding> {
  const name = 'way to the host';
  const { DEFAULT_DEVICE, describeDevice, openDevice } = await import('../virtwl/device.js');
  const { findNode } = await import('../virtwl/gpu-node.js');
  try {
    const device = openDevice();
    const beside = device.kind === 'virtio_wl' ? findNode().path : undefined;
    device.close();
    const more = beside === undefined ? '' : `, and a virtio_gpu device beside it (--device ${beside})`;
    const detail = `${describeDevice(device)}${more}; "virtwl probe" tells whether memory crosses it`;
    return { name, state: 'holds', detail };
  } catch (error) {
    const asked = process.env.VIRTWL_LOOPBACK || process.env.VIRTWL_DEVICE;
    const waiting = driverless();
    const advice = waiting.length === 0 ? {} : { advice: waiting.join('; ') };
    if (needed || asked) return { name, state: 'fails', detail: messageOf(error), ...advice };
    const detail = `no ${DEFAULT_DEVICE} and no gpu device of ours, so this is no VM of ours; a loopback directory stands for it`;
    return { name, state: 'note', detail, ...advice };
  }
}
