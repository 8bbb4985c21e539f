/**
 * Every Wayland message that passes through a relay, in words, in the shape that WAYLAND_DEBUG gives them:
 *
 *     [1234567.890] work#3 -> wl_surface#5.attach(wl_buffer#7, 0, 0)
 *
 * Behind the time, which is the one of WAYLAND_DEBUG, stand the VM and the number of the client's connection. The arrow
 * tells where the message is, and so whose numbers the objects have. The client is to its left, the compositor to its
 * right:
 *
 *     ->  a request, as it came from the client        <-  an event, as it came from the compositor
 *     =>  a request of the relay's own                 <=  an event of the relay's own
 *
 * What a message that passes becomes on the other side is not shown: it is the same one with other numbers, it is left
 * out, or it is answered by `=>` and `<=`. What is typed, and the tokens that give rights, are left out ("...") unless
 * they are asked for; what is copied and pasted is in no message.
 */
import type { OwnedFd } from '../system/fd.js';
import { printable } from '../observe/printable.js';
import type { Arg, Message } from '../wayland/interface.js';
import { readArgs, type Bind, type WireValue } from '../wayland/wire.js';

/** Where a message is; see above. */
export type Arrow = '->' | '<-' | '=>' | '<=';

/** The longest string that is shown whole, in characters. */
export const MAX_STRING = 256;

const ALL = '*';

/** Arguments that tell what is typed, or give a right to a client that knows them, by interface and message. */
export const SECRETS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  wl_keyboard: { key: ['key'], enter: ['keys'], modifiers: [ALL] },
  zwp_virtual_keyboard_v1: { key: ['key'], modifiers: [ALL] },
  zwp_text_input_v1: {
    set_surrounding_text: [ALL],
    preedit_string: [ALL],
    commit_string: [ALL],
    delete_surrounding_text: [ALL],
    cursor_position: [ALL],
    preedit_cursor: [ALL],
    preedit_styling: [ALL],
    keysym: [ALL],
  },
  zwp_text_input_v3: {
    set_surrounding_text: [ALL],
    preedit_string: [ALL],
    commit_string: [ALL],
    delete_surrounding_text: [ALL],
  },
  xdg_activation_token_v1: { done: ['token'] },
  xdg_activation_v1: { activate: ['token'] },
  zxdg_exported_v1: { handle: ['handle'] },
  zxdg_importer_v1: { import: ['handle'] },
  zxdg_exported_v2: { handle: ['handle'] },
  zxdg_importer_v2: { import_toplevel: ['handle'] },
  ext_foreign_toplevel_handle_v1: { identifier: ['identifier'] },
  xdg_session_manager_v1: { get_session: ['session_id'] },
  xdg_session_v1: { created: ['session_id'] },
};

/** What all relays of a process trace to. */
export class TraceOutput {
  /** @param secrets whether what is typed is shown too */
  constructor(
    private readonly write: (line: string) => void,
    readonly secrets = false,
  ) {}

  /** The trace of one client's connection. */
  connection(vm: string, client: number): Trace {
    return new Trace(this, `${printable(vm)}#${client}`);
  }

  line(text: string): void {
    // Microseconds since 1970, cut to 32 bits, shown as milliseconds.
    const time = Math.floor((performance.timeOrigin + performance.now()) * 1000) % 2 ** 32;
    this.write(`[${(time / 1000).toFixed(3).padStart(11)}] ${text}`);
  }
}

/** What one relay tells its messages to. */
export class Trace {
  /** Ways on which the next message was shown before it was held back. */
  readonly #shown = new Set<Arrow>();

  constructor(
    private readonly output: TraceOutput,
    private readonly name: string,
  ) {}

  /** A message that has passed `checkMessage`. The fds are lent. */
  passing(
    arrow: Arrow,
    iface: string,
    id: number,
    message: Message,
    bytes: Uint8Array,
    offset: number,
    fds: readonly (OwnedFd | undefined)[],
  ): void {
    if (this.#shown.delete(arrow)) return;
    // Each gives its place among the arguments; it stays who it belongs to.
    this.own(arrow, iface, id, message, readArgs(message, bytes, offset, [...fds] as OwnedFd[]));
  }

  /** The message that passed last on this way is held back, and will pass again. */
  stalled(arrow: Arrow): void {
    this.#shown.add(arrow);
  }

  /** A message that the relay writes itself. */
  own(arrow: Arrow, iface: string, id: number, message: Message, args: readonly WireValue[]): void {
    const hidden = this.output.secrets ? [] : (SECRETS[iface]?.[message.name] ?? []);
    const shown = message.args.map((arg, i) =>
      hidden.includes(ALL) || hidden.includes(arg.name) ? '...' : argument(arg, args[i]),
    );
    this.output.line(`${this.name} ${arrow} ${iface}#${id}.${message.name}(${shown.join(', ')})`);
  }
}

function argument({ kind, interface: iface = 'object' }: Arg, value: WireValue | undefined): string {
  switch (kind) {
    case 'fd':
      return `fd ${(value as OwnedFd | undefined)?.fd ?? '?'}`;
    case 'object':
      // In messages of the relay's own, 0 is the null object.
      return value === undefined || value === 0 ? 'nil' : `${iface}#${value as number}`;
    case 'new_id':
      return `new id ${iface}#${value as number}`;
    case 'bind': {
      const { interface: name, version, id } = value as Bind;
      return `${text(name)}, ${version}, new id ${printable(name.slice(0, MAX_STRING))}#${id}`;
    }
    case 'string':
      return value === undefined ? 'nil' : text(value as string);
    case 'array':
      return `array[${(value as Uint8Array).length}]`;
    case 'fixed':
      return (value as number).toFixed(6);
    default:
      return `${value as number}`;
  }
}

function text(value: string): string {
  return `"${printable(value.slice(0, MAX_STRING))}${value.length > MAX_STRING ? '...' : ''}"`;
}
