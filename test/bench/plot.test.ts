/** The picture of a run: bars as long as systems are quick, and colours that are read on any paper. */
import { XMLParser } from 'fast-xml-parser';
import t from 'tap';
import { COLOURS, formatPlot, INK } from '../../src/bench/plot.js';
import { cell, HD } from './measured.js';

const full = { mode: 'full', size: HD } as const;
const sync = { mode: 'sync', size: HD } as const;
const svg = formatPlot(
  [
    ...[cell(full, 'direct', [1000]), cell(full, 'floor', [500]), cell(full, 'copy', [250])],
    ...[cell(sync, 'direct', [20]), cell(sync, 'floor', [10]), cell(sync, 'copy', [2e6])],
    cell({ mode: 'small', size: HD }, 'copy', [100]),
  ],
  'A machine of <2> cores & more',
);
interface Bar {
  readonly title: string;
  readonly '@width': string;
}
const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '@', isArray: name => name === 'rect' });
const bars = (parser.parse(svg) as { svg: { rect: Partial<Bar>[] } }).svg.rect.filter(
  (rect): rect is Bar => rect.title !== undefined,
);
const width = (title: string): number => Number(bars.find(bar => bar.title === title)?.['@width']);

t.test('every element ends, and words are words', t => {
  const open: string[] = [];
  for (const [, end = '', name = '', single = ''] of svg.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)) {
    if (end !== '') t.equal(open.pop(), name);
    else if (single === '') open.push(name);
  }
  t.same(open, []);
  t.match(svg, 'A machine of &lt;2&gt; cores &amp; more');
  t.end();
});

t.test('a bar is as long as a system is quick beside a direct connection', t => {
  t.equal(bars.length, 4, 'none without a direct connection to compare with');
  t.equal(width('floor: 0.50 of direct'), 2 * width('copied, cold: 0.25 of direct'));
  t.ok(width('floor: 2.00 of direct') > 2 * width('floor: 0.50 of direct'), 'quicker than direct');
  t.ok(width('floor: 2.00 of direct') <= 860 - 240, 'but not out of the picture');
  t.ok(width('copied, cold: 0.00 of direct') > 0, 'one that is very slow is still seen');
  t.end();
});

t.test('colours are read on light and dark paper', t => {
  const luminance = (colour: string): number =>
    [1, 3, 5]
      .map(at => parseInt(colour.slice(at, at + 2), 16) / 255)
      .map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i]!, 0);
  const contrast = (a: string, b: string): number => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
    return (light + 0.05) / (dark + 0.05);
  };
  for (const paper of ['#ffffff', '#0d1117']) {
    t.ok(contrast(INK, paper) >= 4, `words on ${paper}: ${contrast(INK, paper)}`);
    for (const [system, colour] of Object.entries(COLOURS)) {
      t.ok(contrast(colour, paper) >= 3, `${system} on ${paper}: ${contrast(colour, paper)}`);
    }
  }
  t.end();
});
