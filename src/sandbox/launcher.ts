/**
 * The two programs that can confine a process, as the code that stands by sees them. Which one it is makes no difference
 * to the confined process, nor to what it may do.
 */
import type { ChildProcess } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Confinement } from './confinement.js';

/** The programs, the one that is preferred first. */
export const SANDBOXES = ['bubblewrap', 'minijail'] as const;
export type Sandbox = (typeof SANDBOXES)[number];

/** Descriptors of a launcher: the standard ones, two of its own, and then what the confined process inherits. */
export const STATUS_FD = 3;
export const FILTER_FD = 4;
export const FIRST_INHERITED_FD = 5;

/** What Node.js can be told about its heap and stack. Other flags name files, ports or modules: nothing that is there inside. */
const ENGINE_FLAG = /^--(?:[a-z-]*(?:heap|space|stack)[a-z-]*=\d+|jitless|expose-gc|trace-gc)$/;

/**
 * The flags of this Node.js that the confined one gets too: those of the command's first line, or of its parent's call.
 */
export function engineFlags(flags: readonly string[] = process.execArgv): string[] {
  return flags.filter(flag => ENGINE_FLAG.test(flag.replaceAll('_', '-')));
}

/** What a launcher is to start. */
export interface Launch {
  readonly confinement: Confinement;
  /** The whole of the process's environment, but for the way to its libraries. */
  readonly environment: Readonly<Record<string, string>>;
  /** The system call filter that is to hold from the process's first instruction on. */
  readonly filter: Uint8Array;
}

/** A launcher at work. */
export interface Launched {
  readonly process: ChildProcess;
  /** For messages. */
  readonly program: string;
  /** What to do where that program is missing. */
  readonly install: string;
  /** The confined process, which is the launcher's child; undefined while that is not known. */
  readonly confinedPid: number | undefined;
  /** Whether the program was started: otherwise the launcher's end tells of the launcher. */
  readonly ran: boolean;
  /** The status of the confined process, from that of the launcher: 128 and the number where a signal ended it. */
  confinedStatus(status: number): number;
}

/** The absolute path of a program on the PATH, as a shell finds it. */
export function findProgram(name: string, path = process.env.PATH ?? ''): string | undefined {
  return path
    .split(delimiter)
    .filter(directory => directory.startsWith('/'))
    .map(directory => join(directory, name))
    .find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
