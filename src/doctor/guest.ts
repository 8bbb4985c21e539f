/**
 * What the compositor VM needs beside a way to the host: a compositor.
 */
import { spawnSync } from 'node:child_process';
import type { Finding } from './finding.js';

/** wlroots compositors that are tested here, and how each tells its version. */
const COMPOSITORS: Readonly<Record<string, string>> = { sway: '--version', cage: '-v', labwc: '--version' };

/** How long a compositor may take to tell its version, in milliseconds. */
const TIMEOUT_MS = 10_000;

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
