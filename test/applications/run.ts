/**
 * `npm run test:applications`: real programs, unmodified, each directly on a compositor and through the whole of virtwl.
 *
 *   npm run test:applications                          all that are installed; prints a table
 *   npm run test:applications -- firefox gtk           only programs whose name has one of these words in it
 *   npm run test:applications -- --write               brings the rows in docs/applications.md up to date
 *   npm run test:applications -- --compositor labwc    the few that are run there, or with cage; default: sway, and all
 *   npm run test:applications -- --pictures DIRECTORY  keeps each picture that was taken
 *   npm run test:applications -- --wayland DIRECTORY   keeps what programs print with WAYLAND_DEBUG=1
 *
 * It installs nothing. A program that is not there is a row that says so. The status is 1 where one is not the same.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { encodePng, type Picture } from '../../src/frames/picture.js';
import { compareProgram, type ProgramResult } from './compare.js';
import { COMPOSITORS, Desk, type Way } from './desk.js';
import type { Program } from './program.js';
import { programs } from './programs/index.js';
import { markdown, systemName, updatePage } from './table.js';

const PAGE = 'docs/applications.md';

const { values, positionals } = parseArgs({
  options: {
    write: { type: 'boolean' },
    compositor: { type: 'string', default: 'sway' },
    pictures: { type: 'string' },
    wayland: { type: 'string' },
  },
  allowPositionals: true,
});
const compositor = COMPOSITORS.find(name => name === values.compositor);
if (compositor === undefined)
  throw new RangeError(`--compositor ${values.compositor} is none of ${COMPOSITORS.join(', ')}`);

/** The place where programs have their files: the same path for both ways, since programs show it. */
const place = mkdtempSync(join(tmpdir(), 'virtwl-programs-'));
const directory = join(place, 'files');

function keep(program: Program, step: number, way: string, picture: Picture): void {
  if (values.pictures === undefined) return;
  mkdirSync(values.pictures, { recursive: true });
  const name = `${program.name}-${step + 1}-${way}`.replace(/[^\w.-]+/g, '-');
  writeFileSync(join(values.pictures, `${name}.png`), encodePng(picture));
}

function said(program: Program, way: string, text: string): void {
  if (values.wayland === undefined) return;
  mkdirSync(values.wayland, { recursive: true });
  writeFileSync(join(values.wayland, `${program.name}-${way}.log`.replace(/[^\w.-]+/g, '-')), text);
}

async function runAll(wanted: readonly Program[]): Promise<ProgramResult[]> {
  const results: ProgramResult[] = [];
  let desks: readonly [Desk, Desk] | undefined;
  const open = (way: Way): Promise<Desk> => Desk.open(way, directory, compositor);
  const close = async (): Promise<void> => {
    const old = desks;
    desks = undefined;
    for (const desk of old ?? []) await desk.close();
  };
  for (const program of wanted) {
    desks ??= [await open('directly'), await open('through virtwl')];
    if (values.wayland !== undefined) for (const desk of desks) desk.environment = { WAYLAND_DEBUG: '1' };
    const began = Date.now();
    let result: ProgramResult;
    try {
      result = await compareProgram(program, ...desks, { keep, said });
    } catch (error) {
      const detail = (error as Error).message;
      result = { program, installed: true, steps: [{ name: 'run', outcome: 'fails', moving: false, detail }] };
      await close();
    }
    results.push(result);
    tell(result, Date.now() - began);
    // A desk on which something went wrong may still show it.
    if (result.steps.some(({ outcome }) => outcome !== 'same')) await close();
  }
  await close();
  return results;
}

/** What is wrong, with both pictures where there are two. */
function tell({ program, installed, steps }: ProgramResult, ms: number): void {
  const good = steps.filter(({ outcome }) => outcome === 'same').length;
  const said = installed ? `${good} of ${steps.length} the same` : 'not installed';
  console.error(`${program.name}: ${said} (${Math.round(ms / 1000)} s)`);
  steps.forEach(({ name, outcome, detail, pictures }, i) => {
    if (outcome === 'same') return;
    console.error(`  ${name}: ${outcome} ${detail ?? ''}`);
    if (pictures === undefined) return;
    const left = values.pictures ?? mkdtempSync(join(tmpdir(), 'virtwl-differs-'));
    mkdirSync(left, { recursive: true });
    for (const way of ['direct', 'remote'] as const) {
      const path = join(left, `DIFFERS-${program.name}-${i + 1}-${way}.png`.replaceAll(' ', '-').replaceAll('/', '-'));
      writeFileSync(path, encodePng(pictures[way]));
      console.error(`    ${path}`);
    }
  });
}

/** The programs of a compositor, with what is done with them there. */
const there =
  compositor === 'sway'
    ? programs
    : programs.flatMap(({ anywhere, ...program }) =>
        anywhere === undefined
          ? []
          : [{ ...program, steps: anywhere === true ? program.steps : anywhere, beside: undefined }],
      );
const words = positionals.map(word => word.toLowerCase());
const wanted = there.filter(({ name }) => words.length === 0 || words.some(word => name.toLowerCase().includes(word)));
try {
  const results = await runAll(wanted);
  const version = execFileSync(compositor, [compositor === 'cage' ? '-v' : '--version'], { encoding: 'utf8' }).trim();
  const table = markdown(results);
  console.log(`\n${systemName()}, ${version}\n\n${table}`);
  if (values.write === true) {
    const names = there.map(({ name }) => name);
    const place = compositor === 'sway' ? systemName() : `${systemName()}, ${compositor}`;
    updatePage(PAGE, place, `On ${version}:`, results, names);
  }
  const bad = results.filter(({ steps }) => steps.some(({ outcome }) => outcome === 'differs' || outcome === 'fails'));
  console.log(`\n${results.filter(({ installed }) => installed).length} programs, ${bad.length} of them not the same`);
  if (bad.length > 0) process.exitCode = 1;
} finally {
  rmSync(place, { recursive: true, force: true });
}
