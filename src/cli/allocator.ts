/**
 * `virtwl allocator`: the allocator by itself, on one socket, for a VMM that needs nothing else of ours.
 *
 * The socket is bound outside of the confined process, which gets it as a descriptor: so that process has no directory at
 * all, and the directory may be one that others use too.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { DEFAULT_MAX_PIECES, DEFAULT_REQUEST_LIMIT, privateTmpfs, roundUpToPages } from '../allocator/budget.js';
import { ALLOCATOR_SOCKET, AllocatorServer } from '../allocator/server.js';
import { OwnedFd } from '../system/fd.js';
import { AcceptingSocket } from '../system/accepting-socket.js';
import { checkVmName } from '../broker/protocol.js';
import { BoundSocket } from '../system/private-listener.js';
import { inheritedFd } from '../sandbox/confinement.js';
import { UnixSocket } from '../system/unix-socket.js';
import { parseBytes } from './bytes.js';
import { addSandboxOption, ranConfined, serveLockedDown, type ConfinedRun, type SandboxChoice } from './confined.js';
import { parseCount } from './count.js';
import { untilSignal } from './until-signal.js';

interface Options {
  vm: string;
  socket: string;
  budget: number;
  request: number;
  pieces: number;
  sandbox: SandboxChoice;
}

/** Connections that may wait to be accepted. The kernel refuses more. */
const BACKLOG = 64;

/** The descriptors that a confined allocator inherits: its listening socket, and the tmpfs it may not mount itself. */
const SOCKET_FD = 'socket';
const BUDGET_FD = 'budget';

export function register(program: Command): void {
  const command = program
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
      checkVmName(options.vm);
      if (await ranConfined(options.sandbox, () => confinedAllocator(options))) return;
      const inherited = inheritedFd(SOCKET_FD);
      const bound = inherited === undefined ? bindSocket(options.socket) : undefined;
      try {
        await serve(options, bound?.socket ?? new OwnedFd(inherited!));
      } finally {
        bound?.remove();
      }
    });
  addSandboxOption(command);
}

/** Serves until a signal comes. Takes ownership of the listening socket. */
async function serve(options: Options, socket: OwnedFd): Promise<void> {
  const directory = inheritedFd(BUDGET_FD);
  const server = new AllocatorServer({
    vm: options.vm,
    bytes: options.budget,
    requestLimit: options.request,
    maxPieces: options.pieces,
    directory: directory === undefined ? undefined : new OwnedFd(directory),
    log: line => process.stderr.write(`${line}\n`),
  });
  serveLockedDown();
  const listener = new AcceptingSocket(
    socket,
    fd => server.serve(new UnixSocket(fd, ALLOCATOR_SOCKET)),
    error => server.log(error.message),
  );
  // Whoever is told that it serves may end it the next moment.
  const ended = untilSignal();
  process.stdout.write(`ready: ${options.socket}\n`);
  await ended;
  listener.close();
  server.close();
}

/** The same allocator as it runs confined: with its listening socket and the memory it may hand out, and no directory. */
export function confinedAllocator(options: Omit<Options, 'sandbox'>): ConfinedRun {
  const budget = privateTmpfs(roundUpToPages(options.budget));
  try {
    const bound = bindSocket(options.socket);
    return {
      name: `allocator of VM "${options.vm}"`,
      args: [
        ...['allocator', '--vm', options.vm, '--socket', resolve(options.socket), '--budget', String(options.budget)],
        ...['--request', String(options.request), '--pieces', String(options.pieces)],
      ],
      writable: [],
      readable: [],
      fds: { [SOCKET_FD]: bound.socket, [BUDGET_FD]: budget },
      cleanUp: () => bound.remove(),
    };
  } catch (error) {
    budget.close();
    throw error;
  }
}

function bindSocket(path: string): BoundSocket {
  return new BoundSocket(path, 'another allocator', BACKLOG);
}
