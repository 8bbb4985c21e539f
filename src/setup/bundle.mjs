/**
 * Puts each program that virtwl starts into one file, `dist/bundle/cli/NAME.js`, with the packages it uses: a process then
 * opens a single file at its start, where it would look for some 150. What goes in is the compiled JavaScript; whatever is
 * imported by `import()` is not evaluated before that, in the bundle either. The library is one file as well,
 * `dist/bundle/library/index.js`, for the package's size, and its declarations lie in `dist/bundle/declarations`. The page of `virtwl status --web` is three files in
 * `dist/bundle/page`, with all that it needs in them.
 *
 * The files lie as deep as the modules of `dist/src`, so that `new URL('../../../', import.meta.url)` is this package in
 * both, and beside each other, as a module finds a program that it starts: by `new URL('NAME.js', import.meta.url)`.
 */
import { copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';
import { copyDeclarations } from './declarations.mjs';

const DIRECTORY = 'dist/bundle';

/** Compiled modules that are started by their path. */
const PROGRAMS = [
  'dist/src/cli/main.js',
  'dist/src/cli/confined-main.js',
  'dist/src/sandbox/in-minijail.js',
  'dist/src/doctor/confined-attempts.js',
];

/** What `import 'virtwl'` loads. */
const LIBRARY = 'dist/src/index.js';
/**
 * Stays a package: declarations of the library name it too, and who imports both gets one class and not two.
 */
const LIBRARY_IMPORTS = ['eventemitter3'];

/** The page of `virtwl status --web`: TypeScript and style, for a browser. */
const PAGE = 'src/status-page/browser';

/** Bundles everything anew. */
export async function bundle() {
  rmSync(DIRECTORY, { recursive: true, force: true });
  const options = /** @type {const} */ ({
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.5',
    // Traces tell lines of the sources with `node --enable-source-maps`, and else at least their functions: names stay.
    sourcemap: 'linked',
    sourcesContent: false,
    // Spaces are a third of it, and an editor's business.
    minifyWhitespace: true,
    minifySyntax: true,
    // CommonJS packages ask for Node.js's modules by `require`, which an ECMAScript module does not have.
    banner: {
      js: "import { createRequire as requireFor } from 'node:module'; const require = requireFor(import.meta.url);",
    },
    metafile: true,
    logLevel: 'warning',
  });
  const { metafile } = await build({
    ...options,
    entryPoints: PROGRAMS,
    outdir: `${DIRECTORY}/cli`,
    entryNames: '[name]',
  });
  await build({ ...options, entryPoints: [LIBRARY], outdir: `${DIRECTORY}/library`, external: LIBRARY_IMPORTS });
  copyDeclarations(`${DIRECTORY}/declarations`);
  const page = await build({
    bundle: true,
    platform: 'browser',
    format: 'iife',
    target: ['chrome105', 'firefox110', 'safari16'],
    minify: true,
    metafile: true,
    logLevel: 'warning',
    entryPoints: [`${PAGE}/page.ts`, `${PAGE}/page.css`],
    outdir: `${DIRECTORY}/page`,
  });
  copyFileSync(`${PAGE}/page.html`, `${DIRECTORY}/page/page.html`);
  const inputs = [...Object.keys(metafile.inputs), ...Object.keys(page.metafile.inputs)];
  writeFileSync(`${DIRECTORY}/LICENSES`, licensesOf(inputs));
}

/** The licences of the packages among these files, in full. @param {readonly string[]} files @returns {string} */
function licensesOf(files) {
  const found = files.map(file => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  const packages = [...new Set(found)].filter(directory => directory !== undefined).sort();
  return packages
    .map(directory => {
      const { name, version, license } = JSON.parse(readFileSync(`${directory}/package.json`, 'utf8'));
      const file = readdirSync(directory).find(entry => /^licen[cs]e/i.test(entry));
      if (file === undefined)
        throw new Error(`${directory} has no text of its licence, which a bundle has to bring along`);
      return `${name} ${version} (${license})\n\n${readFileSync(`${directory}/${file}`, 'utf8').trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}
