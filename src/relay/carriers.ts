/**
 * What the fds of the protocols are. Only vfds cross a link, so each fd is carried by what it is, and an fd passes only
 * where this table says so: a message with an fd that is not here is refused at start, if a remote client could send or
 * get it at all, and when it comes.
 */
import type { OwnedFd } from '../system/fd.js';
import type { Interface } from '../wayland/interface.js';
import { interfaces } from '../wayland/protocols/index.js';
import type { Call } from './call.js';

/**
 * - `memory`: shared memory, for pixels
 * - `keymap`: memory with a keymap, or nothing of use where the keyboard has none
 * - `sink`: the end of a pipe (or a file) that the other side writes to
 */
export type FdKind = 'memory' | 'keymap' | 'sink';

/** Brings an fd to the other side: the result is sent, the argument is the function's. */
export type Carrier = (call: Call, fd: OwnedFd) => OwnedFd;

/** The carriers of one way, by what an fd is. Without one, such an fd does not pass. */
export type Carriers = Readonly<Partial<Record<FdKind, Carrier>>>;

/** Every message with an fd that a relay carries: each has exactly one. */
const KINDS: Readonly<Record<string, FdKind>> = {
  'wl_shm.create_pool': 'memory',
  'wl_keyboard.keymap': 'keymap',
  'wl_data_offer.receive': 'sink',
  'wl_data_source.send': 'sink',
  'zwp_primary_selection_offer_v1.receive': 'sink',
  'zwp_primary_selection_source_v1.send': 'sink',
  'gtk_primary_selection_offer.receive': 'sink',
  'gtk_primary_selection_source.send': 'sink',
  'virtwl_slab_v1.memory': 'memory',
};

/** What the fd of a message is; undefined where no fd of it passes. */
export function fdKind(interfaceName: string, message: string): FdKind | undefined {
  return KINDS[`${interfaceName}.${message}`];
}

/**
 * Proves that every fd that can come through `globals` has a kind: of the interfaces that are bound by them, and of
 * those that these make.
 * @throws Error that names the message
 */
export function checkFdKinds(globals: Iterable<string>): void {
  const seen = new Set<string>();
  const waiting = [...globals];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const table: Interface | undefined = interfaces.get(name);
    if (table === undefined) throw new Error(`${name} is announced, and there is no table for it`);
    for (const message of [...table.requests, ...table.events]) {
      if (message.fds > 0 && (message.fds > 1 || fdKind(name, message.name) === undefined)) {
        throw new Error(`${name}.${message.name} has an fd, and nothing says what it is: add it to relay/carriers.ts`);
      }
      for (const arg of message.args) {
        if (arg.kind === 'new_id' && arg.interface !== undefined) waiting.push(arg.interface);
      }
    }
  }
}
