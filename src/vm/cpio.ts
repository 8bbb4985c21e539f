/**
 * Initial RAM disks: cpio archives in the kernel's "newc" form. The kernel unpacks several, one after the other, each
 * over those before, so that what changes from boot to boot need not be packed with what does not.
 */

export interface CpioEntry {
  /** Without a leading slash; directories come before what is in them. */
  readonly path: string;
  /** Type and permissions as stat has them: 0o100755 for a program. */
  readonly mode: number;
  /** A file's content or a link's target. */
  readonly content?: Uint8Array | undefined;
}

const FILE = 0o100000;
const DIRECTORY = 0o040000;
const LINK = 0o120000;

export const directory = (path: string): CpioEntry => ({ path, mode: DIRECTORY | 0o755 });
export const file = (path: string, content: Uint8Array | string, permissions = 0o644): CpioEntry => ({
  path,
  mode: FILE | permissions,
  content: Buffer.from(content),
});
export const program = (path: string, content: Uint8Array | string): CpioEntry => file(path, content, 0o755);
export const link = (path: string, target: string): CpioEntry => ({
  path,
  mode: LINK | 0o777,
  content: Buffer.from(target),
});

/** The header's fields are eight hexadecimal digits; data and names are padded to four bytes. */
function record(inode: number, { path, mode, content }: CpioEntry): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const size = content?.length ?? 0;
  const fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}`);
  const pad = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4);
  return [header, name, pad(header.length + name.length), Buffer.from(content ?? []), pad(size)];
}

/** The archive, uncompressed. Directories that an entry is in and that are not listed are added. */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const all = new Map<string, CpioEntry>();
  for (const entry of entries) {
    const parts = entry.path.split('/');
    for (let i = 1; i < parts.length; i++) {
      const above = parts.slice(0, i).join('/');
      if (!all.has(above)) all.set(above, directory(above));
    }
    all.set(entry.path, entry);
  }
  const records = [...all.values()].flatMap((entry, index) => record(index + 1, entry));
  return Buffer.concat([...records, ...record(0, { path: 'TRAILER!!!', mode: 0 })]);
}
