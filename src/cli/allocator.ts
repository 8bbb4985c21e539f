/**
 * `virtwl allocator`: the allocator by itself, on one socket, for a VMM that needs nothing else of ours.
 *
 * The socket is bound outside of the confined process, which gets it as a descriptor: so that process has no directory at
 * all, and the directory may be one that others use too.
 */
import type { Command } from 'commander';
import { DEFAULT_MAX_PIECES, DEFAULT_REQUEST_LIMIT } from '../allocator/budget.js';
import { ALLOCATOR_SOCKET, AllocatorServer } from '../allocator/server.js';
import { processCounters } from '../observe/native-counters.js';
import { processLog } from '../observe/process-log.js';
import { OwnedFd } from '../system/fd.js';
import { AcceptingSocket } from '../system/accepting-socket.js';
import { BoundSocket } from '../system/private-listener.js';
import { inheritedFd } from '../sandbox/confinement.js';
import { UnixSocket } from '../system/unix-socket.js';
import { answerFor } from './answers.js';
import { addSandboxOption, ranConfined, serveLockedDown, type ConfinedRun, type SandboxChoice } from './confined.js';
import { addOptions, BYTES, COUNT, PATH, required, VM_NAME, withDefault, type Values } from './option.js';
import { tellReady } from './readiness.js';
import { untilSignal } from './until-signal.js';

const OPTIONS = {
  vm: required('--vm <name>', 'name of the VM, as it shows in logs', VM_NAME),
  socket: required('--socket <path>', 'where to listen', PATH),
  budget: required('--budget <size>', 'most memory in all (512M, 2G)', BYTES),
  request: withDefault('--request <size>', 'most memory in one request', BYTES, DEFAULT_REQUEST_LIMIT),
  pieces: withDefault('--pieces <n>', 'most pieces that are out at a time', COUNT, DEFAULT_MAX_PIECES),
} as const;

export type AllocatorOptions = Values<typeof OPTIONS>;

/** Connections that may wait to be accepted. The kernel refuses more. */
const BACKLOG = 64;

/** The descriptor that a confined allocator inherits: its listening socket. */
const SOCKET_FD = 'socket';

export function register(program: Command): void {
  const command = program
    .command('allocator')
    .summary('serve host memory to one VM on one socket (on the host)')
    .description(
      'Runs the allocator alone: it serves memory on a Unix socket to one VM, within a budget. "virtwl host ' +
        '--allocator" does the same among the other servers of a VM; this is for a VMM that is given the socket itself ' +
        '(crosvm --wayland-sock PATH,name=allocator).',
    )
    .action(async ({ sandbox, ...options }: AllocatorOptions & { sandbox: SandboxChoice }) => {
      if (!(await ranConfined(sandbox, () => confinedAllocator(options)))) await serve(options);
    });
  addSandboxOption(addOptions(command, OPTIONS));
}

/** Serves until a signal comes. */
export async function serve(options: AllocatorOptions): Promise<void> {
  const inherited = inheritedFd(SOCKET_FD);
  const bound = inherited === undefined ? bindSocket(options.socket) : undefined;
  try {
    await serveOn(options, bound?.socket ?? new OwnedFd(inherited!));
  } finally {
    bound?.remove();
  }
}

/** Takes ownership of the listening socket. */
async function serveOn(options: AllocatorOptions, socket: OwnedFd): Promise<void> {
  const log = processLog.log('allocator');
  const server = new AllocatorServer({
    vm: options.vm,
    bytes: options.budget,
    requestLimit: options.request,
    maxPieces: options.pieces,
    log,
  });
  const counters = processCounters().provideBelow('allocator', () => server.counts);
  answerFor('allocator', counters, () => ({ vm: options.vm }));
  serveLockedDown();
  const listener = new AcceptingSocket(
    socket,
    fd => server.serve(new UnixSocket(fd, ALLOCATOR_SOCKET)),
    error => log.about(options.vm).error(error.message),
  );
  // The program that reads "ready" may end us the next moment.
  const ended = untilSignal();
  tellReady(options.socket);
  await ended;
  listener.close();
  server.close();
}

/** The same allocator as it runs confined: with its listening socket, and no directory. */
export function confinedAllocator(options: AllocatorOptions): ConfinedRun {
  const bound = bindSocket(options.socket);
  return {
    name: `allocator of VM "${options.vm}"`,
    subcommand: 'allocator',
    options,
    writable: [],
    readable: [],
    fds: { [SOCKET_FD]: bound.socket },
    cleanUp: () => bound.remove(),
  };
}

function bindSocket(path: string): BoundSocket {
  return new BoundSocket(path, 'another allocator', BACKLOG);
}
