/**
 * The documentation speaks of files: each of them is there.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import t from 'tap';

const pages = [
  'CONTRIBUTING.md',
  'README.md',
  'CHANGELOG.md',
  ...readdirSync('docs')
    .filter(n => n.endsWith('.md'))
    .map(n => `docs/${n}`),
];
const ROOMS = /^(src|bindings|compositor-glue|test|docs)\/[^ ]*$/;

/** The anchors of a page, as forges make them of headings. */
function anchors(page: string): Set<string> {
  const headings = readFileSync(page, 'utf8').matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, text = '']) =>
      text
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}

for (const page of pages) {
  t.test(`${page} names only what exists`, async t => {
    const text = readFileSync(page, 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      t.ok(existsSync(file), `link to ${target}`);
      if (anchor !== undefined) t.ok(anchors(file).has(anchor), `heading of ${target}`);
    }
    for (const [, code = ''] of text.matchAll(/`([^`\n]+)`/g)) {
      if (ROOMS.test(code) && code !== 'docs/api') t.ok(existsSync(code), `file ${code}`);
    }
  });
}
