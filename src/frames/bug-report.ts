/**
 * A directory with what a bug report about a run needs: the report in all its forms, the pictures (`run.ts` writes them), the
 * Wayland messages of the run, and what it was made with. Nothing else: of the environment only what changes how Wayland programs behave, and of that
 * nothing that gives a right.
 */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { arch, release, version as build } from 'node:os';
import { join } from 'node:path';
import type { Global } from '../wayland/global-table.js';
import { toJunit, toTap } from './cases.js';
import type { KeptTrace } from './kept-trace.js';
import type { RunReport } from './report.js';

/** Variables of the environment that a report has. */
const HEEDED = /^(WAYLAND|WLR|VIRTWL|LIBGL|MESA|GALLIUM)_[A-Z0-9_]+$|^XDG_(RUNTIME_DIR|SESSION_TYPE|CURRENT_DESKTOP)$/;
/** Of these the ones whose value may give a right, as an activation token does. */
const SECRET = /TOKEN|SECRET|PASSW|COOKIE|KEY|CREDENTIAL/;

/** What the run was made with. */
export interface MadeWith {
  /** The command as it was given, the program left out. */
  readonly command: readonly string[];
  /** Of this package. */
  readonly version: string;
  /** What the compositor offers where it was drawn and, where that is another connection, where it was captured. */
  readonly drawn: readonly Global[];
  readonly captured: readonly Global[];
  /** The process at the other end of the Wayland socket that was captured or drawn through, where the kernel tells it. */
  readonly peer: { readonly pid: number; readonly uid: number } | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Makes the directory, or takes one that is empty.
 * @throws Error when there is something in it, or it cannot be made or read
 */
export function prepareBugReport(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
    const found = readdirSync(directory);
    if (found.length === 0) return;
    throw new Error(`it has ${found[0]!} in it already; name one that is new or empty`);
  } catch (error) {
    throw new Error(`cannot write a report to ${directory} (--report): ${(error as Error).message}`, { cause: error });
  }
}

/** Writes the messages: also of a run that ends before it has a report. */
export function writeTrace(directory: string, trace: KeptTrace): void {
  writeFileSync(join(directory, 'trace.txt'), trace.text);
}

/** Writes everything else but the pictures. */
export function writeBugReport(directory: string, report: RunReport, made: MadeWith): void {
  const json = report.toJSON();
  const text = report.toText();
  const write = (name: string, content: string): void => writeFileSync(join(directory, name), content);
  write('report.json', `${JSON.stringify(json, undefined, 2)}\n`);
  write('report.txt', text);
  write('report.tap', toTap(json, text));
  write('report.junit.xml', toJunit(json, text));
  write('environment.json', `${JSON.stringify(environmentOf(made), undefined, 2)}\n`);
}

/** What `environment.json` has. */
export function environmentOf(made: MadeWith): object {
  const { command, version, drawn, captured, peer, env } = made;
  return {
    command: ['virtwl', ...command],
    versions: {
      virtwl: version,
      node: process.version,
      kernel: release(),
      kernelBuild: build(),
      machine: arch(),
    },
    system: osRelease(),
    compositor: peer === undefined ? undefined : { ...peer, ...programOf(peer.pid) },
    globals: { drawn: globalsOf(drawn), ...(captured.length > 0 && { captured: globalsOf(captured) }) },
    environment: Object.fromEntries<string | undefined>(
      Object.entries(env)
        .filter(([name]) => HEEDED.test(name))
        .map(([name, value]) => [name, SECRET.test(name) ? '(left out)' : value] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
  };
}

function globalsOf(globals: readonly Global[]): readonly string[] {
  return globals.map(global => `${global.interface} ${global.version}`);
}

/** The name of the distribution and its version, where it has one. */
function osRelease(): string | undefined {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/** A process's name and program; those of another user, or in another namespace, cannot be read. */
function programOf(pid: number): { name?: string; program?: string } {
  const found: { name?: string; program?: string } = {};
  try {
    found.name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    found.program = readlinkSync(`/proc/${pid}/exe`);
  } catch {
    // What could be read is told.
  }
  return found;
}
