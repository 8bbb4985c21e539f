/** Kept inputs: a file per target, with an input in base64 on each line. Small files, one of which is read and compared. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** The inputs of a corpus; none where there is no file. */
export function readCorpus(path: string): Uint8Array[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter(line => line !== '').map(line => new Uint8Array(Buffer.from(line, 'base64')));
}

export function appendToCorpus(path: string, input: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, `${Buffer.from(input).toString('base64')}\n`);
}

/** Replaces the whole of it. */
export function writeCorpus(path: string, inputs: readonly Uint8Array[]): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, inputs.map(input => `${Buffer.from(input).toString('base64')}\n`).join(''));
}
