/**
 * Exits with 0 when node_modules holds what package-lock.json asks for, else with 1.
 *
 * npm leaves its own account of an installation in node_modules/.package-lock.json. Times do not tell whether it is
 * current (a checkout sets them all anew), versions do.
 */
import { readFileSync } from 'node:fs';

/** @param {string} path @returns {Record<string, {version?: string, optional?: boolean}>} */
function packagesOf(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

const wanted = packagesOf('package-lock.json');
let found;
try {
  found = packagesOf('node_modules/.package-lock.json');
} catch {
  process.exit(1);
}

for (const [path, { version, optional }] of Object.entries(wanted)) {
  // The entry without a name is this package itself. An optional one may be for another system.
  if (path === '' || (optional && !found[path])) continue;
  if (found[path]?.version !== version) process.exit(1);
}
