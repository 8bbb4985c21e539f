/** What the package has of the documentation: the manual page where npm looks for it, and every picture that a page shows. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';

t.setTimeout(120_000);

const packed = JSON.parse(
  execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8', maxBuffer: 2 ** 26 }),
) as readonly { readonly files: readonly { readonly path: string }[] }[];
const files = new Set(packed[0]!.files.map(({ path }) => path));

t.test('npm installs the manual page: its list is an array, and the page is packed', async t => {
  const { man } = JSON.parse(readFileSync('package.json', 'utf8')) as { man: unknown };
  t.same(man, ['docs/virtwl.1']);
  t.ok(files.has('docs/virtwl.1'));
});

t.test('the command is packed', async t => {
  const { bin } = JSON.parse(readFileSync('package.json', 'utf8')) as { bin: Record<string, string> };
  for (const path of Object.values(bin)) t.ok(files.has(path), path);
});

for (const page of [...files].filter(path => path.endsWith('.md') && !path.includes('node_modules'))) {
  t.test(`${page} has its pictures with it`, async t => {
    const pictures = [...readFileSync(page, 'utf8').matchAll(/!\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, path = '']) => path);
    for (const path of pictures) t.ok(files.has(join(dirname(page), path)), path);
    t.pass(`${pictures.length} pictures`);
  });
}
