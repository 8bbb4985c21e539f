/**
 * A page of docs, to be followed. In: its Markdown. Out: its code blocks by the section that they stand in: files, which begin
 * with a line that is their path, and commands. What nobody has taken is told, so that no block is passed over in silence.
 */
import { readFileSync } from 'node:fs';

interface Block {
  readonly section: string;
  /** Of a file: absolute, or from the home directory on (`~/`). */
  readonly path?: string;
  readonly text: string;
  taken: boolean;
}

/** A path as a comment, and nothing else in the line. */
const PATH = /^# ((?:~|\/[\w.-]+)\/\S+)$/;

export class FollowedPage {
  readonly #blocks: readonly Block[];

  constructor(readonly path: string) {
    this.#blocks = blocksOf(readFileSync(path, 'utf8'));
  }

  /** A file of a section, or of the only one that has it, as the page has it. */
  file(path: string, section?: string): string {
    const [found, more] = this.#blocks.filter(
      block => block.path === path && (section === undefined || block.section === section),
    );
    if (found === undefined || more !== undefined)
      throw new Error(`${this.path} has ${found === undefined ? 'no' : 'more than one'} ${path}`);
    found.taken = true;
    return found.text;
  }

  /** Paths of all files of a section. */
  files(section: string): readonly string[] {
    return this.#blocks.flatMap(block => (block.section === section && block.path !== undefined ? [block.path] : []));
  }

  /** The blocks of a section that are no files, in order, each as its commands: lines, where one is continued as one. */
  commands(section: string): readonly (readonly string[])[] {
    const found = this.#blocks.filter(block => block.section === section && block.path === undefined);
    if (found.length === 0) throw new Error(`${this.path} has no commands in "${section}"`);
    for (const block of found) block.taken = true;
    return found.map(({ text }) =>
      text
        .replace(/\s*\\\n\s*/g, ' ')
        .trim()
        .split('\n'),
    );
  }

  /** Where a block stands that was not taken, and how it begins. */
  get passedOver(): readonly string[] {
    return this.#blocks
      .filter(({ taken }) => !taken)
      .map(block => `${block.section}: ${block.path ?? firstLine(block)}`);
  }
}

function firstLine({ text }: Block): string {
  return text.split('\n', 1)[0]!;
}

/** Indented blocks. Empty lines within one stay; in front of a path they end the file before it. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let section = '';
  let lines: string[] | undefined;
  const end = (): void => {
    if (lines === undefined) return;
    const path = PATH.exec(lines[0]!)?.[1];
    const body = (path === undefined ? lines : lines.slice(1)).join('\n').trimEnd();
    blocks.push({ section, ...(path !== undefined && { path }), text: `${body}\n`, taken: false });
    lines = undefined;
  };
  let before = '';
  for (const line of text.split('\n')) {
    const heading = /^#+ (.*)/.exec(line)?.[1];
    // What is indented below a paragraph goes on with that.
    const code = line.startsWith('    ') && (lines !== undefined || before === '');
    if (heading !== undefined) {
      end();
      section = heading;
    } else if (code) {
      if (PATH.test(line.slice(4))) end();
      (lines ??= []).push(line.slice(4));
    } else if (line !== '') end();
    else lines?.push('');
    before = line;
  }
  end();
  return blocks;
}
