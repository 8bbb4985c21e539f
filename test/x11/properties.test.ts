/** What windows say of themselves, also where they say nonsense. */
import t from 'tap';
import type { Atoms } from '../../src/x11/atoms.js';
import { fittingSize, noProperties, PROPERTIES, type WindowProperties } from '../../src/x11/properties.js';
import { words } from '../../src/x11/wire.js';

const atoms = { UTF8_STRING: 1, STRING: 2 } as Atoms;

function read(name: Parameters<typeof PROPERTIES.get>[0], value: Uint8Array, type = 1, left = 0): WindowProperties {
  const into = noProperties();
  const format = ['WM_NAME', '_NET_WM_NAME', 'WM_CLASS'].includes(name) ? 8 : 32;
  PROPERTIES.get(name)!.read(into, { type, format, left, value }, atoms);
  return into;
}

t.test('titles are of their own encoding, in one line, and end with a whole letter', t => {
  t.equal(read('_NET_WM_NAME', Buffer.from('Größe')).title, 'Größe');
  t.equal(read('WM_NAME', Buffer.from('Größe', 'latin1'), atoms.STRING).title, 'Größe');
  t.equal(read('WM_NAME', Buffer.from('a\nb\u0000c')).title, 'a b c');
  t.equal(read('_NET_WM_NAME', Buffer.from('abö').subarray(0, 3), 1, 9).title, 'ab');
  t.equal(read('WM_NAME', Buffer.alloc(0)).title, undefined);
  t.end();
});

t.test('the class is the second of two words, or the only one', t => {
  t.equal(read('WM_CLASS', Buffer.from('xterm\0XTerm\0')).className, 'XTerm');
  t.equal(read('WM_CLASS', Buffer.from('xterm')).className, 'xterm');
  t.equal(read('WM_CLASS', Buffer.from('\0\0')).className, undefined);
  t.end();
});

t.test('sizes that make no sense are no bounds, and the largest is not below the smallest', t => {
  const hints = (flags: number, ...sizes: number[]): Uint8Array => words([flags, 0, 0, 0, 0, ...sizes]);
  t.match(read('WM_NORMAL_HINTS', hints(48, 10, 20, 300, 400)), {
    min: { width: 10, height: 20 },
    max: { width: 300, height: 400 },
  });
  t.match(read('WM_NORMAL_HINTS', hints(48, 100, 100, 50, 50)).max, { width: 100, height: 100 });
  t.match(read('WM_NORMAL_HINTS', hints(48, -5, 32_767, 32_768, -1)), {
    min: { width: 0, height: 32_767 },
    max: { width: 0, height: 0 },
  });
  t.match(read('WM_NORMAL_HINTS', hints(0, 10, 20, 30, 40)).min, { width: 0, height: 0 }, 'they were not set');
  t.match(read('WM_NORMAL_HINTS', words([48])).min, { width: 0, height: 0 }, 'they are not there');
  t.end();
});

t.test('of a size there is what the steps, the aspect and the smallest size leave, and of that again the same', t => {
  const hints = (flags: number, places: Readonly<Record<number, number>>): WindowProperties =>
    read('WM_NORMAL_HINTS', words(Array.from({ length: 18 }, (_, i) => (i === 0 ? flags : (places[i] ?? 0)))));
  const fits = (properties: WindowProperties, width: number, height: number): number[] => {
    const size = fittingSize(properties, { width, height });
    t.same(fittingSize(properties, size), size);
    return [size.width, size.height];
  };
  const stepped = hints(64 | 256, { 9: 7, 10: 13, 15: 4, 16: 5 });
  t.same(stepped.min, { width: 4, height: 5 }, 'the base is the smallest where that is not said');
  t.same(fits(stepped, 100, 100), [4 + 13 * 7, 5 + 7 * 13]);
  t.same(fits(stepped, 1, 1), [4, 5]);
  const aspect = hints(128, { 11: 4, 12: 3, 13: 16, 14: 9 });
  t.same(fits(aspect, 400, 400), [400, 300]);
  t.same(fits(aspect, 400, 100), [178, 100]);
  for (let width = 1; width < 200; width += 7) fits(aspect, width, 77);
  t.same(fits(hints(128, { 11: 16, 12: 9, 13: 4, 14: 3 }), 400, 400), [400, 400], 'none that is impossible');
  t.same(fits(hints(128, { 11: 1, 12: 0, 13: -1, 14: 1 }), 400, 400), [400, 400]);
  t.same(fits(hints(64, { 9: 0, 10: -4 }), 400, 400), [400, 400]);
  t.end();
});

t.test('input, urgency, decorations', t => {
  t.equal(read('WM_HINTS', words([1, 0])).acceptsInput, false);
  t.equal(read('WM_HINTS', new Uint8Array(0)).acceptsInput, true);
  t.equal(read('WM_HINTS', words([256])).urgent, true);
  t.equal(read('_MOTIF_WM_HINTS', words([2, 0, 0])).decorated, false);
  t.equal(read('_MOTIF_WM_HINTS', words([0, 0, 0])).decorated, true);
  t.end();
});
