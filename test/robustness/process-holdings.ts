/**
 * What other processes hold, seen from outside: descriptors and shared mappings, by kind and not by number, so that two
 * processes of the same role can be compared; and who a process started.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** How many of each kind, as in `{ 'socket': 3, 'mapped /#': 1 }`. Kinds have no numbers in them. */
export type ProcessHoldings = Readonly<Record<string, number>>;

/** Descriptors and shared mappings of a process; nothing for one that is gone. */
export function holdingsOf(pid: number): ProcessHoldings {
  const count: Record<string, number> = {};
  const add = (what: string): void => void (count[what] = (count[what] ?? 0) + 1);
  for (const fd of listed(`/proc/${pid}/fd`)) {
    const target = linked(`/proc/${pid}/fd/${fd}`);
    if (target !== undefined) add(withoutNumbers(target));
  }
  for (const line of read(`/proc/${pid}/maps`).split('\n')) {
    const [, name] = /^\S+ [r-][w-][x-]s \S+ \S+ \S+\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined) add(`mapped ${withoutNumbers(name)}`);
  }
  return Object.fromEntries(Object.entries(count).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A process and all that come from it, parents first. Those that are gone are left out. */
export function processTree(pid: number): number[] {
  if (!isAlive(pid)) return [];
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(processTree)];
}

/** The name of its program, at most 15 characters. */
export function programOf(pid: number): string {
  return read(`/proc/${pid}/comm`).trim();
}

/** Whether it runs: one that has ended and was not yet waited for does not. */
export function isAlive(pid: number): boolean {
  const state = /\) (\S)/.exec(read(`/proc/${pid}/stat`))?.[1];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** Resident memory in bytes, with what it shares. */
export function residentBytes(pid: number): number {
  return 1024 * Number(/^VmRSS:\s*(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}

function withoutNumbers(name: string): string {
  return (
    name
      .replace(/^(socket|pipe|anon_inode):.*/, (all, kind: string) => (kind === 'anon_inode' ? all : kind))
      // Names that mkstemp and mkdtemp make up.
      .replace(/(?<=(virtwl|wlroots)-[a-z\d-]*)[A-Za-z0-9]{6}(?=[/ ]|$)/g, '')
      .replace(/[0-9]+/g, '')
  );
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function listed(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function linked(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
