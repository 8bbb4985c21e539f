/**
 * A headless sway for the benchmark: no GPU, no seat, one output, not as root.
 */
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Running, waitFor } from './processes.js';

/** sway needs about one second on a slow machine. In milliseconds. */
const START_TIMEOUT_MS = 20_000;

export interface Sway {
  /** Absolute path of the Wayland socket. */
  readonly display: string;
  stop(): Promise<void>;
}

/** Starts it with its sockets in `directory`, which becomes private to this user. */
export async function startSway(directory: string, mode: string): Promise<Sway> {
  chmodSync(directory, 0o700);
  const config = join(directory, 'sway.conf');
  writeFileSync(config, `output HEADLESS-1 mode ${mode}\nxwayland disable\ndefault_border none\n`);
  const command = ['sway', '-c', config];
  // sway refuses root, whatever root may do: a user namespace makes us somebody else without a new account.
  if (process.getuid?.() === 0) {
    command.unshift('bwrap', '--die-with-parent', '--unshare-user', '--uid', '1000', '--gid', '1000');
    command.splice(command.indexOf('sway'), 0, '--dev-bind', '/', '/');
  }
  const sway = new Running('sway', command, {
    WLR_BACKENDS: 'headless',
    WLR_RENDERER: 'pixman',
    WLR_LIBINPUT_NO_DEVICES: '1',
    XDG_RUNTIME_DIR: directory,
    WAYLAND_DISPLAY: undefined,
    DISPLAY: undefined,
    SWAYSOCK: undefined,
  });
  const socket = await waitFor(sway, 'its Wayland socket', START_TIMEOUT_MS, () =>
    readdirSync(directory).find((name) => /^wayland-\d+$/.test(name)),
  );
  return { display: join(directory, socket), stop: () => sway.stop() };
}
