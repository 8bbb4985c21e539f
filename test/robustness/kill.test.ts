/**
 * kill -9 of any process of the stack, at a moment that chance decides, with frames going. After each: what ended is what
 * docs/failures.md says, and nothing else; what was killed is started again; a new client of either kind is served, pixel
 * for pixel; and every process that there is holds what one of its role held before the first kill.
 *
 * VIRTWL_KILLS says how many; with 21 each process has had its turn. FUZZ_SEED says which order and which moments.
 */
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Random } from '../wayland/random.js';
import { House, until, VICTIMS, type Holdings } from './house.js';
import { isAlive } from './process-holdings.js';

/** What a kill ends, of two clients that draw: docs/failures.md in a table. Of all other parts it ends neither. */
const ENDS: Readonly<Record<string, readonly string[]>> = {
  compositor: ['direct', 'copied'],
  proxy: ['copied'],
  direct: ['direct'],
  copied: ['copied'],
};

/** Long enough to still be at it, and not on their way out, when the kill comes. */
const FRAMES = 120;
const KILLS = Number(process.env.VIRTWL_KILLS ?? 12);
const SEED = Number(process.env.FUZZ_SEED ?? 9);
t.setTimeout(60_000 + KILLS * 60_000);
t.test(`${KILLS} kills (FUZZ_SEED=${SEED})`, async t => {
  const random = new Random(SEED);
  const house = new House();
  t.teardown(() => house.stop());
  await house.start();
  await house.served(t, 'before the first kill');
  await house.settle();
  const baseline = house.holdings();
  const files = house.files();
  t.match(
    Object.keys(baseline),
    VICTIMS.filter(([part]) => part !== 'direct' && part !== 'copied').map(victim => victim.join(': ')),
  );

  let deck: typeof VICTIMS = [];
  for (let kill = 1; kill <= KILLS; kill++) {
    if (deck.length === 0) deck = shuffled(VICTIMS, random);
    const [victim, ...rest] = deck as [readonly [string, string], ...typeof VICTIMS];
    deck = rest;
    const steady = random.below(2) === 0;
    const delay = steady ? random.below(300) : random.below(1500);
    const name = `kill ${kill}: ${victim.join(': ')}, ${steady ? 'both clients drawing' : `${delay} ms after they started`}`;
    await t.test(name, t => oneKill(t, house, victim, steady, delay, baseline, files));
    // Without service there is nothing more to learn.
    if (!t.passing()) return;
  }
});

async function oneKill(
  t: Test,
  house: House,
  [part, process]: readonly [string, string],
  steady: boolean,
  delay: number,
  baseline: Holdings,
  files: readonly string[],
): Promise<void> {
  // Long enough to still be at it when the kill comes; the moment decides how far they are.
  const clients = { direct: house.frames('direct', FRAMES), copied: house.frames('copied', FRAMES) };
  try {
    if (steady) await house.drawing([clients.direct, clients.copied]);
    await pause(delay);
    const early = Object.values(clients).some(({ child }) => child.exitCode !== null);
    const pid = part in clients ? clients[part as keyof typeof clients].child.pid : house.pid(part, process);
    if (pid === undefined) throw new Error(`no ${process} in ${part}`);
    const tree = part in clients ? [pid] : house.tree(part);
    globalThis.process.kill(pid, 'SIGKILL');
    await until('everything of the part has ended', () => !tree.some(isAlive));
    t.pass('the rest of the part goes with it');
    if (!(part in clients)) await house.restart(part);

    const ends = ENDS[part] ?? [];
    for (const [name, client] of Object.entries(clients)) {
      const { status, errors } = await client.ended;
      if (name === part) t.equal(status, 'SIGKILL', `${name}: was killed`);
      else if (steady && !early && !ends.includes(name))
        t.equal(status, 0, `${name}: goes on, and every pixel is right`, { errors });
      else if (steady && !early) t.equal(status, 1, `${name}: ends, and says so`, { errors });
      else t.ok(status === 0 || status === 1, `${name}: ends well or says why not`, { status, errors });
      if (status === 1) t.match(errors, /\S/, `${name}: gives a reason`);
    }
  } finally {
    for (const { child } of Object.values(clients)) child.kill('SIGKILL');
  }
  await house.served(t, 'afterwards');
  await house.settle(baseline);
  t.same(house.holdings(), baseline, 'everybody holds what they held before');
  t.same(house.files(), files, 'no file is left behind');
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const rest = [...items];
  return items.map(() => rest.splice(random.below(rest.length), 1)[0] as T);
}
