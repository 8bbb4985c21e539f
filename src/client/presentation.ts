/**
 * `wp_presentation` of an application: its times are those of the compositor VM's clock, and are brought to this VM's on
 * the way. The glue is asked for its clock (`virtwl_clock_v1`) before the first frame whose time is wanted, a few times
 * more with the next ones, and then once a second as long as times are wanted. Without a glue, or one that knows no
 * clock, the application does not get the protocol.
 *
 * An output's refresh of 0 is replaced, see {@link REFRESH_UNKNOWN_NS}.
 */
import { Verdict, type Call, type EventValues } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { GlobalPolicy } from '../relay/globals.js';
import { Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import { bindGlobal } from '../slabs/memory-source.js';
import type { Global } from '../wayland/global-table.js';
import { WpPresentationFeedbackKind } from '../wayland/protocols/presentation-time.js';
import { WlOutputMode } from '../wayland/protocols/wayland.js';
import { fromTimestamp, timestamp } from '../wayland/timestamp.js';
import { ClockOffset } from './clock-offset.js';

/** clockid_t of the clock that is translated, and that applications are told: wlroots has no other. */
const CLOCK_MONOTONIC = 1;

/**
 * Told for a refresh of 0 where the output's mode says nothing either, in nanoseconds: that of 60 Hz. The protocol lets
 * a compositor say 0 for what has no constant rate, and labwc's headless output does; programs divide by it, and GTK 4
 * dies.
 */
export const REFRESH_UNKNOWN_NS = 16_666_667;

/** Readings of the clock that are taken as fast as frames come: the best of some is four times as good as the first. */
export const FIRST_READINGS = 8;
/** Nanoseconds between two readings after those: in a second two clocks drift apart by 1 ms at most. */
export const READING_INTERVAL_NS = 1_000_000_000n;

/** What is said of a frame's time and is not so any more: its pixels were copied, and who says when is a clock read by programs. */
const NOT_ZERO_COPY = ~WpPresentationFeedbackKind.zero_copy;
const NOT_HARDWARE = ~WpPresentationFeedbackKind.hw_clock;

/** Of an output: the refresh of its current mode, in mHz. */
const refreshes = new Note<number>();
/** Of a frame's feedback: the output that it was synchronized to. */
const outputs = new Note<RelayObject<'wl_output'>>();

export class Presentation {
  readonly clock = new ClockOffset();
  readonly #now: () => bigint;
  #global: Global | undefined;
  #relay!: Relay;
  #registry!: RelayObject<'wl_registry'>;
  #glueClock: RelayObject<'virtwl_clock_v1'> | undefined;
  #serial = 0;
  /** When we asked, as long as there is no answer. */
  #asked: bigint | undefined;
  #lastAsked = 0n;
  #readings = 0;
  /** Of the compositor; as long as it has not said, there are no times either. */
  #clockId: number | undefined;

  /** Feedback of frames that were not shown, whatever the compositor says. */
  readonly #superseded = new WeakSet<RelayObject>();

  /** `now`: this VM's CLOCK_MONOTONIC. */
  constructor(now: () => bigint = () => process.hrtime.bigint()) {
    this.#now = now;
  }

  /** The most by which a time that is told now is wrong, in nanoseconds; undefined as long as none is wanted. */
  get errorNs(): number | undefined {
    const error = this.clock.errorAt(this.#now());
    return error === undefined ? undefined : Number(error);
  }

  /** Once, when there is a relay. `registry` is the relay's own. */
  attach(relay: Relay, registry: RelayObject<'wl_registry'>): void {
    this.#relay = relay;
    this.#registry = registry;
  }

  /** The frame of `feedback` was replaced by the next one before the compositor could show it. */
  supersede(feedback: RelayObject): void {
    this.#superseded.add(feedback);
  }

  /** The link announces a global to the relay's own registry, before it does to the application's. */
  sees(global: Global): void {
    if (global.interface === 'virtwl_clock_v1') this.#global = global;
  }

  /** `policy`, without wp_presentation where nobody tells a clock. */
  policy(policy: GlobalPolicy): GlobalPolicy {
    return (name, version) => (name === 'wp_presentation' && this.#global === undefined ? 0 : policy(name, version));
  }

  readonly concern: Concern = {
    name: 'presentation',
    after: ['globals'],
    requests: {
      wl_registry: {
        // Read before the bind itself: what is answered first has arrived before the first time that is told.
        bind: ({ args: { id } }) => {
          if (id.interface === 'wp_presentation') this.#read();
          return Verdict.Forward;
        },
      },
      wp_presentation: {
        feedback: () => {
          const early = this.#readings < FIRST_READINGS;
          if (early || this.#now() - this.#lastAsked >= READING_INTERVAL_NS) this.#read();
          return Verdict.Forward;
        },
      },
    },
    events: {
      virtwl_clock_v1: {
        time: ({ args }) => {
          if (args.serial === this.#serial && this.#asked !== undefined) {
            this.clock.add(this.#asked, fromTimestamp(args), this.#now());
            this.#asked = undefined;
          }
          return Verdict.Drop;
        },
      },
      wl_output: {
        mode: ({ object, args: { flags, refresh } }) => {
          if ((flags & WlOutputMode.current) !== 0) refreshes.set(object, refresh);
          return Verdict.Forward;
        },
      },
      wp_presentation: {
        clock_id: ({ relay, object, args }) => {
          this.#clockId = args.clk_id;
          relay.emitEvent(object, 'clock_id', { clk_id: CLOCK_MONOTONIC });
          return Verdict.Drop;
        },
      },
      wp_presentation_feedback: {
        sync_output: ({ object, args: { output } }) => {
          if (output !== undefined) outputs.set(object, output);
          return Verdict.Forward;
        },
        presented: call => this.#presented(call),
      },
    },
  };

  #presented({
    relay,
    object,
    args,
  }: Call<'wp_presentation_feedback', EventValues<'wp_presentation_feedback', 'presented'>>): Verdict {
    if (this.#superseded.has(object) || this.#clockId !== CLOCK_MONOTONIC || !this.clock.known) {
      // The compositor tells the time of the frame in its place. And a time that nobody here can read is worse than none.
      relay.emitEvent(object, 'discarded', {});
      return Verdict.Drop;
    }
    const flags = args.flags & NOT_ZERO_COPY & (this.clock.offset === 0n ? -1 : NOT_HARDWARE);
    const time = timestamp(this.clock.toOurs(fromTimestamp(args)));
    const refresh = args.refresh > 0 ? args.refresh : this.#refreshOf(object);
    relay.emitEvent(object, 'presented', { ...args, ...time, refresh, flags });
    return Verdict.Drop;
  }

  /** In nanoseconds. */
  #refreshOf(feedback: RelayObject): number {
    const output = outputs.get(feedback);
    const millihertz = output && refreshes.get(output);
    if (millihertz === undefined || millihertz <= 0) return REFRESH_UNKNOWN_NS;
    return Math.min(Math.max(Math.round(1e12 / millihertz), 1), 0xffffffff);
  }

  /** Asks for the glue's clock, unless a question is on its way. It leaves at once: pixels that are copied take time. */
  #read(): void {
    if (this.#asked !== undefined || this.#global === undefined) return;
    this.#glueClock ??= bindGlobal(this.#relay, this.#registry, this.#global.name, 'virtwl_clock_v1', 1);
    this.#serial = (this.#serial + 1) >>> 0;
    this.#readings += 1;
    this.#relay.request(this.#glueClock, 'read', { serial: this.#serial });
    this.#asked = this.#lastAsked = this.#now();
    this.#relay.flush();
  }
}
