/** When a frame was shown, by the clock of the application's VM. */
import t, { type Test } from 'tap';
import { FIRST_READINGS, REFRESH_UNKNOWN_NS } from '../../src/client/presentation.js';
import { fromTimestamp, timestamp } from '../../src/wayland/timestamp.js';
import { settle } from '../relay/peer.js';
import { connectApp, LINK_GLOBALS, type AppAndLink } from './app-and-link.js';

const SECOND = 1_000_000_000n;
const MONOTONIC = 1;
const GLOBALS = [...LINK_GLOBALS, ['virtwl_clock_v1', 1], ['wp_presentation', 2]] as const;
const PRESENTATION = GLOBALS.length;
const OUTPUT = GLOBALS.findIndex(([name]) => name === 'wl_output') + 1;
const [VSYNC, HW_CLOCK, HW_COMPLETION, ZERO_COPY] = [1, 2, 4, 8];

interface Scene extends AppAndLink {
  readonly presentation: number;
  readonly surface: number;
  /** Asks for the time of a frame: the application's object, and the compositor's. */
  feedback(): Promise<{ ours: number; theirs: number }>;
  /** The compositor has shown it. */
  present(theirs: number, time: bigint, refresh?: number, flags?: number): Promise<void>;
}

/** An application with the protocol, at a compositor whose clock is `skew` nanoseconds away. */
async function scene(t: Test, skew: bigint, clockId = MONOTONIC): Promise<Scene> {
  const c = await connectApp(t, { globals: GLOBALS });
  t.teardown(() => {
    c.app.close();
    c.far.close();
  });
  const { peer } = c.far;
  const answer = peer.answer;
  peer.answer = received => {
    answer(received);
    if (received.name === 'virtwl_clock_v1.read') {
      const { tv_sec_hi, tv_sec_lo, tv_nsec } = timestamp(process.hrtime.bigint() + skew);
      peer.say(received.id, 'time', [received.args[0], tv_sec_hi, tv_sec_lo, tv_nsec]);
    }
    const bound =
      received.name === 'wl_registry.bind' ? (received.args[1] as { id: number; interface: string }) : undefined;
    if (bound?.interface === 'wp_presentation') peer.say(bound.id, 'clock_id', [clockId]);
  };
  const presentation = c.app.bind(c.registry, PRESENTATION, 'wp_presentation', 2);
  const surface = c.app.make(c.factory, 'create_surface');
  return {
    ...c,
    presentation,
    surface,
    feedback: async () => {
      const ours = c.app.make(presentation, 'feedback', [surface, 'new']);
      await settle();
      return { ours, theirs: peer.last('wp_presentation.feedback').args[1] as number };
    },
    present: async (theirs, time, refresh = 16_000_000, flags = VSYNC) => {
      const { tv_sec_hi, tv_sec_lo, tv_nsec } = timestamp(time);
      peer.say(theirs, 'presented', [tv_sec_hi, tv_sec_lo, tv_nsec, refresh, 3, 4, flags]);
      peer.say(1, 'delete_id', [theirs]);
      await settle();
    },
  };
}

function presented(c: Scene): { time: bigint; refresh: number; seq: number[]; flags: number } {
  const [hi, lo, nsec, refresh, seqHi, seqLo, flags] = c.app.last('wp_presentation_feedback.presented')
    .args as number[];
  return {
    time: fromTimestamp({ tv_sec_hi: hi!, tv_sec_lo: lo!, tv_nsec: nsec! }),
    refresh: refresh!,
    seq: [seqHi!, seqLo!],
    flags: flags!,
  };
}

for (const [what, skew] of [
  ['a compositor VM that has run for longer', 90_000n * SECOND],
  ['one that was started an hour after it', 3600n * SECOND],
] as const) {
  t.test(`a frame's time is by the clock of the application's VM: ${what}`, async t => {
    const began = process.hrtime.bigint();
    const c = await scene(t, skew);
    const { ours, theirs } = await c.feedback();
    const shown = process.hrtime.bigint();
    await c.present(theirs, shown + skew);
    const { time, refresh, seq, flags } = presented(c);
    const told = c.connection.clockErrorNs!;
    // The offset is wrong by half of a reading's way there and back at the most, and all readings were in here.
    const most = (process.hrtime.bigint() - began) / 2n;
    const wrong = time > shown ? time - shown : shown - time;
    t.ok(wrong <= most, `${wrong} ns of ${most}`);
    t.ok(wrong <= told && told <= Number(most) * 1.01, `${wrong} ns of ${told} that are told, and of ${most}`);
    t.same([refresh, seq, flags], [16_000_000, [3, 4], VSYNC]);
    t.equal(c.app.last('wp_presentation.clock_id').args[0], MONOTONIC);
    t.equal(c.app.last('wp_presentation_feedback.presented').id, ours);
    t.same(c.far.peer.faults, []);
    t.same(c.ends, []);
  });
}

t.test('a time that nobody can read is not told: the frame counts as discarded', async t => {
  const c = await scene(t, 0n, 4);
  const { ours, theirs } = await c.feedback();
  await c.present(theirs, SECOND);
  t.equal(c.app.last('wp_presentation_feedback.discarded').id, ours);
  t.same(c.app.all('wp_presentation_feedback.presented'), []);
  t.equal(c.app.last('wp_presentation.clock_id').args[0], MONOTONIC, 'the clock of other frames stays what it was');
});

t.test('nothing is said of a frame that was copied and is not so', async t => {
  const all = VSYNC | HW_CLOCK | HW_COMPLETION | ZERO_COPY;
  const same = await scene(t, 0n);
  await same.present((await same.feedback()).theirs, process.hrtime.bigint(), 1, all);
  t.equal(presented(same).flags, VSYNC | HW_CLOCK | HW_COMPLETION, 'it is no copy-free one');
  const other = await scene(t, 500n * SECOND);
  await other.present((await other.feedback()).theirs, process.hrtime.bigint(), 1, all);
  t.equal(presented(other).flags, VSYNC | HW_COMPLETION, 'nor is a clock that was translated the hardware’s');
});

t.test('a refresh of 0 is never told', async t => {
  const c = await scene(t, 0n);
  const { peer } = c.far;
  await c.present((await c.feedback()).theirs, SECOND, 0);
  t.equal(presented(c).refresh, REFRESH_UNKNOWN_NS, 'without an output: 60 Hz');

  c.app.bind(c.registry, OUTPUT, 'wl_output', 4);
  await settle();
  const bind = peer.all('wl_registry.bind').at(-1)!.args[1] as { id: number };
  const frame = async (): Promise<number> => {
    const { theirs } = await c.feedback();
    peer.say(theirs, 'sync_output', [bind.id]);
    await c.present(theirs, SECOND, 0);
    return presented(c).refresh;
  };
  t.equal(await frame(), REFRESH_UNKNOWN_NS, 'an output without a mode');
  peer.say(bind.id, 'mode', [1, 1920, 1080, 144_000]);
  peer.say(bind.id, 'mode', [2, 1920, 1080, 30_000]);
  t.equal(await frame(), 6_944_444, 'the mode that is current');
  peer.say(bind.id, 'mode', [3, 1920, 1080, 0]);
  t.equal(await frame(), REFRESH_UNKNOWN_NS, 'labwc’s headless output, whose mode says 0 too');
  for (const millihertz of [1, 0x7fffffff]) {
    peer.say(bind.id, 'mode', [1, 1920, 1080, millihertz]);
    t.ok((await frame()) > 0);
  }
});

t.test('the clock is read a few times at first, and then not with each frame', async t => {
  const c = await scene(t, 0n);
  for (let i = 0; i < 3 * FIRST_READINGS; i++) await c.present((await c.feedback()).theirs, SECOND);
  const reads = c.far.peer.all('virtwl_clock_v1.read').length;
  t.ok(reads >= FIRST_READINGS && reads < 3 * FIRST_READINGS, `${reads} readings`);
  const names = c.far.peer.received.map(({ name }) => name);
  t.ok(names.indexOf('virtwl_clock_v1.read') < names.indexOf('wp_presentation.feedback'), 'the first before any frame');
});

t.test('a clock that is not asked for is not believed', async t => {
  const c = await scene(t, 0n);
  await c.present((await c.feedback()).theirs, SECOND);
  const { id } = c.far.peer.last('virtwl_clock_v1.read');
  c.far.peer.say(id, 'time', [12345, 0, 99, 0]);
  await c.present((await c.feedback()).theirs, SECOND);
  t.equal(presented(c).time, SECOND);
});

t.test('without a clock at the other end there is no such protocol', async t => {
  const c = await connectApp(t, { globals: [...LINK_GLOBALS, ['wp_presentation', 2]] });
  t.teardown(() => {
    c.app.close();
    c.far.close();
  });
  await settle();
  t.notOk(c.app.all('wl_registry.global').some(({ args }) => args[1] === 'wp_presentation'));
});
