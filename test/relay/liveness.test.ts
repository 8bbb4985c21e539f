/** Whether the other side answers is asked while somebody speaks, and nothing is asked or scheduled otherwise. */
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Liveness, SILENT_MS } from '../../src/relay/liveness.js';
import { eventually } from '../eventually.js';

function watched(t: Test) {
  const questions: (() => void)[] = [];
  let spoken: (() => void) | undefined;
  let changes = 0;
  let answers = 0;
  const liveness = new Liveness({
    ask: answered => void questions.push(answered),
    listen: told => (spoken = told),
    answers: () => answers,
    changed: () => (changes += 1),
  });
  t.teardown(() => liveness.close());
  /** Its timers keep no process, so something else has to keep this one. */
  const awake = setInterval(() => {}, 10_000);
  t.teardown(() => clearInterval(awake));
  return {
    liveness,
    questions,
    speak: () => {
      const told = spoken;
      spoken = undefined;
      told?.();
    },
    listening: () => spoken !== undefined,
    answer: () => void (answers += 1),
    changes: () => changes,
  };
}

t.test('who says nothing causes no question', async t => {
  const { questions, listening } = watched(t);
  await pause(2 * SILENT_MS);
  t.equal(questions.length, 0);
  t.ok(listening());
});

t.test('a word causes one, and another word the next', async t => {
  const { questions, speak, listening, changes, liveness } = watched(t);
  speak();
  t.equal(questions.length, 0, 'not at once: most are answered before anybody asks');
  await eventually('the question', () => questions.length === 1);
  t.ok(listening(), 'from then on it wants to be told of the next word');
  questions[0]!();
  await eventually('one more: it may have stopped since', () => questions.length === 2);
  questions[1]!();
  await pause(2 * SILENT_MS);
  t.equal(questions.length, 2, 'no more of them without a word');
  speak();
  await eventually('the next question', () => questions.length === 3);
  questions[2]!();
  t.equal(liveness.silentSince, undefined);
  t.equal(changes(), 0);
});

t.test('a side that answers others is not asked, until it has not for a while', async t => {
  const { questions, speak, answer, listening } = watched(t);
  speak();
  for (let looks = 0; looks < 2 * SILENT_MS; looks += 50) {
    answer();
    await pause(50);
  }
  t.equal(questions.length, 0);
  t.notOk(listening(), 'each word would be told otherwise, and keep a frame from passing natively');
  await eventually('the question', () => questions.length === 1);
  t.ok(listening());
});

t.test('one that has no answer is told once, and so is its answer', async t => {
  const { questions, speak, changes, liveness } = watched(t);
  speak();
  await eventually('the question', () => questions.length === 1);
  t.equal(liveness.silentSince, undefined, 'an answer takes a moment');
  await eventually('it is told', () => changes() === 1);
  t.ok(performance.now() - liveness.silentSince! >= SILENT_MS - 1);
  speak();
  await pause(2 * SILENT_MS);
  t.equal(questions.length, 1, 'one open question is enough');
  questions[0]!();
  t.equal(changes(), 2);
  t.equal(liveness.silentSince, undefined);
  await eventually('what was said meanwhile is asked about', () => questions.length === 2);
  questions[0]!();
  t.equal(changes(), 2, 'an answer to an earlier question is none to this one');
});

t.test('a side that stops after its answer is found, though nobody says anything any more', async t => {
  const { questions, speak, changes } = watched(t);
  speak();
  await eventually('the question', () => questions.length === 1);
  questions[0]!();
  await eventually('it is told', () => changes() === 1);
});

t.test('it can be asked now', async t => {
  const { questions, changes, liveness } = watched(t);
  liveness.ask();
  liveness.ask();
  t.equal(questions.length, 1);
  await eventually('it is told', () => changes() === 1);
  liveness.close();
  questions[0]!();
  liveness.ask();
  t.equal(questions.length, 1, 'not once it is closed');
  t.equal(changes(), 1);
});
