/** The log: what is printed of what is said, and how it looks. */
import t from 'tap';
import { formatJson, formatText, type Entry } from '../../src/observe/log-format.js';
import { LogOutput, SILENT, type LogOutputOptions } from '../../src/observe/log.js';
import { MOST_LINES_TOLD, MOST_TEXT } from '../../src/observe/status-report.js';
import { eventually } from '../eventually.js';

// Half an hour off: no test passes by taking UTC for the time of day.
process.env.TZ = 'Asia/Kolkata';

function output(options: Partial<LogOutputOptions> = {}) {
  const lines: string[] = [];
  // Like the journal's, without the time, and without the priority that the journal wants.
  const write = (line: string): void => void lines.push(line.replace(/^<\d>/, ''));
  return { lines, output: new LogOutput({ write, journal: true, ...options }) };
}

const EVENT: Entry = {
  ...{ time: Date.UTC(2026, 0, 31, 11, 3, 4, 567), level: 'warning', component: 'glue' },
  ...{ vm: 'work', client: 3, message: 'the client left: invalid object 7' },
};

t.test('a line for people', async t => {
  t.equal(
    formatText(EVENT, false),
    '16:33:04.567 glue warning vm=work client=3: the client left: invalid object 7',
    'has the time of day',
  );
  const { vm: _vm, client: _client, ...general } = EVENT;
  t.equal(
    formatText({ ...general, level: 'info' }, false),
    '16:33:04.567 glue info: the client left: invalid object 7',
  );
  t.equal(formatText({ ...EVENT, repeated: 1 }, false), '16:33:04.567 glue warning vm=work client=3: ... 1 more time');
  t.equal(formatText({ ...EVENT, repeated: 2 }, false), '16:33:04.567 glue warning vm=work client=3: ... 2 more times');
});

t.test('a line for the journal has its priority instead of the time', async t => {
  const priorities = { error: '<3>', warning: '<4>', info: '<5>', debug: '<7>' } as const;
  for (const [level, priority] of Object.entries(priorities) as [Entry['level'], string][]) {
    t.match(formatText({ ...EVENT, level }, true), new RegExp(`^${priority}glue ${level} vm=work client=3: the`));
  }
});

t.test('an object for machines', async t => {
  t.same(JSON.parse(formatJson(EVENT)), { ...EVENT, time: '2026-01-31T11:03:04.567Z' });
  t.notMatch(formatJson({ ...EVENT, vm: undefined }), /vm/);
});

t.test('nothing that others say makes a line of its own or moves a cursor', async t => {
  const hostile = 'x\nVM "other" left\r\u001b[2J\u009b1A\u202e\u2028" é ü 漢';
  const text = formatText({ ...EVENT, vm: 'a b=\n', message: hostile }, false);
  t.equal(
    text,
    '16:33:04.567 glue warning vm="a b=\\\\u000a" client=3: ' +
      'x\\u000aVM "other" left\\u000d\\u001b[2J\\u009b1A\\u202e\\u2028" é ü 漢',
  );
  const json = formatJson({ ...EVENT, message: hostile });
  t.notMatch(json, /\n/);
  t.equal((JSON.parse(json) as Entry).message, hostile, 'and JSON has it as it was');
});

t.test('levels', async t => {
  const said = (level: 'error' | 'warning' | 'info' | 'debug'): string[] => {
    const { lines, output: end } = output({ level });
    const log = end.log('part');
    for (const word of ['debug', 'info', 'warning', 'error'] as const) log[word](word);
    return lines.map(line => line.split(': ')[1]!);
  };
  t.same(said('error'), ['error']);
  t.same(said('warning'), ['warning', 'error']);
  t.same(said('info'), ['info', 'warning', 'error']);
  t.same(said('debug'), ['debug', 'info', 'warning', 'error']);
  const { lines, output: end } = output();
  end.log('part').debug('not by default');
  t.same(lines, []);
  SILENT.error('nobody reads it');
});

t.test('who speaks, and of whom', async t => {
  const { lines, output: end } = output();
  const log = end.log('host', { vm: 'work' });
  log.info('a');
  log.part('device').info('b');
  end.log('broker').about('desk').info('c');
  end.log('glue').causedBy('desk', 7).info('d');
  end.log('run').client(2).info('e');
  t.same(lines, [
    ...['host info vm=work: a', 'device info vm=work: b', 'broker info vm=desk: c', 'glue info vm=desk client=7: d'],
    'run info client=2: e',
  ]);
});

t.test('what repeats is counted', async t => {
  t.test('and told before anything else', async t => {
    const { lines, output: end } = output();
    const log = end.log('part');
    for (let count = 0; count < 4; count++) log.info('again');
    log.info('something else');
    log.info('again');
    end.flush();
    t.same(lines, ['part info: again', 'part info: ... 3 more times', 'part info: something else', 'part info: again']);
  });

  t.test('or after a while, and as long as it goes on', async t => {
    const { lines, output: end } = output({ repeatIntervalMs: 20 });
    const log = end.log('part');
    for (let count = 0; count < 3; count++) log.info('again');
    await eventually('the count', () => lines.length === 2);
    for (let count = 0; count < 2; count++) log.info('again');
    await eventually('the next count', () => lines.length === 3);
    t.same(lines, ['part info: again', 'part info: ... 2 more times', 'part info: ... 2 more times']);
  });

  t.test('or at the end', async t => {
    const { lines, output: end } = output({ format: 'json' });
    const log = end.log('part', { vm: 'work' });
    log.info('again');
    log.info('again');
    t.equal(lines.length, 1);
    end.flush();
    end.flush();
    t.match(JSON.parse(lines[1]!), { vm: 'work', message: 'again', repeated: 1 });
    t.equal(lines.length, 2);
  });

  t.test('unless it is of another client, VM, level or part', async t => {
    const { lines, output: end } = output();
    const log = end.log('part');
    log.causedBy('a', 1).info('x');
    log.causedBy('a', 2).info('x');
    log.causedBy('b', 2).info('x');
    log.causedBy('b', 2).warning('x');
    log.part('other').causedBy('b', 2).warning('x');
    t.equal(lines.length, 5);
  });

  t.test('unless that is turned off', async t => {
    const { lines, output: end } = output({ repeatIntervalMs: 0 });
    for (let count = 0; count < 3; count++) end.log('part').info('x');
    t.equal(lines.length, 3);
  });
});

t.test('what a VM causes is bounded, what is only about it is not', async t => {
  const { lines, output: end } = output({ limit: { lines: 2 } });
  const log = end.log('glue');
  for (let count = 0; count < 5; count++) log.causedBy('noisy', count).warning(`noise ${count}`);
  for (let count = 0; count < 5; count++) log.causedBy('noisy', 1).warning('the same');
  log.causedBy('quiet').warning('a word');
  log.about('noisy').error('the host process is gone');
  end.forget('noisy');
  t.same(lines, [
    'glue warning vm=noisy client=0: noise 0',
    'glue warning vm=noisy client=1: noise 1',
    'glue warning vm=quiet: a word',
    'glue error vm=noisy: the host process is gone',
    'log warning vm=noisy: 8 more lines were left out',
  ]);
});

t.test('what is not asked for does not use up what a VM may say', async t => {
  const { lines, output: end } = output({ limit: { lines: 1 } });
  for (let count = 0; count < 5; count++) end.log('part').causedBy('vm').debug(`${count}`);
  end.log('part').causedBy('vm').info('heard');
  t.same(lines, ['part info vm=vm: heard']);
});

t.test('answers are no events', async t => {
  const { lines, output: end } = output({ level: 'error', journal: false });
  end.plain('info', 'status', 'virtwl status {}', { status: {} });
  end.plain('info', 'status', 'virtwl status {}', { status: {} });
  t.same(lines, ['virtwl status {}', 'virtwl status {}'], 'whatever the level, and however often');
  end.format = 'json';
  end.plain('error', 'virtwl', 'virtwl: no', { message: 'no' });
  t.match(JSON.parse(lines[2]!), { time: /Z$/, level: 'error', component: 'virtwl', message: 'no' });
});

t.test('the lines that were printed last are kept for a status', async t => {
  const { output: end } = output({ level: 'info' });
  const log = end.log('part');
  log.debug('not printed');
  for (let i = 1; i < MOST_LINES_TOLD; i++) log.info(`line ${i}`);
  end
    .log('glue')
    .causedBy('work', 3)
    .warning(`\u001b${'x'.repeat(2 * MOST_TEXT)}`);
  t.equal(end.recent.length, MOST_LINES_TOLD);
  t.match(end.recent[0], { time: /Z$/, level: 'info', component: 'part', text: 'line 1' });
  t.match(end.recent.at(-1), { level: 'warning', component: 'glue', vm: 'work', client: 3, text: /^\\u001bx+…$/ });
  t.equal(end.recent.at(-1)!.text.length, MOST_TEXT);
  log.info('one more');
  t.equal(end.recent.length, MOST_LINES_TOLD, 'no more of them');
  t.match(end.recent[0], { text: 'line 2' }, 'and it is the oldest that goes');
});
