/**
 * The cache of what VMs are made of: one directory an artifact, named for what it is and a hash of its inputs, so that a
 * changed input is another artifact. An artifact is built in a directory beside its place and renamed when it is whole; a
 * build that was killed leaves nothing that is taken for one. Of builds of the same artifact at the same time, the first
 * to finish counts.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Artifacts of one name that are kept: this one, and those of branches that one goes back and forth between. */
const KEPT_OF_A_NAME = 3;

/** The directory of all artifacts: `$XDG_CACHE_HOME/virtwl`, or `~/.cache/virtwl`. */
export function cacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') === true ? base : join(homedir(), '.cache'), 'virtwl');
}

export interface Artifact {
  /** What it is, a word. */
  readonly name: string;
  /** Everything that it depends on, in any form that turns to text the same way each time. */
  readonly inputs: readonly (string | Uint8Array)[];
  /** Fills the empty directory. What it throws is told with the artifact's name. */
  build(directory: string): Promise<void>;
}

/** Tells what is being done. */
export type Say = (line: string) => void;

/** The directory of the artifact, built if it is not there. */
export async function artifact(wanted: Artifact, say: Say): Promise<string> {
  const hash = createHash('sha256');
  for (const input of wanted.inputs) {
    const bytes = Buffer.from(input);
    hash.update(`${bytes.length}:`).update(bytes);
  }
  const root = cacheDirectory();
  const place = join(root, `${wanted.name}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(place)) {
    const now = new Date();
    utimesSync(place, now, now);
    return place;
  }
  mkdirSync(root, { recursive: true });
  const directory = mkdtempSync(join(root, `.building-${wanted.name}-`));
  const began = Date.now();
  say(`${wanted.name}: being made`);
  try {
    await wanted.build(directory);
    try {
      renameSync(directory, place);
    } catch (error) {
      if (!existsSync(place)) throw error;
    }
  } catch (error) {
    throw new Error(`cannot make ${wanted.name}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  say(`${wanted.name}: made in ${Math.round((Date.now() - began) / 1000)} s, kept in ${place}`);
  forgetOld(wanted.name, place);
  return place;
}

/** Removes artifacts of this name that were not used for longest. */
function forgetOld(name: string, keep: string): void {
  const root = cacheDirectory();
  readdirSync(root)
    .filter(entry => entry.startsWith(`${name}-`) && /^[0-9a-f]{16}$/.test(entry.slice(name.length + 1)))
    .map(entry => join(root, entry))
    .filter(path => path !== keep)
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
    .slice(KEPT_OF_A_NAME - 1)
    .forEach(path => rmSync(path, { recursive: true, force: true }));
}
