/**
 * libvirtwl in a real VM, on the real device: its test program and the example, linked statically, before the servers of
 * the host process. What the stand-in for the driver cannot show is shown here: pipes, and memory that crosses.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ALLOCATORS, startServers } from '../bindings/c-library-servers.js';
import { PEER_SERVERS } from '../virtwl/peer-servers.js';
import { smallGuest } from './guests.js';

// The guest is slow where it is emulated.
const TIMEOUT_MS = 580_000;
t.setTimeout(TIMEOUT_MS);

const root = fileURLToPath(new URL('../../../', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'virtwl-c-vm-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
const servers = join(directory, 'servers');

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with status ${status}: ${stderr}`);
}

function build(name: string, source: string): string {
  const path = join(directory, name);
  const objects = join(directory, 'objects');
  run('make', '-s', '-C', join(root, 'bindings/c'), `O=${objects}`);
  const library = join(objects, 'libvirtwl.a');
  run('cc', '-static', '-pthread', '-O1', `-I${root}bindings/c`, '-o', path, join(root, source), library);
  return path;
}

startServers(t, servers);

const { machine } = await smallGuest(t, {
  name: 'c-library',
  directory: servers,
  servers: ['allocator', 'probe', ...PEER_SERVERS, ...ALLOCATORS],
  built: {
    'c-library': build('c-library', 'test/bindings/c-library.c'),
    probe: build('probe', 'docs/examples/c/probe.c'),
  },
});

t.test('every function, on the real device', async t => {
  const { status, output } = await machine.run('/virtwl/c-library --real', TIMEOUT_MS);
  for (const [, not, what = '', why = ''] of output.matchAll(/^(not )?ok \d+ - (.*)\n(# .*\n)?/gm))
    t.equal(not, undefined, `${what} ${why}`.trim());
  t.match(output, /^1\.\.\d+$/m, 'the program came to its end');
  t.equal(status, 0);
});

t.test('the example: memory of the host crosses, both ways', async t => {
  t.match(await machine.run('/virtwl/probe', TIMEOUT_MS), {
    status: 0,
    output: 'the host sees 65536 bytes of it\nwhat the host wrote shows here\n',
  });
});
