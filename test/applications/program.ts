/**
 * What the suite knows of a program: where it comes from, how it is started, what is done with it and what must be seen
 * then. A program is a declaration; who does it is in desk.ts, and who compares in compare.ts.
 */
import type { Desk } from './desk.js';

/** Something that is done with a program that runs. */
export interface Step {
  /** As the table says it: "text typed". */
  readonly name: string;
  /** Does it, and waits for what a person would wait for. Throws where that does not come. */
  act(desk: Desk): Promise<void>;
  /**
   * What has to be equal afterwards, beside what `facts` tells: all pixels of the output once it keeps still; or nothing
   * more than that a window is there, for what moves by itself.
   */
  readonly see?: 'pixels' | 'window';
  /** What has to be equal as well: the text of a file, a window's title. */
  facts?(desk: Desk): Promise<string>;
}

export interface Program {
  readonly name: string;
  /** What it draws with: `GTK 3`, `Qt 6`, `SDL 2, GL`. */
  readonly toolkit: string;
  /** The Debian package that it is in; its version is the table's. */
  readonly package: string;
  /** The file that has to be there, in the search path or absolute. Default: the first word of the command. */
  readonly needs?: string;
  /** The command line. `directory` is where the suite's files are, the same for each run. */
  command(directory: string): readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** It is one for X11: directly, sway's own Xwayland shows it; through virtwl, ours. */
  readonly x11?: true;
  /** Makes files that it needs, in an empty directory. */
  prepare?(directory: string): void;
  /** A program that runs beside it from the start, the suite's own. */
  readonly beside?: ((directory: string) => readonly string[]) | undefined;
  readonly steps: readonly Step[];
  /**
   * What is done with it on compositors that put each window over the whole output and tell nothing of it; true: all its
   * steps. Default: it is not run there.
   */
  readonly anywhere?: readonly Step[] | true;
  /** Which runs take it: the test command's, and others. Default: only `npm run test:applications`. */
  readonly inTestCommand?: boolean;
}
