/**
 * The kernel's BPF machine, as far as the filters use it: what a filter answers to a call, without a kernel. It refuses
 * what the kernel's checker refuses: unknown instructions, jumps out of the program, loads past the data, no end.
 */

/** `struct seccomp_data` of linux/seccomp.h: 64 bytes. */
export interface Call {
  readonly number: number;
  /** AUDIT_ARCH_* of linux/audit.h. */
  readonly arch: number;
  readonly args?: readonly bigint[];
}

/** SECCOMP_RET_*, by what they mean here. */
export type Answer = 'allow' | 'kill' | `errno ${number}`;

const DATA_BYTES = 64;

export function ask(program: Uint8Array, call: Call): Answer {
  const data = new DataView(new ArrayBuffer(DATA_BYTES));
  data.setInt32(0, call.number, true);
  data.setUint32(4, call.arch, true);
  (call.args ?? []).forEach((value, i) => data.setBigUint64(16 + 8 * i, BigInt.asUintN(64, value), true));
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const length = program.length / 8;
  let accumulator = 0;
  for (let at = 0; at < length;) {
    const operation = code.getUint16(8 * at, true);
    const yes = code.getUint8(8 * at + 2);
    const no = code.getUint8(8 * at + 3);
    const k = code.getUint32(8 * at + 4, true);
    at++;
    switch (operation) {
      case 0x20: // load a word
        if (k % 4 !== 0 || k > DATA_BYTES - 4) throw new RangeError(`instruction ${at - 1} loads from ${k}`);
        accumulator = data.getUint32(k, true);
        break;
      case 0x15: // jump if equal
        at += accumulator === k ? yes : no;
        break;
      case 0x35: // jump if greater or equal, unsigned
        at += accumulator >= k ? yes : no;
        break;
      case 0x06: // return
        return answer(k);
      default:
        throw new RangeError(`instruction ${at - 1} has the unknown code ${operation}`);
    }
  }
  throw new RangeError('the program runs past its end');
}

function answer(value: number): Answer {
  switch (value & 0xffff0000) {
    case 0x7fff0000:
      return 'allow';
    case 0x80000000 | 0:
      return 'kill';
    case 0x00050000:
      return `errno ${value & 0xffff}`;
    default:
      throw new RangeError(`the program answers ${value.toString(16)}`);
  }
}
