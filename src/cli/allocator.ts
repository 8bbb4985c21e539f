/**
 * `virtwl allocator`: the allocator by itself, on one socket, for a VMM that needs nothing else of ours.
 */
import type { Command } from 'commander';
import { DEFAULT_MAX_PIECES, DEFAULT_REQUEST_LIMIT } from '../allocator/budget.js';
import { ALLOCATOR_SOCKET, AllocatorServer } from '../allocator/server.js';
import { listenPrivately } from '../host/private-listener.js';
import { parseBytes } from './bytes.js';
import { parseCount } from './count.js';
import { untilSignal } from './until-signal.js';

interface Options {
  vm: string;
  socket: string;
  budget: number;
  request: number;
  pieces: number;
}

export function register(program: Command): void {
  program
    .command('allocator')
    .summary('serve host memory to one VM on one socket (on the host)')
    .description(
      'Runs the allocator alone: it serves memory on a Unix socket to one VM, within a budget. "virtwl host\n' +
        '--allocator" does the same among the other servers of a VM; this is for a VMM that is given the socket itself\n' +
        '(crosvm --wayland-sock PATH,name=allocator).',
    )
    .requiredOption('--vm <name>', 'name of the VM, as it shows in logs')
    .requiredOption('--socket <path>', 'where to listen')
    .requiredOption('--budget <size>', 'most memory in all (512M, 2G)', parseBytes)
    .option('--request <size>', 'most memory in one request', parseBytes, DEFAULT_REQUEST_LIMIT)
    .option('--pieces <n>', 'most pieces that are out at a time', parseCount, DEFAULT_MAX_PIECES)
    .action(async (options: Options) => {
      const server = new AllocatorServer({
        vm: options.vm,
        bytes: options.budget,
        requestLimit: options.request,
        maxPieces: options.pieces,
        log: (line) => process.stderr.write(`${line}\n`),
      });
      const listener = listenPrivately(options.socket, 'another allocator', { socket: ALLOCATOR_SOCKET });
      listener.on('connection', (socket) => server.serve(socket));
      listener.on('error', (error) => server.log(error.message));
      process.stdout.write(`ready: ${options.socket}\n`);
      await untilSignal();
      listener.close();
      server.close();
    });
}
