/** What a person reads of a report: whose word it is, and nothing that could be taken for a line of ours. */
import t from 'tap';
import { wordsOf } from '../../src/cli/status-words.js';

const now = (): string => new Date().toISOString();

t.test('a process that waits, and one that is frozen', t => {
  const state = { is: 'waiting', for: 'broker', since: now(), text: 'start "virtwl broker"' } as const;
  t.match(wordsOf({ role: 'run', pid: 7, since: now(), state }), [
    /^virtwl run, process 7: waiting for the broker, \d+ s so far: start "virtwl broker", up for \d+ s$/,
  ]);
  const [frozen] = wordsOf({ role: 'host', pid: 7, silent: 'no answer', state: { is: 'frozen' } });
  t.equal(frozen, 'virtwl host, process 7: frozen: no answer');
  t.end();
});

t.test('programs of this VM', t => {
  const lines = wordsOf({
    ...{
      role: 'run',
      pid: 7,
      state: { is: 'served' },
      framesPerSecond: 59.9,
      latency: { p50: 2, p99: 9.5, frames: 10 },
    },
    programs: [
      {
        ...{
          client: 1,
          pid: 12,
          program: 'fo"o\u001b[2J',
          since: now(),
          state: { is: 'served' },
          windows: 2,
          frames: 3,
        },
        ...{ framesPerSecond: 59.9, bytesCopied: 2048, bytesNotCopied: 4096 },
      },
    ],
    lastError: { time: now(), level: 'warning', text: 'a\nb', vm: 'work' },
  });
  t.match(lines, [
    'virtwl run, process 7: served',
    '59.9 frames/s, commit to release 2 ms, of 99 in 100 up to 9.5 ms',
    'client 1 "fo"o\\u001b[2J", process 12: served, 2 windows, 59.9 frames/s, 2K copied, 4K not',
    /^last warning, about VM "work", \d+ s ago: a\\u000ab$/,
  ]);
  t.end();
});

t.test('clients of another VM: what they say is their word, and cannot end the quotes or the line', t => {
  const lines = wordsOf({
    ...{ role: 'compositor', pid: 7, state: { is: 'served' } },
    clientVms: [
      {
        ...{ vm: 'work', state: { is: 'served' }, clientCount: 2, frames: 9, framesPerSecond: 1 },
        latency: { p50: 1, p99: 2.5, frames: 9 },
        memory: { bytes: 1024, share: 2048, slabs: 1 },
        clients: [
          {
            ...{ client: 1, since: now(), windows: 1, frames: 9, framesPerSecond: 1 },
            says: { appId: 'foot', title: 'x"\nVM "desk": served' },
          },
        ],
        denials: [{ setting: 'clients', policy: '/p/work.policy:3', count: 2, last: now(), text: 'turned away' }],
      },
    ],
  });
  t.match(lines, [
    'virtwl compositor, process 7: served',
    'VM "work": served, 2 clients, 1K of 2K in 1 slab, 1 frames/s, commit to release 1 ms, of 99 in 100 up to 2.5 ms',
    '    client 1: 1 window, 1 frames/s, says app id "foot", title "x\\"\\\\u000aVM \\"desk\\": served"',
    '    and 1 client more',
    /^ {4}denied by "clients" \(\/p\/work\.policy:3\), 2 times, the last \d+ s ago: turned away$/,
  ]);
  t.end();
});
