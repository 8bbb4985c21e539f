/** The table of docs/applications.md: a row for each program, from what a run of the suite found. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { ProgramResult, StepResult } from './compare.js';

const COLUMNS = ['program', 'version', 'toolkit', 'what was done', 'directly', 'through virtwl'];

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

/** The Markdown rows of a run. */
export function markdown(results: readonly ProgramResult[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const rows = results.map(({ program, installed, steps }) =>
    installed
      ? [
          program.name,
          versionOf(program.package),
          program.toolkit,
          steps.map(({ name }) => name).join(', '),
          directly(steps),
          remotely(steps),
        ]
      : [program.name, 'not installed', program.toolkit, '', '', ''],
  );
  return [COLUMNS, COLUMNS.map(() => '---'), ...rows].map(row => `| ${row.map(cell).join(' | ')} |`).join('\n');
}

/** Puts text between the markers of that name in a page. @throws Error where the page has none */
export function writeBetween(page: string, name: string, text: string): void {
  const before = `<!-- begin ${name} -->`;
  const after = `<!-- end ${name} -->`;
  const old = readFileSync(page, 'utf8');
  const [from, to] = [old.indexOf(before), old.indexOf(after)];
  if (from < 0 || to < from) throw new Error(`${page} has no place for the table: ${before} ... ${after}`);
  writeFileSync(page, `${old.slice(0, from + before.length)}\n\n${text}\n\n${old.slice(to)}`);
}
