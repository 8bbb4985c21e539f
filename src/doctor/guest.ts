/**
 * What a VM needs: a way to the host, and, in the compositor VM, a compositor.
 */
import { spawnSync } from 'node:child_process';
import { messageOf, type Finding } from './finding.js';

/** wlroots compositors that are tested here, and how each tells its version. */
const COMPOSITORS: Readonly<Record<string, string>> = { sway: '--version', cage: '-v', labwc: '--version' };

/** How long a compositor may take to tell its version, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** The device or the loopback directory, as every guest command finds it. `needed`: there is no host to start here. */
export async function checkDevice(needed: boolean): Promise<Finding> {
  const name = 'way to the host';
  const { DEFAULT_DEVICE, openDevice } = await import('../virtwl/device.js');
  try {
    const device = openDevice();
    const detail =
      device.kind === 'loopback' ? `loopback directory ${device.path}` : `${device.path}, a virtio_wl device`;
    device.close();
    return { name, state: 'holds', detail: `${detail}; "virtwl probe" tells whether memory crosses it` };
  } catch (error) {
    const asked = process.env.VIRTWL_LOOPBACK || process.env.VIRTWL_DEVICE;
    if (needed || asked) return { name, state: 'fails', detail: messageOf(error) };
    return {
      name,
      state: 'note',
      detail: `no ${DEFAULT_DEVICE}, so this is no VM of ours; without one, a loopback directory stands for it`,
    };
  }
}

/** Compositors that could run here, with their versions. Only the compositor VM needs one. */
export function tellCompositors(path = process.env.PATH): Finding {
  const name = 'compositors';
  const found = Object.entries(COMPOSITORS).flatMap(([program, option]) => {
    const { status, stdout, stderr } = spawnSync(program, [option], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      env: { ...process.env, PATH: path },
    });
    if (status !== 0) return [];
    const version = /\d+(\.\d+)+\S*/.exec(stdout || stderr)?.[0] ?? 'of unknown version';
    return [`${program} ${version}`];
  });
  if (found.length > 0) return { name, state: 'holds', detail: found.join(', ') };
  return {
    name,
    state: 'lacks',
    detail: `none of ${Object.keys(COMPOSITORS).join(', ')}: this cannot be the compositor VM`,
    advice: 'apt-get install sway, or any wlroots compositor',
  };
}
