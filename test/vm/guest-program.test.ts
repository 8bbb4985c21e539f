/** What a program in a guest has printed, passed on as it comes: in whole lines, nothing twice. No VM is booted here. */
import t from 'tap';
import { PrintedLines } from '../../src/vm/guest-program.js';

/** As a look finds it: `bytes` are those of a file at that moment, which may end within a letter. */
const look = (bytes: Buffer, status?: number) => ({ status, output: bytes.toString(), errors: '' });

t.test('a line is told when it is whole, and no letter is cut', t => {
  const lines = new PrintedLines();
  const all = Buffer.from('one €\ntwo €\nthree €');
  const told = Array.from({ length: all.length }, (_, i) => lines.since(look(all.subarray(0, i))).output);
  t.same(told.filter(Boolean), ['one €\n', 'two €\n'], 'whatever is there already at a look');
  t.same(lines.since(look(all)), { output: '', errors: '' }, 'the last one may go on');
  t.same(lines.since(look(all, 0)), { output: 'three €', errors: '' }, 'until the program has ended');
  t.same(lines.since(look(all, 0)), { output: '', errors: '' }, 'and nothing is told twice');
  t.end();
});

t.test('each stream on its own', t => {
  const lines = new PrintedLines();
  t.same(lines.since({ status: undefined, output: 'a', errors: 'x\ny' }), { output: '', errors: 'x\n' });
  t.same(lines.since({ status: undefined, output: 'a\nb', errors: 'x\ny' }), { output: 'a\n', errors: '' });
  t.same(
    lines.since({ status: undefined, output: 'a\nb', errors: 'x\ny' }, true),
    { output: 'b', errors: 'y' },
    'who gives up gets what there is',
  );
  t.end();
});
