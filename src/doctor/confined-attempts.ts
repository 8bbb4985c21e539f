/**
 * Runs confined, for `virtwl doctor`, and tries the plainest ways out. What came of each is written, as JSON, into the
 * memory that it was given: `refused: CODE`, or what was got. (The tests try many more.)
 */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { native } from '../system/native.js';
import { inheritedFd, lockDown } from '../sandbox/confinement.js';
import { REPORT_BYTES, REPORT_FD } from './sandbox.js';

const hostPid = Number(process.argv[2]);

const attempts: Record<string, () => unknown> = {
  'read /etc/passwd': () => readFileSync('/etc/passwd'),
  'write outside of its directories': () => makeAndRemove('/virtwl-doctor-was-here'),
  'see other processes': () => readdirSync('/proc'),
  'signal one': () => process.kill(hostPid, 0),
  'start a program': () => execFileSync(process.execPath, ['--version']),
  'become root': () => process.setuid?.(0),
  mount: () => native.close(native.createTmpfs(native.pageSize)),
  'raise a limit': () => native.setResourceLimit(7, 1 << 20),
};

/** Where the sandbox has a hole, the machine shall not have a new file as well. */
function makeAndRemove(path: string): void {
  closeSync(openSync(path, 'wx'));
  unlinkSync(path);
}

const report = inheritedFd(REPORT_FD);
if (report === undefined) throw new Error('to be run by "virtwl doctor"');
lockDown();
const found: Record<string, string> = {};
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    attempt();
    found[name] = 'SUCCEEDED';
  } catch (error) {
    found[name] = `refused: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
  }
}
const mapping = native.map(report, 0, REPORT_BYTES, true);
new Uint8Array(mapping.buffer).set(Buffer.from(JSON.stringify(found)).subarray(0, REPORT_BYTES));
mapping.unmap();
