/**
 * A sway with a touch screen: it runs as a window of another one, and a relay between the two adds the fingers. So all that is done
 * with them is sway's own.
 */
import { join } from 'node:path';
import type { Test } from 'tap';
import { Verdict } from '../../src/relay/call.js';
import type { Concern } from '../../src/relay/chain.js';
import type { RelayObject } from '../../src/relay/object-map.js';
import { Relay } from '../../src/relay/relay.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { WlSeatCapability } from '../../src/wayland/protocols/wayland.js';
import { startSway, type Sway, type SwayOptions } from '../compositors.js';
import { AS_IT_IS } from '../relay/relay-between.js';
import { until } from './desk.js';

/** Of the one finger. */
const id = 0;

export class TouchScreen {
  #relay: Relay | undefined;
  #seat: RelayObject<'wl_seat'> | undefined;
  #touch: RelayObject<'wl_touch'> | undefined;
  #surface: RelayObject<'wl_surface'> | undefined;
  #serial = 0x70000000;
  #time = 10_000;

  /** The options are those of the sway that has it. */
  static async start(t: Pick<Test, 'teardown'>, options: SwayOptions): Promise<{ sway: Sway; screen: TouchScreen }> {
    const { width, height } = options;
    const outer = await startSway(t, {
      ...(width === undefined ? {} : { width }),
      ...(height === undefined ? {} : { height }),
    });
    const screen = new TouchScreen();
    const display = join(outer.runtimeDir, 'touched');
    const listener = UnixListener.listen(display);
    listener.on('connection', socket => screen.#serve(socket, outer.display));
    t.teardown(() => {
      listener.close();
      screen.#relay?.close(undefined);
    });
    const env = { ...options.env, WLR_BACKENDS: 'wayland', WAYLAND_DISPLAY: display };
    const sway = await startSway(t, { ...options, env });
    // wlroots 0.15 takes one that comes later only.
    screen.#say(() => {
      screen.#relay!.emitEvent(screen.#seat!, 'capabilities', { capabilities: WlSeatCapability.touch });
    });
    await until('it has a touch screen', async () =>
      ((await sway.message('-t', 'get_inputs')) as { type: string }[]).some(({ type }) => type === 'touch'),
    );
    return { sway, screen };
  }

  /** A finger, at a place in the units of that sway. */
  down(x: number, y: number): void {
    const [serial, surface] = [(this.#serial += 1), this.#surface!];
    this.#tell((touch, relay) => relay.emitEvent(touch, 'down', { serial, time: this.#time, surface, id, x, y }));
  }

  move(x: number, y: number): void {
    this.#tell((touch, relay) => relay.emitEvent(touch, 'motion', { time: this.#time, id, x, y }));
  }

  lift(): void {
    const serial = (this.#serial += 1);
    this.#tell((touch, relay) => relay.emitEvent(touch, 'up', { serial, time: this.#time, id }));
  }

  #tell(say: (touch: RelayObject<'wl_touch'>, relay: Relay) => void): void {
    this.#time += 16;
    this.#say(relay => {
      say(this.#touch!, relay);
      relay.emitEvent(this.#touch!, 'frame', {});
    });
  }

  #say(say: (relay: Relay) => void): void {
    say(this.#relay!);
    this.#relay!.flush();
  }

  #serve(socket: UnixSocket, display: string): void {
    const server = UnixSocket.connect(display, { maxQueuedFds: 16_384 });
    this.#relay = new Relay(socket, server, {
      concerns: [this.#fingers()],
      toServer: AS_IT_IS,
      toClient: AS_IT_IS,
    });
    this.#relay.start();
  }

  #fingers(): Concern {
    return {
      name: 'touch screen',
      made: { wl_seat: seat => void (this.#seat = seat) },
      requests: {
        wl_seat: {
          get_touch: ({ relay, object, args }) => {
            this.#touch = relay.adopt('wl_touch', object.version, args.id, true);
            return Verdict.Drop;
          },
        },
        wl_touch: { release: () => Verdict.Drop },
        xdg_wm_base: {
          get_xdg_surface: ({ args }) => {
            this.#surface = args.surface;
            return Verdict.Forward;
          },
        },
      },
    };
  }
}
