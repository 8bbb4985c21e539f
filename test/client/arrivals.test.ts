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

/** So many programs that have connected, and the links that were opened for them. */
function arrived(t: Test, count: number, fails: (number: number) => boolean = () => false) {
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
  t.teardown(async () => {
    arrivals.close();
    for (const their of theirs) their.close();
    await held.assertSame(t);
  });
  return { arrivals, links };
}

t.test('as many as may be on their way have a link at once, and one more waits', t => {
  t.ok(MAX_ARRIVING < DEFAULT_MAX_WAITING_PER_VM, 'fewer than the broker would turn away');
  const { arrivals, links } = arrived(t, MAX_ARRIVING);
  t.equal(links.length, MAX_ARRIVING);
  t.equal(arrivals.waiting, 0);
  const more = arrived(t, MAX_ARRIVING + 1);
  t.equal(more.links.length, MAX_ARRIVING);
  t.equal(more.arrivals.waiting, 1);
  t.end();
});

t.test('one that is answered has arrived, and so have all before it', t => {
  const { arrivals, links } = arrived(t, MAX_ARRIVING + 20);
  arrivals.answered(links[9]!);
  t.equal(links.length, MAX_ARRIVING + 10);
  t.same(
    links.map(({ number }) => number),
    links.map((_, n) => n + 1),
    'in the order in which they came',
  );
  arrivals.answered(links[3]!);
  t.equal(links.length, MAX_ARRIVING + 10, 'that one had arrived');
  t.end();
});

t.test('one that leaves makes room for one, and so does one that could not be connected', t => {
  const { arrivals, links } = arrived(t, MAX_ARRIVING + 5, number => number === 2);
  t.equal(links.length, MAX_ARRIVING, 'without the second');
  arrivals.ended(links[30]!);
  t.equal(links.length, MAX_ARRIVING + 1);
  arrivals.ended(links[30]!);
  t.equal(links.length, MAX_ARRIVING + 1, 'once');
  t.end();
});

t.test('where nobody is answered, the others do not wait for ever', async t => {
  const { links } = arrived(t, MAX_ARRIVING + 2);
  t.ok(ARRIVAL_MS > 0);
  await eventually('all have a link', () => links.length === MAX_ARRIVING + 2);
});
