/** The words of docs/architecture.md: each is there once, and the files that define it use it. */
import { readFileSync } from 'node:fs';
import t from 'tap';

const page = readFileSync('docs/architecture.md', 'utf8');
const rows = [...page.matchAll(/^\| \*\*([\w ]+)\*\* \|[^|]+\|([^|]+)\|$/gm)].map(([, word = '', where = '']) => ({
  word,
  files: [...where.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file),
}));

t.test('the table is read', t => {
  t.ok(rows.length > 10, `${rows.length} words`);
  t.end();
});

t.test('no word has two rows', t => {
  t.equal(new Set(rows.map(({ word }) => word)).size, rows.length);
  t.end();
});

t.test('each word is used where the table says that it is defined', t => {
  for (const { word, files } of rows) {
    t.ok(files.length > 0, `${word} is defined somewhere`);
    const written = new RegExp(`\\b${word.replace(' ', '[ -]?')}(?:s|es)?\\b`, 'i');
    for (const file of files) t.match(readFileSync(file, 'utf8'), written, `${file} says "${word}"`);
  }
  t.end();
});
