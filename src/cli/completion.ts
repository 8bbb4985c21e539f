/** `virtwl completion`: prints what makes a shell complete the commands and options of `virtwl`, as they are declared. */
import { Argument, type Command } from 'commander';
import { commandTable } from './completion/table.js';
import { SHELLS, type Shell } from './completion/shells.js';

export function register(program: Command): void {
  program
    .command('completion')
    .summary('print completions for bash, zsh or fish')
    .description(
      'Prints the completions of "virtwl" for a shell. For bash: eval "$(virtwl completion bash)", or the output in ' +
        '/etc/bash_completion.d/virtwl. For zsh: the output in a file _virtwl in a directory of $fpath. For fish: in ' +
        '~/.config/fish/completions/virtwl.fish.',
    )
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(SHELLS)))
    .action((shell: Shell) => {
      process.stdout.write(SHELLS[shell](commandTable(program)));
    });
}
