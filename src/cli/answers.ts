/**
 * What a subcommand that serves answers of itself: to SIGUSR2, and to `virtwl status` on the socket of its process, which a
 * confined one inherits.
 */
import type { Counters } from '../observe/counters.js';
import { processLog } from '../observe/process-log.js';
import { answerStatus } from '../observe/status.js';
import { bindStatusSocket, STATUS_FD, StatusSocket } from '../observe/status-socket.js';
import type { StateReport, ThumbnailsReport } from '../observe/status-report.js';
import { inheritedFd, isConfined } from '../sandbox/confinement.js';
import { OwnedFd } from '../system/fd.js';

const log = processLog.log('status');
/** When this process began, as ISO 8601 has it. */
const since = new Date(performance.timeOrigin).toISOString();

/** Answers from now on, to the end of the process. `role`: the subcommand. */
export function answerFor(
  role: string,
  counters: Counters,
  identity: () => Readonly<Record<string, unknown>> = () => ({}),
): void {
  const told = answerStatus(counters, identity);
  const inherited = inheritedFd(STATUS_FD);
  const bound = inherited === undefined && !isConfined() ? bindStatusSocket(role, why => log.info(why)) : undefined;
  const socket = inherited === undefined ? bound?.socket : new OwnedFd(inherited);
  if (socket === undefined) return;
  new StatusSocket(socket, () => {
    const { lastError, recent: log } = processLog;
    const state: StateReport = { is: 'served' };
    return { role, since, at: performance.now(), state, ...told(), ...(lastError !== undefined && { lastError }), log };
  });
  process.on('exit', () => bound?.remove());
}

/** Answers with pictures of the outputs, on a socket of their own, to the end of the process. */
export function answerThumbnails(role: string, take: () => Promise<ThumbnailsReport>): void {
  const bound = bindStatusSocket(role, why => log.info(why), 'thumbnails');
  if (bound === undefined) return;
  new StatusSocket(bound.socket, take);
  process.on('exit', () => bound.remove());
}
