/**
 * The run as a picture: for each case a bar for each system, as long as the system is quick beside a direct connection. SVG
 * by hand, without scripts or fonts of its own; its colours are read on light paper and on dark.
 */
import type { Case } from './measure.js';
import { caseName, HEADINGS, metricOf, share, SYSTEMS, value, type Cell, type SystemName } from './results.js';

/** Words and lines: the same on light and dark, with a contrast of at least 4 to both. */
export const INK = '#75797f';
/** Bars, with a contrast of at least 3 to light and dark paper. */
export const COLOURS: Record<Exclude<SystemName, 'direct'>, string> = {
  floor: '#80868b',
  'one-relay': '#a08060',
  waypipe: '#c2571a',
  copy: '#1f7fc4',
  warm: '#00897b',
  drawn: '#8e63ce',
};

/** All lengths in pixels. */
const WIDTH = 860;
const LEFT = 240;
const RIGHT = 90;
const TOP = 74;
const BAR = 11;
const CASE_GAP = 14;
/** Length of a bar that is as quick as direct. */
const FULL = (WIDTH - LEFT - RIGHT) / 1.25;
/** What is quicker ends here, with its number behind it. */
const LONGEST = WIDTH - LEFT - RIGHT;
/** Where lines are drawn, as shares of direct. */
const GRID = [0.25, 0.5, 0.75, 1];

interface Bar {
  readonly system: Exclude<SystemName, 'direct'>;
  readonly share: number;
}

/** @param under what is written below: the machine and the date */
export function formatPlot(cells: readonly Cell[], under: string): string {
  const cases = [...new Map(cells.map(cell => [caseName(cell.case), cell.case])).values()];
  const groups = cases.map(what => ({ what, bars: barsOf(cells, what) })).filter(({ bars }) => bars.length > 0);
  const shown = SYSTEMS.filter((system): system is Bar['system'] =>
    groups.some(({ bars }) => bars.some(bar => bar.system === system)),
  );
  const parts: string[] = [];
  let y = TOP;
  for (const { what, bars } of groups) {
    const height = bars.length * BAR;
    const direct = value(cells, what, 'direct')!;
    const { unit } = metricOf(what);
    parts.push(
      text(LEFT - 10, y + height / 2, caseName(what), 'end'),
      text(LEFT - 10, y + height / 2 + 13, `direct: ${shortly(direct)} ${unit}`, 'end', 10),
    );
    bars.forEach((bar, i) => parts.push(...drawBar(bar, y + i * BAR)));
    // A case with one bar still has room for its two lines of words.
    y += Math.max(height, 26) + CASE_GAP;
  }
  const height = y + 24;
  const grid = GRID.map(at => line(LEFT + at * FULL, TOP - 8, y - CASE_GAP + 4, at === 1));
  const scale = GRID.map(at => text(LEFT + at * FULL, TOP - 14, at === 1 ? 'direct' : String(at), 'middle', 10));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
      'font-family="sans-serif" font-size="12" role="img">',
    '<title>How quick each way to the compositor is, as a share of a direct connection</title>',
    ...legend(shown),
    ...grid,
    ...scale,
    ...parts,
    text(LEFT - 220, height - 8, under, 'start', 10),
    '</svg>',
    '',
  ].join('\n');
}

function barsOf(cells: readonly Cell[], what: Case): Bar[] {
  return SYSTEMS.flatMap(system => {
    const found = system === 'direct' ? undefined : share(cells, what, system);
    return found === undefined || system === 'direct' ? [] : [{ system, share: found }];
  });
}

function drawBar({ system, share: found }: Bar, y: number): string[] {
  const length = Math.min(Math.max(found * FULL, 1), LONGEST);
  const says = `${HEADINGS[system]}: ${found.toFixed(2)} of direct`;
  return [
    `<rect x="${LEFT}" y="${y}" width="${length.toFixed(1)}" height="${BAR - 2}" fill="${COLOURS[system]}">` +
      `<title>${says}</title></rect>`,
    text(LEFT + length + 5, y + BAR - 3, found.toFixed(2), 'start', 9),
  ];
}

function legend(systems: readonly Bar['system'][]): string[] {
  return systems.flatMap((system, i) => {
    const x = 20 + i * 130;
    return [
      `<rect x="${x}" y="14" width="12" height="12" fill="${COLOURS[system]}"/>`,
      text(x + 18, 24, HEADINGS[system], 'start'),
    ];
  });
}

function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end', size = 12): string {
  const escaped = words.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-size="${size}" fill="${INK}">${escaped}</text>`;
}

function line(x: number, from: number, to: number, strong: boolean): string {
  const place = `x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${from}" y2="${to}"`;
  return `<line ${place} stroke="${INK}" stroke-opacity="${strong ? 0.8 : 0.25}"/>`;
}

function shortly(n: number): string {
  return n.toLocaleString('en-US', { maximumFractionDigits: n < 100 ? 1 : 0 });
}
