/** Kinds of data by their names on both sides, and text in the two encodings that X11 has for it. */
import t from 'tap';
import { MAX_NAME_BYTES, MAX_TARGETS } from '../../../src/x11/selections/limits.js';
import { latin1ToUtf8, mimeTypesOf, targetsOf, Utf8ToLatin1 } from '../../../src/x11/selections/targets.js';

t.test('what an X client offers', async t => {
  const types = mimeTypesOf([
    'TIMESTAMP',
    'TARGETS',
    'SAVE_TARGETS',
    'STRING',
    'UTF8_STRING',
    'image/png',
    'text/html',
  ]);
  t.equal(types.get('image/png'), 'image/png', 'mime types are what they are');
  t.equal(types.get('text/html'), 'text/html');
  t.equal(types.get('text/plain'), 'UTF8_STRING', 'text is best asked for as UTF-8');
  t.equal(types.get('text/plain;charset=utf-8'), 'UTF8_STRING');
  t.notOk(types.has('TARGETS'), 'what is no data is not offered');
  t.notOk(types.has('SAVE_TARGETS'));
  t.equal(mimeTypesOf(['STRING']).get('text/plain'), 'STRING', 'Latin 1 where there is nothing better');
  t.equal(mimeTypesOf(['TARGETS', 'MULTIPLE']).size, 0);
});

t.test('what a Wayland program offers', async t => {
  const targets = targetsOf(['text/plain', 'text/plain;charset=utf-8', 'image/png']);
  t.equal(targets.get('UTF8_STRING'), 'text/plain;charset=utf-8');
  t.equal(targets.get('STRING'), 'text/plain;charset=utf-8');
  t.equal(targets.get('image/png'), 'image/png');
  t.notOk(targetsOf(['image/png']).has('STRING'), 'no text where there is none');
});

t.test('bounds', async t => {
  const named = (length: number): string => `a/${'b'.repeat(length - 2)}`;
  t.equal(mimeTypesOf([named(MAX_NAME_BYTES)]).size, 1, 'the longest name');
  t.equal(mimeTypesOf([named(MAX_NAME_BYTES + 1)]).size, 0, 'one that is longer');
  const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `image/${i}`);
  t.equal(mimeTypesOf(many(MAX_TARGETS)).size, MAX_TARGETS, 'the most kinds');
  t.equal(mimeTypesOf(many(MAX_TARGETS + 1)).size, MAX_TARGETS, 'more are left out');
  t.equal(targetsOf(many(MAX_TARGETS + 1)).size, MAX_TARGETS, 'on the other way too');
  for (const bad of ['image/p\nng', 'image/p\u00e4ng', '/png', 'image/', 'ima ge/png']) {
    t.equal(mimeTypesOf([bad]).size, 0, JSON.stringify(bad));
  }
});

t.test('Latin 1', async t => {
  t.equal(Buffer.from(latin1ToUtf8(Buffer.from('Grüße', 'latin1'))).toString(), 'Grüße');
  const converter = new Utf8ToLatin1();
  const parts = [...Buffer.from('ü€ß')].map(byte => converter.convert(Uint8Array.of(byte), false));
  t.same(Buffer.concat(parts), Buffer.from('ü?ß', 'latin1'), 'a letter may come in pieces');
  t.equal(converter.convert(new Uint8Array(0), true).length, 0);
  const cut = new Utf8ToLatin1();
  t.equal(cut.convert(Uint8Array.of(0xc3), false).length, 0);
  t.same(Buffer.from(cut.convert(new Uint8Array(0), true)), Buffer.from('?'), 'one that never comes whole is a ?');
});
