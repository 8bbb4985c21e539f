import t from 'tap';
import { LogLimit } from '../../src/observe/log-limit.js';

t.test('so many lines of one VM, then their number; others are not affected', async t => {
  const lines: string[] = [];
  const limit = new LogLimit(line => lines.push(line), 3);
  for (let count = 0; count < 10; count++) limit.line('noisy', `noise ${count}`);
  limit.line('quiet', 'a word');
  t.same(lines, ['noise 0', 'noise 1', 'noise 2', 'a word']);
  limit.forget('noisy');
  limit.forget('quiet');
  limit.forget('unknown');
  t.same(lines.slice(4), ['7 more lines on VM "noisy" were left out']);
});

t.test('after a span it may speak again', async t => {
  const lines: string[] = [];
  const limit = new LogLimit(line => lines.push(line), 1, 20);
  limit.line('vm', 'one');
  limit.line('vm', 'hidden');
  await new Promise(resolve => setTimeout(resolve, 40));
  limit.line('vm', 'two');
  t.same(lines, ['one', '1 more lines on VM "vm" were left out', 'two']);
});

t.test('a line stays one line, and moves no cursor', async t => {
  const lines: string[] = [];
  const limit = new LogLimit(line => lines.push(line));
  limit.line('vm', 'invalid global "x\nVM "other" left\r\u001b[2J\u009b1A\u202e\u2028" é ü 漢');
  t.same(lines, ['invalid global "x\\u000aVM "other" left\\u000d\\u001b[2J\\u009b1A\\u202e\\u2028" é ü 漢']);
});
