/** Denials are counted by VM and setting, and each kind is told once. */
import t from 'tap';
import { Denials, MAX_DENIED_VMS } from '../../compositor-glue/denials.js';
import { DEFAULT_POLICY, parsePolicy, withholdingOf } from '../../compositor-glue/policy.js';
import { MOST_TEXT } from '../../src/observe/status-report.js';

t.test('the first of each kind is told, all are counted', t => {
  const told: string[] = [];
  const denials = new Denials((vm, { setting, policy, text }) => told.push(`${vm} ${setting} ${policy} ${text}`));
  denials.add('work', 'clients', '/p/work.policy:3', 'a');
  denials.add('work', 'clients', '/p/work.policy:3', 'b');
  denials.add('work', 'memory', undefined, 'c');
  denials.add('play', 'clients', undefined, 'd');
  t.same(told, ['work clients /p/work.policy:3 a', 'work memory undefined c', 'play clients undefined d']);
  t.match(
    denials.of('work').find(({ setting }) => setting === 'clients'),
    {
      policy: '/p/work.policy:3',
      count: 2,
      text: 'b',
      last: /^\d{4}-.*Z$/,
    },
  );
  t.notOk('policy' in denials.of('play')[0]!, 'no file says it');
  t.same(denials.counts, { work: 3, play: 1 });
  t.same(denials.of('other'), []);
  t.end();
});

t.test('what is told is bounded, and fit to be printed', t => {
  const denials = new Denials(() => {});
  denials.add('work', 'clients', undefined, `\u001b[2J${'x'.repeat(MOST_TEXT)}`);
  const [{ text } = { text: '' }] = denials.of('work');
  t.match(text, /^\\u001b\[2Jx+…$/);
  t.equal(text.length, MOST_TEXT);
  t.end();
});

t.test('as many VMs as a broker serves; one more takes the place of the first', t => {
  const denials = new Denials(() => {});
  for (let i = 0; i < MAX_DENIED_VMS; i++) denials.add(`vm${i}`, 'clients', undefined, '');
  t.equal(denials.of('vm0').length, 1);
  denials.add('one-more', 'clients', undefined, '');
  t.same([denials.of('vm0').length, denials.of('vm1').length, denials.of('one-more').length], [0, 1, 1]);
  t.end();
});

t.test('a policy knows where each of its settings stands', t => {
  const base = parsePolicy('clients 3\n\ndeny zxdg_exporter_v2\ndeny wl_fixes\n', 'default.policy');
  const policy = parsePolicy(
    '# of this VM\nlimit popups 2\nallow wl_fixes\nclients 4\npointer lock no\n',
    'work.policy',
    base,
  );
  t.same([...policy.origins].sort(), [
    ['allow wl_fixes', 'work.policy:3'],
    ['clients', 'work.policy:4'],
    ['deny zxdg_exporter_v2', 'default.policy:3'],
    ['limit popups', 'work.policy:2'],
    ['pointer', 'work.policy:5'],
  ]);
  t.equal(withholdingOf(policy, 'zxdg_exporter_v2'), 'deny zxdg_exporter_v2');
  t.equal(withholdingOf(policy, 'zwp_pointer_constraints_v1'), 'pointer');
  t.equal(withholdingOf(policy, 'wl_fixes'), undefined, 'what is allowed again');
  t.equal(withholdingOf(policy, 'zwlr_screencopy_manager_v1'), undefined, 'what no line says');
  t.equal(withholdingOf(parsePolicy('capture no\n', 'p'), 'zwlr_screencopy_manager_v1'), 'capture');
  t.same([...DEFAULT_POLICY.origins], []);
  t.end();
});
