/** The table of docs/applications.md: a row for each program, from what a run of the suite found. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { ProgramResult, StepResult } from './compare.js';

const COLUMNS = ['program', 'version', 'toolkit', 'what was done', 'directly', 'through virtwl'];
const HEAD = [COLUMNS, COLUMNS.map(() => '---')].map(row => `| ${row.join(' | ')} |`).join('\n');

/** The installed version of a Debian package; "not installed" where dpkg knows none. */
export function versionOf(debianPackage: string): string {
  try {
    const version = execFileSync('dpkg-query', ['-W', '-f', '${Version}', debianPackage], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // Epoch and Debian's revision say nothing about the program.
    return version.replace(/^\d+:/, '').replace(/-[^-]*$/, '') || 'not installed';
  } catch {
    return 'not installed';
  }
}

/** The system, as os-release names it. */
export function systemName(): string {
  const release = readFileSync('/etc/os-release', 'utf8');
  const name = /^NAME="?([^"\n]*)/m.exec(release)?.[1] ?? 'Linux';
  const version = /^VERSION_ID="?([^"\n]*)/m.exec(release)?.[1] ?? '';
  return `${name.replace(' GNU/Linux', '')} ${version}`.trim();
}

function directly(steps: readonly StepResult[]): string {
  const failed = steps.find(({ outcome }) => outcome === 'fails directly');
  return failed === undefined ? 'works' : `${failed.name}: ${failed.detail ?? 'fails'}`;
}

/** What differs, or that nothing does. */
function remotely(steps: readonly StepResult[]): string {
  const reached = steps.filter(({ outcome }) => outcome !== 'fails directly' && outcome !== 'not reached');
  const wrong = reached.filter(({ outcome }) => outcome !== 'same');
  if (wrong.length > 0)
    return wrong.map(({ name, outcome, detail }) => `${name}: ${outcome}, ${detail ?? ''}`).join('; ');
  if (reached.length === 0) return '';
  const moving = reached.filter(({ moving }) => moving).length;
  if (moving === reached.length) return 'same (moves: windows and facts compared)';
  return moving > 0 ? 'same (what moves: windows and facts)' : 'same';
}

/** A row of the table, as Markdown. */
function rowOf({ program, installed, steps }: ProgramResult): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const done = steps.map(({ name }) => name).join(', ');
  const cells = installed
    ? [program.name, versionOf(program.package), program.toolkit, done, directly(steps), remotely(steps)]
    : [program.name, 'not installed', program.toolkit, '', '', ''];
  return `| ${cells.map(cell).join(' | ')} |`;
}

/** The Markdown table of a run. */
export function markdown(results: readonly ProgramResult[]): string {
  return [HEAD, ...results.map(rowOf)].join('\n');
}

/**
 * Brings the table between the markers of that name in a page up to date: rows of these programs are new, those of others
 * stay, and all are in the order of `names`.
 *
 * @throws Error where the page has no such place
 */
export function updatePage(
  page: string,
  name: string,
  heading: string,
  results: readonly ProgramResult[],
  names: readonly string[],
): void {
  const before = `<!-- begin ${name} -->`;
  const after = `<!-- end ${name} -->`;
  const old = readFileSync(page, 'utf8');
  const [from, to] = [old.indexOf(before) + before.length, old.indexOf(after)];
  if (from < before.length || to < from) throw new Error(`${page} has no place for the table: ${before} ... ${after}`);
  const rows = new Map<string, string>();
  for (const line of old.slice(from, to).split('\n')) {
    const first = /^\| (.*?) +\|/.exec(line)?.[1];
    if (first !== undefined) rows.set(first, line);
  }
  for (const result of results) rows.set(result.program.name, rowOf(result));
  const table = [HEAD, ...names.flatMap(each => rows.get(each) ?? [])].join('\n');
  writeFileSync(page, `${old.slice(0, from)}\n\n${heading}\n\n${table}\n\n${old.slice(to)}`);
}
