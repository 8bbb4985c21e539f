/**
 * Loaded into a process of ours before it begins (`--import`): tells on a socket how much of its heap is alive. What a process
 * tells of itself is what it has after a collection, and that it does not make on its own.
 */
import { unlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Where it is told by each subcommand. */
const DIRECTORY = 'VIRTWL_TEST_HEAP';

const [, , subcommand = ''] = process.argv;
const directory = process.env[DIRECTORY];
if (directory !== undefined && ['compositor', 'run'].includes(subcommand)) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const path = join(directory, subcommand);
  const server = createServer(socket => {
    collect();
    // Finalizers have run, and what they let go of is collected too.
    setImmediate(() => {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      socket.end(String(heapUsed + arrayBuffers));
    });
  });
  server.listen(path).unref();
  process.once('exit', () => unlinkSync(path));
}

/** The environment of processes that are to tell it in `directory`. */
export function tellingHeap(telling: string): Record<string, string> {
  return { NODE_OPTIONS: `--import=${import.meta.url}`, [DIRECTORY]: telling };
}

/** Bytes that are alive in the process of that subcommand: objects, and array buffers that are memory of their own. */
export async function liveBytesOf(telling: string, process_: string): Promise<number> {
  const socket = connect(join(telling, process_));
  let text = '';
  for await (const bytes of socket) text += String(bytes);
  return Number(text);
}
