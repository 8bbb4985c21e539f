/** What one VM may take of the compositor, without one: the questions of its relays are answered when a test says so. */
import t from 'tap';
import { paceConcern } from '../../src/firewall/connection-pace.js';
import {
  ALONE,
  SLICE,
  DEAF_MS,
  LATE_MS,
  MAX_PAUSE_MS,
  MIN_WINDOW,
  MOST_FOR_COST_MS,
  OWN_QUESTION,
  QUIET_MS,
  Sharers,
  VM_BURST_MS,
  VM_SHARE,
  VM_WINDOW,
  VmPace,
} from '../../src/firewall/pace.js';
import type { RelayObject } from '../../src/relay/object-map.js';
import type { Relay } from '../../src/relay/relay.js';
import { messageNamed } from '../../src/wayland/interface.js';
import { interfaces } from '../../src/wayland/protocols/index.js';

const SHELL = interfaces.get('xdg_wm_base')!;
/** Costs 1. */
const PONG = messageNamed(SHELL.requests, 'pong')!;
const SYNC = messageNamed(interfaces.get('wl_display')!.requests, 'sync')!;
const OBJECT = { interface: SHELL } as RelayObject;

/** A time that stands still between two steps of a test. */
class Clock {
  #now = 0;
  #due: { at: number; act: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, act: () => void): void {
    this.#due.push({ at: this.#now + milliseconds, act });
  }

  #soon: (() => void)[] = [];

  soon(act: () => void): void {
    this.#soon.push(act);
  }

  /** Nobody else has said anything. */
  turn(): void {
    for (let act = this.#soon.shift(); act !== undefined; act = this.#soon.shift()) act();
  }

  pass(milliseconds: number): void {
    this.#now += milliseconds;
    const due = this.#due.filter(({ at }) => at <= this.#now);
    this.#due = this.#due.filter(({ at }) => at > this.#now);
    for (const { act } of due) act();
    this.turn();
  }
}

/** A VM whose connections have requests without end, and a compositor that has got nowhere yet. */
function vm(clock = new Clock(), sharers = new Sharers(clock), share = VM_SHARE) {
  const pace = new VmPace(share, VM_WINDOW);
  const questions: (() => void)[] = [];
  /** Which connection each request was of that went on. */
  const passed: number[] = [];
  let connected = 0;
  /** A connection with so many requests to say. */
  const connect = (most = Infinity) => {
    const number = connected++;
    const connection = pace.connect(sharers);
    let left = most;
    let closed = false;
    const toClient = { backedUp: false };
    /** The client's own questions that are to answer ours. */
    const asked: (() => void)[] = [];
    const flood = (): void => {
      for (; left > 0 && connection.admit(); left--) {
        passed.push(number);
        connection.passed(OBJECT, PONG);
      }
      clock.turn();
    };
    const relay = {
      closed: false,
      toClient,
      sync: (answered: () => void) => void questions.push(() => (closed ? undefined : answered())),
      asks: (_callback: RelayObject, answered: () => void) => void asked.push(answered),
      flush: () => undefined,
      resume: flood,
    } as unknown as Relay;
    connection.attach(relay);
    return {
      flood,
      asked,
      /** The client says `wl_display.sync`. */
      asks: (serverId = 1) =>
        paceConcern.made!.wl_callback!({ serverId } as RelayObject<'wl_callback'>, { relay, message: SYNC } as never),
      /** That was answered. */
      answered: (serverId: number) => connection.answered(serverId),
      charge: (cost: number, own = 0) => connection.charge(cost, own),
      /** Its client reads nothing: no answer is read for it either. */
      deafen: () => void ((toClient.backedUp = true), (closed = true)),
      say: (more: number) => void (left += more),
      close: () => {
        closed = true;
        connection.close();
      },
    };
  };
  /** The compositor gets as far as it was told up to now. */
  const answer = (): void => {
    for (const answered of questions.splice(0)) answered();
  };
  return { pace, clock, questions, passed, connect, answer };
}

/** A VM as above, and one beside it that says something now and then. */
function shared(share = VM_SHARE, clock = new Clock()) {
  const sharers = new Sharers(clock);
  const quiet = vm(clock, sharers);
  const one = quiet.connect(0);
  const speak = (): void => {
    one.say(1);
    one.flood();
    quiet.answer();
  };
  speak();
  return { ...vm(clock, sharers, share), speak };
}

/** A VM as above, and one beside it that says nothing. */
function beside() {
  const clock = new Clock();
  const sharers = new Sharers(clock);
  vm(clock, sharers).connect(0);
  return vm(clock, sharers);
}

for (const alone of [true, false]) {
  t.test(
    `however many connections a VM has, they have one bound together${alone ? ', larger when alone' : ''}`,
    async t => {
      for (const count of [1, 8, 30, 256]) {
        const { pace, passed, connect, answer } = alone ? vm() : shared();
        const bound = alone ? Math.max(ALONE * VM_WINDOW, MIN_WINDOW * count) : VM_WINDOW;
        const connections = Array.from({ length: count }, () => connect());
        for (const { flood } of connections) flood();
        t.equal(passed.length, VM_WINDOW, `${count} connections, before the first answer`);
        let before = passed.length;
        let most = 0;
        for (let i = 0; i < 10; i++) {
          answer();
          most = Math.max(most, pace.ahead);
          t.ok(passed.length - before <= bound);
          before = passed.length;
        }
        t.equal(most, bound);
        t.ok(passed.length >= 8 * bound, 'and go on as the compositor does');
      }
    },
  );
}

t.test('of many connections each asks by its own question what little it owes', async t => {
  const { pace, questions, connect, answer } = beside();
  const first = connect(VM_WINDOW);
  first.flood();
  answer();
  t.equal(pace.ahead, 0);
  const all = Array.from({ length: 50 }, () => connect(8));
  for (const { flood, asks } of all) {
    flood();
    asks();
  }
  const own = all.reduce((sum, { asked }) => sum + asked.length, 0);
  t.equal(own, 50 - (ALONE * VM_WINDOW) / 4 / 8 + 1, 'from a quarter of what may be under way on');
  t.equal(questions.length, 0);
  for (const { asked } of all) for (const answered of asked) answered();
  t.equal(pace.ahead, 8 * (50 - own));
});

t.test(
  'where all owe much, the question of one that owes half a turn is taken, and of one that owes less none',
  async t => {
    const most = ALONE * VM_WINDOW;
    for (const [others, owes, taken] of [
      [most / 4, OWN_QUESTION - 1, 0],
      [most / 4, OWN_QUESTION, 1],
      [most / 4 - 2 * OWN_QUESTION, OWN_QUESTION, 0],
      // Most of what may be under way is: whoever asks makes room.
      [(most * 3) / 4, 1, 1],
    ] as const) {
      const { connect, answer } = beside();
      connect(VM_WINDOW).flood();
      answer();
      for (let i = 0; i < others / OWN_QUESTION; i++) connect(OWN_QUESTION).flood();
      const { flood, asks, asked } = connect(owes);
      flood();
      asks();
      t.equal(asked.length, taken, `${owes}, where all owe ${others + owes} of ${most}`);
    }
  },
);

t.test('a frame that has begun goes on as a whole, and no more than that', async t => {
  for (const [said, passes] of [
    [8, 8],
    [100, MIN_WINDOW],
  ] as const) {
    const { passed, connect } = vm();
    connect(VM_WINDOW - 1).flood();
    const framed = connect(said);
    framed.flood();
    const count = (): number => passed.filter(number => number === 1).length;
    t.equal(count(), passes, `${said} requests, where there is room for one`);
    const third = connect(1);
    third.flood();
    t.notOk(passed.includes(2), 'the next has none');
    framed.say(1);
    framed.flood();
    t.equal(count(), passes, 'and its turn is over with that');
  }
});

t.test('each of its connections has its turn', async t => {
  const { passed, connect, answer } = vm();
  for (const { flood } of Array.from({ length: 8 }, () => connect())) flood();
  for (let i = 0; i < 32; i++) answer();
  t.equal(new Set(passed).size, 8);
});

t.test('late answers make less be under way, but a frame, and prompt ones more', async t => {
  const { pace, clock, connect, answer, speak } = shared();
  const { flood } = connect();
  flood();
  t.equal(pace.window, VM_WINDOW);
  clock.pass(LATE_MS);
  answer();
  t.equal(pace.window, VM_WINDOW, 'in time');
  for (let i = 0; i < 10; i++) {
    clock.pass(LATE_MS * 1.5);
    answer();
    clock.pass(100);
  }
  t.equal(pace.window, MIN_WINDOW);
  t.ok(pace.ahead <= MIN_WINDOW);
  for (let i = 0; i < 100; i++) {
    speak();
    answer();
  }
  t.equal(pace.window, VM_WINDOW);
});

t.test('who keeps the compositor at work pauses, and nobody else does', async t => {
  const clock = new Clock();
  const sharers = new Sharers(clock);
  const [hostile, other] = [vm(clock, sharers), vm(clock, sharers)];
  const [flooding, asking] = [hostile.connect(), other.connect(0)];
  asking.say(1);
  asking.flood();
  flooding.flood();
  let worked = 0;
  for (; !hostile.pace.rests && worked < 1000; worked += 1) {
    clock.pass(1);
    hostile.answer();
  }
  t.ok(worked >= VM_BURST_MS, `${worked} ms, a program that starts is let be`);
  t.ok(worked <= VM_BURST_MS / (1 - VM_SHARE) + 5, `${worked} ms and no more`);
  const before = hostile.passed.length;
  hostile.answer();
  flooding.flood();
  t.equal(hostile.passed.length, before, 'it pauses, though the compositor has got there');
  asking.say(VM_WINDOW);
  asking.flood();
  t.equal(other.passed.length, VM_WINDOW);
  clock.pass(100);
  t.ok(hostile.passed.length > before, 'and goes on later');
});

for (const share of [VM_SHARE, 1 / 2]) {
  t.test(`over a long time it has its share of the compositor: ${share}`, async t => {
    const { pace, clock, connect, questions, answer, speak } = shared(share);
    connect().flood();
    let worked = 0;
    while (clock.now() < 1000) {
      // What is under way takes a millisecond.
      if (questions.length > 0) worked += 1;
      const under = questions.length;
      speak();
      clock.pass(1);
      if (under > 0) answer();
    }
    t.ok(worked < 1000 * share * 1.3 + VM_BURST_MS, `${worked} of 1000 ms`);
    t.ok(worked > 1000 * share * 0.7, `${worked} of 1000 ms`);
    t.ok(pace.ahead <= VM_WINDOW);
  });
}

t.test('a VM whose share is all of it never pauses', async t => {
  const { pace, clock, connect, answer, speak } = shared(1);
  connect().flood();
  let pauses = 0;
  for (let i = 0; i < 1000; i++) {
    speak();
    clock.pass(1);
    answer();
    if (pace.rests) pauses += 1;
  }
  t.equal(pauses, 0);
});

t.test('no pause is longer than that, however long the compositor stood still', async t => {
  const { pace, clock, passed, connect, answer, speak } = shared();
  const { charge, flood } = connect();
  charge(1000 / MOST_FOR_COST_MS);
  clock.pass(1000);
  answer();
  speak();
  flood();
  t.ok(pace.rests);
  clock.pass(MAX_PAUSE_MS - 1);
  t.equal(passed.length, 0);
  clock.pass(1);
  t.ok(passed.length > 0);
});

t.test('a program that draws frames is never made to pause, however late the compositor is', async t => {
  const { pace, clock, passed, connect, answer, speak } = shared();
  const { flood, say } = connect(0);
  let pauses = 0;
  for (let i = 0; i < 1000; i++) {
    speak();
    say(8);
    flood();
    clock.pass(10);
    answer();
    clock.pass(6);
    if (pace.rests) pauses += 1;
  }
  t.equal(pauses, 0);
  t.equal(passed.length, 8000);
});

t.test('who is alone has the compositor, until somebody else says something', async t => {
  const { pace, clock, connect, answer, speak } = shared();
  connect().flood();
  let pauses = 0;
  const work = (): void => {
    clock.pass(1);
    answer();
    if (pace.rests) pauses += 1;
  };
  // What the other has said is forgotten.
  while (clock.now() < 2 * QUIET_MS) work();
  pauses = 0;
  for (let i = 0; i < 100; i++) work();
  t.equal(pauses, 0);
  speak();
  for (let i = 0; i < 100; i++) work();
  t.ok(pauses > 0);
});

t.test('an answer that waited for the work of others is not held against who asked', async t => {
  const { pace, clock, connect, answer } = shared();
  const { flood, say } = connect(0);
  let pauses = 0;
  for (let i = 0; i < 100; i++) {
    // Less than a share of the time, at what a request may take at most.
    say(Math.floor((100 * VM_SHARE) / MOST_FOR_COST_MS / 8));
    flood();
    for (let j = 0; j < 10; j++) {
      clock.pass(10);
      answer();
      if (pace.rests) pauses += 1;
    }
  }
  t.equal(pauses, 0);
});

t.test('a client that does not read holds up no other of its VM', async t => {
  const { pace, clock, passed, connect, answer } = vm();
  const deaf = connect();
  const other = connect();
  deaf.flood();
  deaf.deafen();
  other.flood();
  answer();
  t.notOk(passed.includes(1));
  clock.pass(DEAF_MS - 1);
  t.notOk(passed.includes(1), 'it is waited for its client so long');
  clock.pass(1);
  t.equal(passed.filter(number => number === 1).length, VM_WINDOW);
  t.ok(pace.ahead <= 2 * VM_WINDOW);
  other.close();
  deaf.close();
  t.equal(pace.ahead, 0);
});

t.test('what is not asked about when the room becomes small is asked about then', async t => {
  const { pace, clock, passed, connect, answer, speak } = shared();
  const [one, other] = [connect(0), connect(0)];
  one.say(MIN_WINDOW + 4);
  one.flood();
  other.charge(1000 / MOST_FOR_COST_MS);
  clock.pass(1000);
  speak();
  answer();
  for (const connection of [one, other]) {
    connection.say(1);
    connection.flood();
  }
  t.ok(pace.rests);
  // What was under way before it paused is answered late.
  while (pace.window > MIN_WINDOW) {
    other.charge(VM_WINDOW / 4);
    clock.pass(LATE_MS * 1.5);
    answer();
  }
  t.equal(pace.ahead, MIN_WINDOW + 4);
  const before = passed.length;
  for (let i = 0; i < 2; i++) {
    clock.pass(MAX_PAUSE_MS);
    answer();
  }
  t.equal(passed.length, before + 2, 'and all go on');
});

t.test("a client's own question is as good as one of ours, when it is nearly time to ask", async t => {
  const { pace, questions, connect, answer } = vm();
  const { flood, say, asks, asked } = connect(0);
  say(VM_WINDOW / 8 - 1);
  flood();
  asks();
  t.equal(asked.length, 0, 'too early');
  say(1);
  flood();
  asks();
  t.equal(asked.length, 1);
  say(VM_WINDOW / 4 - 1);
  flood();
  t.equal(questions.length, 0, 'and none of ours for now');
  asked[0]!();
  t.equal(pace.ahead, VM_WINDOW / 4 - 1);
  say((ALONE * VM_WINDOW) / 2 - VM_WINDOW / 4);
  flood();
  t.equal(questions.length, 0, 'who is alone is asked less often');
  say(1);
  flood();
  t.equal(questions.length, 1);
  answer();
  t.equal(pace.ahead, 0);
});

for (const [own, yields] of [
  [SLICE - 1, 0],
  [SLICE, 1],
] as const) {
  t.test(
    `others are looked at ${yields === 0 ? 'not before' : 'when'} it has taken ${own} of our own time`,
    async t => {
      const { clock, connect, passed } = shared();
      const { say, flood, charge } = connect(0);
      // A turn that is over: what has begun is not cut.
      say(MIN_WINDOW);
      flood();
      const soon = clock.soon.bind(clock);
      let yielded = 0;
      clock.soon = act => {
        yielded += 1;
        soon(act);
      };
      const before = passed.length;
      charge(0, own - MIN_WINDOW);
      say(1);
      flood();
      t.equal(yielded, yields);
      t.equal(passed.length, before + 1, 'and it goes on after that');
    },
  );
}

t.test('a connection that is gone owes nothing', async t => {
  const { pace, clock, passed, connect, answer } = vm();
  const [one, two] = [connect(), connect()];
  one.flood();
  two.flood();
  t.equal(pace.ahead, VM_WINDOW);
  one.close();
  t.ok(pace.ahead <= ALONE * VM_WINDOW);
  t.ok(passed.includes(1), 'the other goes on');
  two.close();
  t.equal(pace.ahead, 0);
  clock.pass(1000);
  answer();
});

t.test('who pauses while late answers make less be under way goes on afterwards', async t => {
  const { pace, clock, passed, connect, answer } = shared();
  const [one, other] = [connect(96), connect(0)];
  one.flood();
  // Too little to ask about for now, and a debt.
  other.charge(31, 100_000);
  one.say(10);
  one.flood();
  t.equal(passed.length, 96);
  t.ok(pace.rests);
  clock.pass(LATE_MS * 1.5);
  answer();
  t.equal(pace.window, MIN_WINDOW);
  t.equal(pace.ahead, 31, 'over the window, and nothing is asked');
  clock.pass(QUIET_MS / 2);
  t.notOk(pace.rests);
  answer();
  t.equal(passed.length, 106);
});

t.test('where no other VM is there, an answer to a client settles what was owed when it asked', async t => {
  for (const [scene, ahead] of [
    [vm, [12, 4, 4, 0]],
    [beside, [12, 12, 12, 12]],
  ] as const) {
    const { pace, questions, connect } = scene();
    const { say, flood, asks, answered, asked } = connect(0);
    const seen: number[] = [];
    say(8);
    flood();
    asks(7);
    say(4);
    flood();
    asks(8);
    seen.push(pace.ahead);
    answered(7);
    seen.push(pace.ahead);
    answered(7);
    // It was asked while another was on its way.
    answered(8);
    seen.push(pace.ahead);
    asks(9);
    answered(9);
    seen.push(pace.ahead);
    t.same(seen, ahead);
    t.equal(asked.length + questions.length, 0);
  }
});

t.test('what waits goes on when it is settled', async t => {
  const { pace, passed, connect } = vm();
  const one = connect(10);
  one.flood();
  one.asks(7);
  // Asked about at once: so little is left that nobody else is asked.
  connect(0).charge(100);
  connect().flood();
  t.equal(pace.ahead, VM_WINDOW);
  const before = passed.length;
  one.answered(7);
  t.equal(passed.length, before + 10);
  t.equal(pace.ahead, VM_WINDOW);
});

t.test('what was asked about, or forgiven, is not settled as well', async t => {
  const { pace, connect, answer } = vm();
  const { say, flood, asks, answered, close } = connect(0);
  say(8);
  flood();
  asks(7);
  say(VM_WINDOW / 4 - 8);
  flood();
  answered(7);
  t.equal(pace.ahead, VM_WINDOW / 4, 'a question of ours is on its way');
  answer();
  t.equal(pace.ahead, 0);
  say(8);
  flood();
  asks(9);
  close();
  answered(9);
  t.equal(pace.ahead, 0);
});

t.test('the only VM is the one that is left', async t => {
  const clock = new Clock();
  const sharers = new Sharers(clock);
  const [one, other] = [vm(clock, sharers), vm(clock, sharers)];
  one.connect(0);
  t.equal(one.pace.only, true);
  const theirs = other.connect(0);
  t.same([one.pace.only, other.pace.only], [false, false]);
  theirs.close();
  t.equal(one.pace.only, true);
});
