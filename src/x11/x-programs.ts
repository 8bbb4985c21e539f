/**
 * X11 programs of one VM: a display that they can connect to from now on, and an Xwayland while there are any. It starts when
 * the first of them connects, and ends with the last; the next one starts another. Nothing runs meanwhile.
 */
import { EventEmitter } from 'eventemitter3';
import type { Log } from '../observe/log.js';
import type { TraceOutput } from '../relay/trace.js';
import type { Channel } from '../system/channel.js';
import { native, POLL_READABLE, type Poll } from '../system/native.js';
import { XDisplay, type XDisplayPlace } from './x-display.js';
import { Xwayland } from './xwayland.js';

export interface XProgramsOptions {
  /** A private directory, for the file with the cookie. */
  readonly directory: string;
  /** A connection to the compositor. */
  readonly connect: () => Channel;
  readonly scale: number;
  readonly log: Log;
  readonly trace?: TraceOutput | undefined;
  /** The server's program. Default: `Xwayland`. */
  readonly program?: string | undefined;
  readonly place?: XDisplayPlace | undefined;
  /** How long a transfer of a selection may stand still, in milliseconds. Default: as of Wayland programs. */
  readonly transferIdleMs?: number | undefined;
}

export interface XProgramsEvents {
  /** No X server runs any more. */
  idle: () => void;
}

export class XPrograms extends EventEmitter<XProgramsEvents> {
  readonly display: XDisplay;
  readonly #options: XProgramsOptions;
  readonly #poll: Poll;
  #server: Xwayland | undefined;
  #started = 0;
  #closed = false;

  /** @throws Error where no display can be made */
  constructor(options: XProgramsOptions) {
    super();
    this.#options = options;
    this.display = XDisplay.take(options.directory, options.place);
    const socket = this.display.socket.fd;
    native.setNonblocking(socket);
    this.#poll = new native.Poll(socket, () => this.#start());
    this.#poll.start(POLL_READABLE);
  }

  /** Whether an X server runs: there are X clients, or one has left a moment ago. */
  get running(): boolean {
    return this.#server !== undefined;
  }

  /** Windows that are shown. */
  get windowCount(): number {
    return this.#server?.windowCount ?? 0;
  }

  /** Transfers of selections that run. */
  get transferCount(): number {
    return this.#server?.transferCount ?? 0;
  }

  /** What X clients have to have in their environment. */
  get environment(): { readonly DISPLAY: string; readonly XAUTHORITY: string } {
    return { DISPLAY: this.display.name, XAUTHORITY: this.display.authority };
  }

  /** Ends the X server, and gives the display back. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.close();
    this.#server?.close();
    this.display.close();
  }

  #start(): void {
    const { log, trace } = this.#options;
    this.#poll.stop();
    this.#started += 1;
    let ready = false;
    let server: Xwayland;
    try {
      server = new Xwayland({
        ...this.#options,
        display: this.display,
        trace: trace?.connection('x11', this.#started),
      });
    } catch (error) {
      log.error(`X11 programs cannot be shown: ${(error as Error).message}`);
      this.#refuse();
      this.#poll.start(POLL_READABLE);
      return;
    }
    this.#server = server;
    server.on('ready', () => (ready = true));
    server.on('close', reason => {
      if (reason !== undefined && !this.#closed) log.error(`X11 programs have lost their X server: ${reason.message}`);
      this.#server = undefined;
      if (this.#closed) return;
      // Who waits would have another one started, for ever.
      if (!ready) this.#refuse();
      this.#poll.start(POLL_READABLE);
      this.emit('idle');
    });
  }

  /** X clients that wait are told that there is no server. */
  #refuse(): void {
    const socket = this.display.socket.fd;
    try {
      for (let fd = native.accept(socket); fd >= 0; fd = native.accept(socket)) native.close(fd);
    } catch (error) {
      this.#options.log.warning(`X11 programs that wait cannot be told: ${(error as Error).message}`);
    }
  }
}
