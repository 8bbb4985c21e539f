/**
 * System call filters of a confined process, as programs for the kernel's BPF machine. In both, a call from another
 * architecture's table kills the process.
 *
 * The one that counts is an allow-list: a call that is not on it fails with EPERM. The process installs it itself once
 * it is set up, so starting (exec, loading code) needs no place on it. The other is there from the first instruction on
 * and takes away what the process must not even set up: see {@link compileRefusals}.
 */
import { auditArchitecture, syscallNumber, type Architecture, type SyscallName } from './syscalls.js';

/** Which values an argument may have: 32-bit numbers, compared with all 64 bits of it. */
export interface Check {
  /** 0 to 5. */
  readonly argument: number;
  readonly oneOf: readonly number[];
}

/** A call that is allowed: always, or when an argument passes. */
export type Rule = SyscallName | { readonly call: SyscallName; readonly when: Check };

// Classic BPF, linux/bpf_common.h: class | size or operation | source.
const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
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

/** Compiles an allow-list into an array of `struct sock_filter` (8 bytes each). */
export function compileFilter(rules: readonly Rule[], arch: Architecture): Uint8Array {
  const program = [...nativeCallsOnly(arch)];
  for (const rule of rules) {
    const number = syscallNumber(typeof rule === 'string' ? rule : rule.call, arch);
    if (number === undefined) continue; // this machine has another call for it, which is on the list as well
    const body = typeof rule === 'string' ? [{ code: RETURN, k: RET_ALLOW }] : conditional(rule.when);
    program.push({ code: JUMP_EQUAL, k: number, jt: 0, jf: body.length }, ...body);
  }
  // Its flags are in memory, where no filter can look; at ENOSYS the C library turns to clone.
  program.push(...refusal('clone3', arch), { code: RETURN, k: RET_ERRNO | EPERM });
  return encode(program);
}

/**
 * Compiles a list of calls that the machine shall seem not to have (ENOSYS), while all others are allowed.
 *
 * For io_uring: a ring that was set up before the allow-list came would do file and socket operations that no filter
 * sees, and libuv, which sets one up at start where it can, does not live without it later.
 */
export function compileRefusals(calls: readonly SyscallName[], arch: Architecture): Uint8Array {
  return encode([
    ...nativeCallsOnly(arch),
    ...calls.flatMap(call => refusal(call, arch)),
    { code: RETURN, k: RET_ALLOW },
  ]);
}

/** Kills what comes from another table; leaves the call's number in the accumulator. */
function nativeCallsOnly(arch: Architecture): Instruction[] {
  return [
    { code: LOAD, k: DATA_ARCH },
    { code: JUMP_EQUAL, k: auditArchitecture(arch), jt: 1, jf: 0 },
    { code: RETURN, k: RET_KILL_PROCESS },
    { code: LOAD, k: DATA_NR },
    { code: JUMP_GREATER_EQUAL, k: X32_BIT, jt: 0, jf: 1 },
    { code: RETURN, k: RET_KILL_PROCESS },
  ];
}

/** Answers one call as a machine does that does not have it. */
function refusal(call: SyscallName, arch: Architecture): Instruction[] {
  const number = syscallNumber(call, arch);
  if (number === undefined) return [];
  return [
    { code: JUMP_EQUAL, k: number, jt: 0, jf: 1 },
    { code: RETURN, k: RET_ERRNO | ENOSYS },
  ];
}

/** Allows when the check passes, else refuses; never falls through. */
function conditional({ argument, oneOf }: Check): Instruction[] {
  return [
    // The high half: a 64-bit value must not look like a small one.
    { code: LOAD, k: dataArgument(argument) + 4 },
    { code: JUMP_EQUAL, k: 0, jt: 1, jf: 0 },
    { code: RETURN, k: RET_ERRNO | EPERM },
    { code: LOAD, k: dataArgument(argument) },
    ...oneOf.map((k, i) => ({ code: JUMP_EQUAL, k: k >>> 0, jt: oneOf.length - i, jf: 0 })),
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
