/** `virtwl vm up`, `run`, `console`, `list` and `down`: VMs that stay up, and what is asked of them. */
import { Argument, InvalidArgumentError, type Command } from 'commander';
import { addOptions, flag, optional, VM_NAME, withDefault, type Kind, type Values } from './option.js';
import { TRANSPORT } from './transport-option.js';
import { askSession, clearSession, isUp, untilDown, type VmAnswer } from './vm-session.js';
import { bringUp } from './vm-up.js';

/** VMs beside the compositor VM, at most: each has a gigabyte of memory. */
export const MAX_CLIENT_VMS = 16;

const PACKAGES: Kind<readonly string[]> = {
  slot: text => text,
  parse: (text, before = []) => {
    // As Debian's policy has names of packages.
    if (/^[a-z0-9][a-z0-9+.-]+$/.test(text)) return [...before, text];
    throw new InvalidArgumentError('give the name of a Debian package.');
  },
};

const UP_OPTIONS = {
  package: optional('--package <name>', 'a Debian package that client VMs have; repeatable', PACKAGES),
  transport: withDefault('--transport <kind>', 'of all of them: wl, with our driver, or gpu, without', TRANSPORT, 'wl'),
  quiet: flag('-q, --quiet', 'do not show the consoles'),
} as const;

const name = (text: string): string => VM_NAME.parse(text, undefined);

export function registerDesktop(vm: Command): void {
  const up = vm
    .command('up')
    .summary('bring up VMs that stay')
    .description(
      'Makes what is missing, starts the broker and a host process for each VM, and boots the VMs: the first is the ' +
        'compositor VM (sway), the others are client VMs, each with a Wayland display for all of its programs. Programs are ' +
        'started by "vm run". What guests write is gone with them.',
    )
    .addArgument(
      new Argument('<vms...>', 'names: of the compositor VM, then of client VMs').argParser(
        (text, before: string[] | undefined) => [...(before ?? []), name(text)],
      ),
    )
    .action(async (names: string[], options: Values<typeof UP_OPTIONS>, command: Command) => {
      if (names.length < 2) command.error('error: name a compositor VM, and client VMs behind it', { exitCode: 2 });
      const twice = names.find((each, i) => names.indexOf(each) !== i);
      if (twice !== undefined) command.error(`error: two VMs are called "${twice}"`, { exitCode: 2 });
      if (names.length - 1 > MAX_CLIENT_VMS) {
        command.error(`error: ${names.length - 1} client VMs: at most ${MAX_CLIENT_VMS}`, { exitCode: 2 });
      }
      const { transport, quiet = false } = options;
      await bringUp({ names, transport, packages: [...new Set(options.package ?? [])], quiet });
    });
  addOptions(up, UP_OPTIONS);
  vm.command('run')
    .summary('run a program in a VM that is up')
    .description(
      "Runs it as the guest's user, with the display of its VM, and prints what it prints, as it comes. Ctrl-C ends the " +
        'program in the guest, and not the VM. Without a program it runs the commands of standard input, by a shell.',
    )
    .addArgument(new Argument('<vm>', 'which VM').argParser(name))
    .addArgument(new Argument('[words...]', 'a program and its arguments'))
    .action(async (which: string, program: string[]) => {
      const command = program.length > 0 ? program : ['sh', '-c', await standardInput()];
      process.exitCode = await askSession({ do: 'run', vm: which, command }, print, interrupted());
    });
  vm.command('console')
    .summary('follow the console of a VM that is up')
    .addArgument(new Argument('<vm>', 'which VM').argParser(name))
    .action(async (which: string) => {
      process.exitCode = await askSession({ do: 'console', vm: which }, print, interrupted());
    });
  vm.command('list')
    .summary('name the VMs that are up')
    .action(async () => {
      process.exitCode = await askSession({ do: 'list' }, print);
    });
  vm.command('down')
    .summary('end VMs that are up')
    .description('Ends these VMs, or all of them; also what a "vm up" that was killed has left.')
    .addArgument(
      new Argument('[vms...]', 'which VMs').argParser((text, before: string[] | undefined) => [
        ...(before ?? []),
        name(text),
      ]),
    )
    .action(async (vms: string[] = []) => {
      if (vms.length === 0 && !(await isUp())) {
        const ended = clearSession();
        process.stdout.write(ended === 0 ? 'no VMs are up\n' : `${ended} processes that were left are ended\n`);
        return;
      }
      await askSession({ do: 'down', vms }, print);
      if (vms.length === 0) await untilDown();
    });
}

function print(answer: VmAnswer): void {
  if ('output' in answer) process.stdout.write(answer.output);
  else if ('errors' in answer) process.stderr.write(answer.errors);
  else if ('line' in answer) process.stdout.write(`${answer.line}\n`);
  else if ('vms' in answer)
    for (const { name: vm, role, state } of answer.vms) process.stdout.write(`${vm}\t${role}\t${state}\n`);
}

/** A signal ends what was asked for, and the command with the status that signals have. */
function interrupted(): AbortSignal {
  const abort = new AbortController();
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => {
      abort.abort();
      process.exit(status);
    });
  }
  return abort.signal;
}

async function standardInput(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
  return text;
}
