/**
 * A headless sway for the benchmark, in a runtime directory of its own, so that nothing of the user's session is touched.
 */
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { HEADLESS } from '../../compositor-glue/launch.js';
import { asOrdinaryUser } from '../../compositor-glue/ordinary-user.js';
import { Running, waitFor } from './processes.js';

/** sway needs about one second on a slow machine. In milliseconds. */
const START_TIMEOUT_MS = 20_000;

export interface Sway {
  /** Absolute path of the Wayland socket. */
  readonly display: string;
  /** Its own, or of what runs it as another user. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts it with its sockets in `directory`, which becomes private to this user. */
export async function startSway(directory: string, mode: string): Promise<Sway> {
  chmodSync(directory, 0o700);
  const config = join(directory, 'sway.conf');
  // Tiled, each of many windows would resize all others when it comes.
  const crowd = 'for_window [title="virtwl bench crowd"] floating enable';
  writeFileSync(config, `output HEADLESS-1 mode ${mode}\nxwayland disable\ndefault_border none\n${crowd}\n`);
  const sway = new Running('sway', asOrdinaryUser(['sway', '-c', config]), {
    ...HEADLESS,
    XDG_RUNTIME_DIR: directory,
    WAYLAND_DISPLAY: undefined,
    DISPLAY: undefined,
    SWAYSOCK: undefined,
  });
  const socket = await waitFor(sway, 'its Wayland socket', START_TIMEOUT_MS, () =>
    readdirSync(directory).find(name => /^wayland-\d+$/.test(name)),
  );
  return { display: join(directory, socket), pid: sway.pid, stop: () => sway.stop() };
}
