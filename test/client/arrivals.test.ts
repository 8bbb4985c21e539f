/** Programs that start all at once: each has its link when the broker can let it wait. */
import t, { type Test } from 'tap';
import { ARRIVAL_MS, Arrivals, MAX_ARRIVING } from '../../src/client/arrivals.js';
import { DEFAULT_MAX_WAITING_PER_VM } from '../../src/broker/waiting-clients.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';

interface Link {
  readonly number: number;
}

interface Crowd {
  readonly arrivals: Arrivals<Link>;
  /** Those that were opened, in order. */
  readonly links: Link[];
}

/** So many programs have connected; `fails` tells of whom that no link can be made for it. */
async function withCrowd(
  t: Test,
  count: number,
  body: (crowd: Crowd) => void | Promise<void>,
  fails: (number: number) => boolean = () => false,
): Promise<void> {
  const held = new Holdings();
  const links: Link[] = [];
  const arrivals = new Arrivals<Link>((app, number) => {
    app.close();
    if (fails(number)) return undefined;
    links.push({ number });
    return links.at(-1);
  });
  const theirs: UnixSocket[] = [];
  for (let number = 1; number <= count; number++) {
    const [ours, their] = UnixSocket.pair();
    theirs.push(their);
    arrivals.add(ours, number);
  }
  await body({ arrivals, links });
  arrivals.close();
  for (const their of theirs) their.close();
  await held.assertSame(t);
}

t.test('as many as may be on their way have a link at once, and one more waits', async t => {
  t.ok(MAX_ARRIVING < DEFAULT_MAX_WAITING_PER_VM, 'fewer than the broker would turn away');
  await withCrowd(t, MAX_ARRIVING, ({ arrivals, links }) => {
    t.equal(links.length, MAX_ARRIVING);
    t.equal(arrivals.waiting, 0);
  });
  await withCrowd(t, MAX_ARRIVING + 1, ({ arrivals, links }) => {
    t.equal(links.length, MAX_ARRIVING);
    t.equal(arrivals.waiting, 1);
  });
});

t.test('one that is answered has arrived, and so have all before it', async t => {
  await withCrowd(t, MAX_ARRIVING + 20, ({ arrivals, links }) => {
    arrivals.answered(links[9]!);
    t.equal(links.length, MAX_ARRIVING + 10);
    t.same(
      links.map(({ number }) => number),
      links.map((_, n) => n + 1),
      'in the order in which they came',
    );
    arrivals.answered(links[3]!);
    t.equal(links.length, MAX_ARRIVING + 10, 'that one had arrived');
  });
});

t.test('one that leaves makes room for one, and so does one that could not be connected', async t => {
  const second = (number: number): boolean => number === 2;
  await withCrowd(
    t,
    MAX_ARRIVING + 5,
    ({ arrivals, links }) => {
      t.equal(links.length, MAX_ARRIVING, 'without the second');
      arrivals.ended(links[30]!);
      t.equal(links.length, MAX_ARRIVING + 1);
      arrivals.ended(links[30]!);
      t.equal(links.length, MAX_ARRIVING + 1, 'once');
    },
    second,
  );
});

t.test('where nobody is answered, the others do not wait for ever', async t => {
  t.ok(ARRIVAL_MS > 0);
  await withCrowd(t, MAX_ARRIVING + 2, async ({ links }) => {
    await eventually('all have a link', () => links.length === MAX_ARRIVING + 2);
  });
});
