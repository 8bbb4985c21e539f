/** `virtwl units`: prints the units of systemd for a role, or puts them in place. */
import { existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { Command } from 'commander';
import { say } from './failure.js';
import { addOptions, oneOf, optional, PATH, required, type Values } from './option.js';
import { ROLES, THEN, unitFiles } from './unit-files.js';

const OPTIONS = {
  role: required('--role <role>', 'what runs here: host, compositor (VM), client (VM)', oneOf(ROLES)),
  install: {
    ...optional(
      '--install [root]',
      'put them in place, below this root of a file system; one that is there and differs is left as it is, and told',
      PATH,
    ),
    preset: '/',
  },
} as const;

export function register(program: Command): void {
  const units = program
    .command('units')
    .summary('print the units of systemd for a host, a compositor VM or a client VM')
    .description(
      'Prints the units for a role, each with its path, or puts them in place. They start this program where it is ' +
        'installed. On the host the options of a VM are in /etc/virtwl/vms/NAME.conf.',
    )
    .action(({ role, install }: Values<typeof OPTIONS>) => {
      const files = unitFiles(role, startWords());
      if (install === undefined) {
        process.stdout.write(files.map(({ path, text }) => `# ${path}\n${text}`).join('\n'));
        return;
      }
      for (const { path, text } of files) put(join(install, path), text);
      if (install === '/') for (const line of THEN[role]) say('info', `then: ${line}`);
      else say('info', `then, in the system that ${install} is of: ${THEN[role].join('; ')}`);
    });
  addOptions(units, OPTIONS);
}

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o644 });
    say('info', `made ${path}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    say('info', `${path} is there already, and was left as it is`);
  }
}

/** How this program is started: by its name in PATH where that leads here, else by the interpreter and the file. */
export function startWords(script = process.argv[1]!, path = process.env.PATH ?? ''): string {
  const here = realpathSync(script);
  for (const directory of path.split(delimiter)) {
    const named = join(directory, 'virtwl');
    if (directory.startsWith('/') && existsSync(named) && realpathSync(named) === here) return named;
  }
  return [process.execPath, ...process.execArgv, here].join(' ');
}
