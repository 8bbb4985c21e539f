/** The system call filters, run by a BPF machine of the test's own on both architectures. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import t from 'tap';
import { EARLY_REFUSALS, SERVER_RULES } from '../../src/sandbox/confinement.js';
import { compileFilter, compileRefusals, type Rule } from '../../src/sandbox/seccomp.js';
import {
  isSupported,
  SYSCALL_NAMES,
  syscallNumber,
  type Architecture,
  type SyscallName,
} from '../../src/sandbox/syscalls.js';
import { ask, type Answer } from './bpf.js';

/** Milliseconds, for a machine that is busy with other things. */
t.setTimeout(240_000);

const EPERM = 'errno 1';
const ENOSYS = 'errno 38';

/** AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64, and others' that a filter may meet on the same machine. */
const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 };
const OTHER_AUDIT = { x64: [0x40000003, AUDIT.arm64, 0], arm64: [0x40000028, AUDIT.x64, 0] }; // i386, 32-bit arm

/** Past the last call of any kernel. */
const NUMBERS = Array.from({ length: 1024 }, (_, number) => number);

/** Numbers that a list allows without a look at their arguments, and the rules with one. */
function split(rules: readonly Rule[], arch: Architecture) {
  const numbers = (names: SyscallName[]) =>
    new Set(names.map(name => syscallNumber(name, arch)).filter(number => number !== undefined));
  return {
    always: numbers(rules.flatMap(rule => (typeof rule === 'string' ? [rule] : []))),
    checked: rules.flatMap(rule => (typeof rule === 'string' ? [] : [rule])),
  };
}

for (const arch of ['x64', 'arm64'] as const) {
  t.test(`on ${arch}`, async t => {
    const filter = compileFilter(SERVER_RULES, arch);
    const asked = (number: number, args: bigint[] = []): Answer => ask(filter, { number, arch: AUDIT[arch], args });
    const { always, checked } = split(SERVER_RULES, arch);
    const checkedNumbers = new Set(checked.map(({ call }) => syscallNumber(call, arch)));
    const clone3 = syscallNumber('clone3', arch)!;

    t.test('what is on the list passes, whatever its arguments', async t => {
      t.ok(always.size > 75, `${always.size} calls`);
      const wild = Array.from({ length: 6 }, () => -1n);
      t.same(
        [...always].filter(number => asked(number) !== 'allow' || asked(number, wild) !== 'allow'),
        [],
      );
    });

    t.test('what is not on it fails with EPERM; clone3 is as good as not there', async t => {
      const others = NUMBERS.filter(number => !always.has(number) && !checkedNumbers.has(number) && number !== clone3);
      t.ok(others.length > 900);
      t.same(
        others.filter(number => asked(number) !== EPERM),
        [],
      );
      t.equal(asked(clone3), ENOSYS);
    });

    t.test('arguments are compared as a whole, in all 64 bits', async t => {
      t.same(checked.map(({ call }) => call).sort(), [
        'clone',
        'fanotify_mark',
        'ioctl',
        'name_to_handle_at',
        'prctl',
        'prlimit64',
        'socket',
        'socketpair',
      ]);
      for (const { call, when } of checked) {
        const number = syscallNumber(call, arch)!;
        const withArgument = (value: bigint): Answer => {
          // All others are as wrong as can be, so this is the one that the filter checks.
          const args = Array.from({ length: 6 }, () => 0x5a5a5a5a5a5a5a5an);
          args[when.argument] = value;
          return asked(number, args);
        };
        for (const value of when.oneOf.map(BigInt)) {
          t.equal(withArgument(value), 'allow', `${call} with 0x${value.toString(16)}`);
          t.equal(withArgument(value | (1n << 32n)), EPERM, 'but not with a bit above it');
          t.equal(withArgument(value | (1n << 63n)), EPERM);
          for (let bit = 0n; bit < 32n; bit++) {
            const near = value ^ (1n << bit);
            const expected = when.oneOf.includes(Number(near)) ? 'allow' : EPERM;
            if (withArgument(near) !== expected) t.fail(`${call} with 0x${near.toString(16)} is not ${expected}`);
          }
        }
        t.equal(withArgument(-1n), EPERM);
      }
    });

    t.test('a thread may be made, a process may not, nor a namespace', async t => {
      const clone = syscallNumber('clone', arch)!;
      const SIGCHLD = 17n;
      const THREAD = 0x3d0f00n;
      t.equal(asked(clone, [THREAD]), 'allow');
      t.equal(asked(clone, [SIGCHLD]), EPERM, 'fork');
      t.equal(asked(clone, [0x4100n | SIGCHLD]), EPERM, 'vfork');
      for (const flag of [0x00020000n, 0x02000000n, 0x04000000n, 0x08000000n, 0x10000000n, 0x20000000n, 0x40000000n]) {
        t.equal(asked(clone, [THREAD | flag]), EPERM, `CLONE_NEW* 0x${flag.toString(16)} with a thread`);
        t.equal(asked(clone, [SIGCHLD | flag]), EPERM);
      }
    });

    t.test('a call of another architecture, or of the x32 table, kills', async t => {
      for (const program of [filter, compileRefusals(EARLY_REFUSALS, arch)]) {
        for (const audit of OTHER_AUDIT[arch]) {
          t.same(
            NUMBERS.filter(number => ask(program, { number, arch: audit }) !== 'kill'),
            [],
            audit.toString(16),
          );
        }
        for (const number of [0x40000000, 0x40000000 + 59, 0x7fffffff, -1, -2147483648]) {
          t.equal(ask(program, { number, arch: AUDIT[arch] }), 'kill', `number ${number}`);
        }
      }
    });

    t.test('from the first instruction on there is no io_uring, and nothing else is missing', async t => {
      const early = compileRefusals(EARLY_REFUSALS, arch);
      const answers = NUMBERS.map(number => ask(early, { number, arch: AUDIT[arch] }));
      t.same(
        NUMBERS.filter(number => answers[number] === ENOSYS),
        [425, 426, 427],
      );
      t.equal(answers.filter(answer => answer === 'allow').length, NUMBERS.length - 3);
    });

    t.test('calls with which a process gets out, or gets at the kernel, are on no list', async t => {
      const known = new Set<string>(SERVER_RULES.map(rule => (typeof rule === 'string' ? rule : rule.call)));
      const out = [
        ...['execve', 'execveat', 'fork', 'vfork', 'ptrace', 'process_vm_readv', 'kill', 'mount', 'unshare', 'setns'],
        ...['bpf', 'perf_event_open', 'io_uring_setup', 'io_uring_enter', 'userfaultfd', 'keyctl', 'seccomp', 'chmod'],
      ];
      for (const name of out) t.notOk(known.has(name), name);
    });
  });
}

t.test('rules compile to what they say', async t => {
  const arch = AUDIT.x64;
  const socket = 41;
  const filter = (rules: Rule[]) => compileFilter(rules, 'x64');
  t.equal(ask(filter([]), { number: 0, arch }), EPERM, 'an empty list allows nothing');
  t.equal(ask(filter(['read']), { number: 0, arch }), 'allow');
  t.equal(ask(filter(['read']), { number: 1, arch }), EPERM);
  const several = filter([{ call: 'socket', when: { argument: 2, oneOf: [1, 5, 0xffffffff] } }, 'read']);
  const third = (value: bigint) => ask(several, { number: socket, arch, args: [0n, 0n, value] });
  t.same([1n, 5n, 0xffffffffn].map(third), ['allow', 'allow', 'allow']);
  t.same([0n, 2n, -1n, 0x1_00000001n].map(third), [EPERM, EPERM, EPERM, EPERM]);
  t.equal(ask(several, { number: 0, arch }), 'allow', 'a rule after one with a check still holds');
  const none = filter([{ call: 'socket', when: { argument: 0, oneOf: [] } }]);
  t.equal(ask(none, { number: socket, arch }), EPERM, 'no value, no call');
  const many = Array.from({ length: 300 }, (_, i) => i);
  t.throws(() => filter([{ call: 'socket', when: { argument: 0, oneOf: many } }]), /jump of the filter is too long/);
});

t.test('the numbers are those of the kernel', async t => {
  const define = (header: string): Map<string, string> => {
    const wanted = ['NEW_STAT', 'SET_GET_RLIMIT', 'SYS_CLONE3'].map(name => `__ARCH_WANT_${name}`);
    const defined = ['__BITS_PER_LONG=64', ...wanted];
    const text = execFileSync('cc', ['-E', '-dM', ...defined.map(name => `-D${name}`), '-'], {
      input: `#include <${header}>\n`,
      encoding: 'utf8',
    });
    return new Map([...text.matchAll(/^#define (__NR\w+) (\w+)$/gm)].map(([, name, value]) => [name!, value!]));
  };
  const check = (arch: Architecture, header: string): void => {
    const numbers = define(header);
    const numberOf = (name: string): number | undefined => {
      let value: string | undefined = `__NR_${name}`;
      while (value !== undefined && !/^\d+$/.test(value)) value = numbers.get(value);
      return value === undefined ? undefined : Number(value);
    };
    const wrong = SYSCALL_NAMES.filter(name => syscallNumber(name, arch) !== numberOf(name));
    t.same(wrong, [], `${arch}, in ${header}`);
  };
  if (isSupported(process.arch)) check(process.arch, 'asm/unistd.h');
  // The table that arm64 has in common with every newer machine.
  if (existsSync('/usr/include/asm-generic/unistd.h')) check('arm64', 'asm-generic/unistd.h');
});

t.test('the table has what a filter names, and no more', async t => {
  const listed = SERVER_RULES.map(rule => (typeof rule === 'string' ? rule : rule.call));
  const named = new Set([...listed, ...EARLY_REFUSALS, 'clone3']);
  t.same(
    SYSCALL_NAMES.filter(name => !named.has(name)),
    [],
  );
});

t.test('only machines with a table have a filter', async t => {
  t.ok(isSupported('x64') && isSupported('arm64'));
  for (const arch of ['ia32', 'arm', 'riscv64', 'ppc64', '', 'toString']) t.notOk(isSupported(arch), arch);
});
