/** What is said of a wait, and when; the milliseconds here are bounds from below, so a busy machine only says it later. */
import t, { type Test } from 'tap';
import { WaitReport, type WaitReportOptions } from '../../src/client/wait-report.js';
import { eventually } from '../eventually.js';

function reporting(t: Test, options: Partial<WaitReportOptions> = {}) {
  const lines: string[] = [];
  const state: { reason: string | undefined } = { reason: undefined };
  const timeouts: string[] = [];
  const report = new WaitReport({
    reason: () => state.reason,
    say: (level, line) => lines.push(`${level}: ${line}`),
    timedOut: reason => timeouts.push(reason),
    tellAfterMs: 20,
    tellAgainMs: 100_000,
    ...options,
  });
  t.teardown(() => report.close());
  const because = (reason: string | undefined): void => {
    state.reason = reason;
    report.update();
  };
  return { report, lines, timeouts, because };
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

t.test('a short wait is not worth a word', async t => {
  const { lines, because } = reporting(t, { tellAfterMs: 100_000 });
  because('no broker');
  because(undefined);
  await pause(20);
  t.same(lines, []);
});

t.test('a wait is told with its seconds and its reason, each reason once, and so is its end', async t => {
  const { lines, because } = reporting(t);
  because('no broker');
  await eventually('the reason', () => lines.length === 1);
  because('no broker');
  because('no compositor');
  await eventually('the next reason', () => lines.length === 2);
  await pause(60);
  because(undefined);
  because(undefined);
  t.match(lines, [
    /^warning: applications have waited for \d+ seconds?: no broker$/,
    /^warning: applications have waited for \d+ seconds?: no compositor$/,
    /^info: the wait is over, after \d+ seconds?$/,
  ]);
  t.equal(lines.length, 3);
});

t.test('a reason that holds for a moment only is not told', async t => {
  const { lines, because } = reporting(t, { tellAfterMs: 300 });
  because('no broker');
  await eventually('the reason', () => lines.length === 1);
  because('no compositor VM');
  because('no compositor');
  because('no broker');
  await pause(400);
  t.equal(lines.length, 1);
});

t.test('it is told again after longer and longer times', async t => {
  const { lines, because } = reporting(t, { tellAgainMs: 40 });
  because('no broker');
  await eventually('three times', () => lines.length === 3);
  because(undefined);
});

t.test('it is given up after the time, once, where no application was answered', async t => {
  const { lines, timeouts, because } = reporting(t, { tellAfterMs: 100_000, timeoutMs: 30 });
  because('no broker');
  await eventually('the end', () => timeouts.length === 1);
  because('no compositor');
  await pause(60);
  t.same(timeouts, ['no broker']);
  t.same(lines, []);
});

t.test('a wait that is over in time is not given up, nor one after an answer', async t => {
  const { timeouts, because, report } = reporting(t, { timeoutMs: 300 });
  because('no broker');
  because(undefined);
  await pause(400);
  t.same(timeouts, [], 'over in time');
  because('no broker');
  report.answered();
  await pause(400);
  t.same(timeouts, [], 'after an answer');
});

t.test('where one is answered, the wait of the others begins with that', async t => {
  const { report, because } = reporting(t, { tellAfterMs: 100_000 });
  because('no answer');
  const { since } = report.wait!;
  await pause(5);
  report.answered();
  t.ok(report.wait!.since > since);
});

t.test('a wait that began before it was found counts from there', async t => {
  const { report, lines, because } = reporting(t, {
    begun: () => ({ since: performance.now() - 5_000, tellAfterMs: 5_020 }),
  });
  because('no answer');
  t.match(report.wait, { reason: 'no answer' });
  t.ok(performance.now() - report.wait!.since >= 5_000);
  await eventually('the reason', () => lines.length === 1);
  t.match(lines, [/^warning: applications have waited for \d+ seconds: no answer$/]);
  t.notMatch(lines[0], / for 0 seconds/);
  because(undefined);
  t.equal(report.wait, undefined);
});
