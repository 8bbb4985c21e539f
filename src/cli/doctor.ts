/**
 * `virtwl doctor`: what holds on this machine, what does not and why, and what to do.
 */
import type { Command } from 'commander';
import { diagnose, ROLES, type Role } from '../doctor/doctor.js';
import type { Finding, State } from '../doctor/finding.js';
import { addOptions, flag, oneOf, withDefault, type Values } from './option.js';

const OPTIONS = {
  role: withDefault(
    '--role <role>',
    'what the machine is to be: the host, a VM (guest), or both, in loopback (all)',
    oneOf(ROLES),
    'all',
  ),
  json: flag('--json', 'print the result as JSON'),
} as const;

/** Marks, as wide as each other. */
const MARKS: Readonly<Record<State, string>> = { holds: 'ok    ', fails: 'FAILED', lacks: 'lacks ', note: 'note  ' };

/** Columns for the names, so that the details stand under each other. */
const NAME_COLUMNS = 16;

export function register(program: Command): void {
  const command = program
    .command('doctor')
    .summary('tell what holds on this machine, what does not, and what to do')
    .description(
      'Checks everything that virtwl needs of this machine, and tries what can be tried: a memory budget is ' +
        'filled and overfilled, a process is confined and tries to get out. The exit status is 0 when everything that ' +
        'the role needs holds, else 1.',
    )
    .action(async (options: Values<typeof OPTIONS>) => {
      const diagnosis = await diagnose(options.role, options.json ? undefined : print);
      if (options.json) process.stdout.write(`${JSON.stringify(diagnosis, null, 2)}\n`);
      else process.stdout.write(`\n${summary(options.role, diagnosis.findings)}\n`);
      if (!diagnosis.ok) process.exitCode = 1;
    });
  addOptions(command, OPTIONS);
}

function print({ name, state, detail, advice }: Finding): void {
  process.stdout.write(`${MARKS[state]} ${name.padEnd(NAME_COLUMNS)} ${detail}\n`);
  if (advice !== undefined) process.stdout.write(`${' '.repeat(MARKS[state].length)}   What to do: ${advice}\n`);
}

function summary(role: Role, findings: readonly Finding[]): string {
  const what = { host: 'be the host', guest: 'be a VM of ours', all: 'run all of it in loopback' }[role];
  const failed = findings.filter(({ state }) => state === 'fails').map(({ name }) => name);
  if (failed.length > 0) return `This machine cannot ${what} as it is: ${failed.join(', ')}.`;
  const lacking = findings.filter(({ state }) => state === 'lacks').map(({ name }) => name);
  return `This machine can ${what}${lacking.length > 0 ? `, not at its best: ${lacking.join(', ')}` : ''}.`;
}
