/**
 * Stands between `virtwl x11` and sway for KWin, which is no package of the tests: while it carries a drag, it does not say
 * that the pointer has left the surface where the button was pressed. It says so after the drop, and nothing at all where it is
 * there again. All else is sway's.
 */
import { join } from 'node:path';
import type { Test } from 'tap';
import { Verdict } from '../../../src/relay/call.js';
import type { Concern } from '../../../src/relay/chain.js';
import type { RelayObject } from '../../../src/relay/object-map.js';
import { Relay } from '../../../src/relay/relay.js';
import { UnixListener } from '../../../src/system/unix-listener.js';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import { COMPOSITOR_FDS } from '../../../src/x11/xwayland.js';
import type { Sway } from '../../compositors.js';
import { AS_IT_IS } from '../../relay/relay-between.js';

/** First version of wl_pointer that says what belongs together. */
const FRAME_SINCE = 5;

interface Leave {
  readonly pointer: RelayObject<'wl_pointer'>;
  readonly serial: number;
  readonly surface: RelayObject<'wl_surface'> | undefined;
}

export class KeptPointer {
  readonly display: string;
  /** How often the pointer was kept, and how often it was at the same surface in the end. */
  kept = 0;
  same = 0;
  #carries = false;
  /** What is dragged is over that. */
  #over: RelayObject<'wl_surface'> | undefined;
  #leave: Leave | undefined;

  constructor(t: Pick<Test, 'teardown'>, sway: Sway) {
    this.display = join(sway.runtimeDir, 'kept');
    const relays: Relay[] = [];
    const listener = UnixListener.listen(this.display);
    listener.on('connection', socket => {
      const compositor = UnixSocket.connect(sway.display, { maxQueuedFds: COMPOSITOR_FDS });
      const relay = new Relay(socket, compositor, {
        concerns: [this.#keeps()],
        toServer: AS_IT_IS,
        toClient: AS_IT_IS,
      });
      relays.push(relay);
      relay.start();
    });
    t.teardown(() => {
      listener.close();
      for (const relay of relays) relay.close(undefined);
    });
  }

  #keeps(): Concern {
    return {
      name: 'kept pointer',
      requests: {
        wl_data_device: {
          start_drag: () => {
            this.#carries = true;
            return Verdict.Forward;
          },
        },
      },
      events: {
        wl_data_device: {
          enter: ({ args }) => {
            this.#over = args.surface;
            return Verdict.Forward;
          },
          // With the end of the drag, wlroots says this first.
          leave: ({ relay }) => {
            const over = this.#over;
            relay.sync(() => {
              if (this.#carries && this.#over === over) this.#over = undefined;
            });
            return Verdict.Forward;
          },
        },
        wl_data_source: {
          dnd_drop_performed: ({ relay }) => this.#ended(relay),
          cancelled: ({ relay }) => this.#ended(relay),
        },
        wl_pointer: {
          leave: ({ object, args }) => {
            if (!this.#carries) return Verdict.Forward;
            this.kept += 1;
            this.#leave = { pointer: object, ...args };
            return Verdict.Drop;
          },
          enter: ({ relay, args: { surface } }) => {
            const same = this.#leave !== undefined && this.#leave.surface === surface;
            if (same) {
              this.#leave = undefined;
              this.same += 1;
            } else this.#left(relay);
            return same ? Verdict.Drop : Verdict.Forward;
          },
        },
      },
    };
  }

  /** The button was released: somewhere else, the pointer has left by that. */
  #ended(relay: Relay): Verdict {
    this.#carries = false;
    if (this.#leave?.surface !== this.#over) this.#left(relay);
    return Verdict.Forward;
  }

  #left(relay: Relay): void {
    const leave = this.#leave;
    this.#leave = undefined;
    if (leave === undefined || leave.pointer.destroyed || leave.surface?.destroyed !== false) return;
    const { pointer, serial, surface } = leave;
    relay.emitEvent(pointer, 'leave', { serial, surface });
    if (pointer.version >= FRAME_SINCE) relay.emitEvent(pointer, 'frame', {});
  }
}
