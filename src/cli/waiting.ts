/**
 * What `virtwl run` says of what its applications wait for, and when it gives up: the way to the compositor and the
 * connections of the proxy, told in the log.
 */
import { Availability } from '../broker/availability.js';
import type { ClientProxy } from '../client/proxy.js';
import { UNANSWERED } from '../client/program.js';
import { WaitReport } from '../client/wait-report.js';
import { isoTime } from '../observe/clock-time.js';
import type { ProgramReport, StateReport } from '../observe/status-report.js';
import { reasonOf, waitedFor, type Wait } from './waiting-for.js';
import type { Log } from '../observe/log.js';
import type { Device } from '../virtwl/device.js';

/**
 * After how long it is told that a compositor does not answer which has answered before, in milliseconds: the glue holds a
 * client up for 3 s at most while the user types elsewhere, from before it is asked on.
 */
const TELL_SILENT_MS = 3_000;

/** Status of a run that was given up: that of timeout(1). */
export const GIVEN_UP_STATUS = 124;

export interface WaitingOptions {
  /** The server that applications are connected to. */
  readonly server: string;
  /** After how many seconds without an answer it is given up. Default: never. */
  readonly timeout?: number | undefined;
}

export class Waiting {
  /** Resolves with the status to end with, after it was said why. */
  readonly givenUp: Promise<number>;
  readonly #availability: Availability;
  readonly #report: WaitReport;
  readonly #proxy: ClientProxy;
  readonly #wait: () => Wait;

  /** `device` and `proxy` are lent. */
  constructor(device: Device, proxy: ClientProxy, { server, timeout }: WaitingOptions, log: Log) {
    let everAnswered = false;
    let giveUp!: (status: number) => void;
    this.givenUp = new Promise(resolve => (giveUp = resolve));
    const availability = new Availability(device, server);
    this.#availability = availability;
    this.#proxy = proxy;
    this.#wait = () => ({
      server,
      way: availability.way,
      unanswered: proxy.unansweredCount,
      everAnswered,
      silent: proxy.silentSince !== undefined,
    });
    const report = new WaitReport({
      reason: () => reasonOf(this.#wait()),
      begun: () => {
        const { silentSince: since } = proxy;
        return since === undefined || proxy.unansweredCount > 0 ? undefined : { since, tellAfterMs: TELL_SILENT_MS };
      },
      say: (level, line) => log.write(level, line),
      timeoutMs: timeout === undefined ? undefined : timeout * 1000,
      timedOut: reason => {
        log.error(`no compositor has answered within ${timeout} s (--timeout): ${reason}`);
        giveUp(GIVEN_UP_STATUS);
      },
    });
    this.#report = report;
    availability.on('change', () => report.update());
    proxy.on('connection', () => report.update());
    proxy.on('silent', () => report.update());
    proxy.on('answered', ended => {
      if (ended) report.update();
      else {
        everAnswered = true;
        report.answered();
      }
    });
  }

  /** What the applications wait for, as a status tells it. */
  get state(): StateReport {
    const { wait } = this.#report;
    if (wait === undefined) return { is: this.#proxy.connectionCount === 0 ? 'idle' : 'served' };
    return { is: 'waiting', for: waitedFor(this.#wait()), since: isoTime(wait.since), text: wait.reason };
  }

  /** The same programs; one that was never answered waits for what is missing on the way, where something is. */
  explained(programs: readonly ProgramReport[]): readonly ProgramReport[] {
    const { for: wanted, text } = this.state;
    if (wanted === undefined || text === undefined || wanted === 'answer') return programs;
    return programs.map(program =>
      program.state.text === UNANSWERED ? { ...program, state: { ...program.state, for: wanted, text } } : program,
    );
  }

  /** Nothing is said any more. */
  close(): void {
    this.#report.close();
    this.#availability.close();
  }
}
