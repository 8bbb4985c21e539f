/**
 * The system call filter of a confined process: an allow-list, as a program for the kernel's BPF machine. A call that is
 * not on the list fails with EPERM; one from another architecture's table kills the process. It is installed by the
 * process itself once it is set up, so starting (exec, loading code) needs no place on the list.
 */
import { auditArchitecture, syscallNumber, type Architecture, type SyscallName } from './syscalls.js';

/** Which values an argument may have. Only its low 32 bits are compared, and the high ones must be 0. */
export type Check =
  /** One of these. */
  | { readonly argument: number; readonly oneOf: readonly number[] }
  /** All of these bits are set. */
  | { readonly argument: number; readonly has: number };

/** A call that is allowed: always, or when an argument passes. */
export type Rule = SyscallName | { readonly call: SyscallName; readonly when: Check };

// Classic BPF, linux/bpf_common.h: class | size or operation | source.
const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_SET = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const JUMP_GREATER_EQUAL = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

// linux/seccomp.h
const RET_KILL_PROCESS = 0x80000000;
const RET_ERRNO = 0x00050000;
const RET_ALLOW = 0x7fff0000;
const EPERM = 1;
const ENOSYS = 38;

// Offsets in struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6].
const DATA_NR = 0;
const DATA_ARCH = 4;
const dataArgument = (index: number): number => 16 + 8 * index;

/** Numbers from here on are the x32 table of x86-64, which nothing of ours uses. */
const X32_BIT = 0x40000000;

interface Instruction {
  readonly code: number;
  readonly k: number;
  readonly jt?: number;
  readonly jf?: number;
}

/** Compiles rules into an array of `struct sock_filter` (8 bytes each). */
export function compileFilter(rules: readonly Rule[], arch: Architecture): Uint8Array {
  const program: Instruction[] = [
    { code: LOAD, k: DATA_ARCH },
    { code: JUMP_EQUAL, k: auditArchitecture(arch), jt: 1, jf: 0 },
    { code: RETURN, k: RET_KILL_PROCESS },
    { code: LOAD, k: DATA_NR },
    { code: JUMP_GREATER_EQUAL, k: X32_BIT, jt: 0, jf: 1 },
    { code: RETURN, k: RET_KILL_PROCESS },
  ];
  for (const rule of rules) {
    const number = syscallNumber(typeof rule === 'string' ? rule : rule.call, arch);
    if (number === null) continue;
    const body = typeof rule === 'string' ? [{ code: RETURN, k: RET_ALLOW }] : conditional(rule.when);
    program.push({ code: JUMP_EQUAL, k: number, jt: 0, jf: body.length }, ...body);
  }
  const clone3 = syscallNumber('clone3', arch) as number;
  program.push(
    { code: JUMP_EQUAL, k: clone3, jt: 0, jf: 1 },
    { code: RETURN, k: RET_ERRNO | ENOSYS },
    { code: RETURN, k: RET_ERRNO | EPERM },
  );
  return encode(program);
}

/** Allows when the check passes, else refuses; never falls through. */
function conditional(check: Check): Instruction[] {
  const values = 'oneOf' in check ? check.oneOf : [];
  const tests: Instruction[] =
    'has' in check
      ? [{ code: JUMP_SET, k: check.has, jt: 1, jf: 0 }]
      : values.map((k, i) => ({ code: JUMP_EQUAL, k: k >>> 0, jt: values.length - i, jf: 0 }));
  return [
    // The high half: a 64-bit value must not look like a small one.
    { code: LOAD, k: dataArgument(check.argument) + 4 },
    { code: JUMP_EQUAL, k: 0, jt: 1, jf: 0 },
    { code: RETURN, k: RET_ERRNO | EPERM },
    { code: LOAD, k: dataArgument(check.argument) },
    ...tests,
    { code: RETURN, k: RET_ERRNO | EPERM },
    { code: RETURN, k: RET_ALLOW },
  ];
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(8 * program.length);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, k, jt = 0, jf = 0 }, i) => {
    if (jt > 255 || jf > 255) throw new Error('a jump of the filter is too long');
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, jt);
    view.setUint8(8 * i + 3, jf);
    view.setUint32(8 * i + 4, k >>> 0, true);
  });
  return bytes;
}
