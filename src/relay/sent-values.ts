/** Arguments of messages that a relay says itself: by name as its callers give them, in order as the wire has them. */
import type { OwnedFd } from '../system/fd.js';
import type { Message } from '../wayland/interface.js';
import type { ArgType } from '../wayland/message-types.js';
import type { Bind, WireValue } from '../wayland/wire.js';
import type { RelayObject } from './object-map.js';

type SendValue<A extends ArgType> = A['kind'] extends 'object'
  ? RelayObject<A['of']> | (A['nullable'] extends true ? undefined : never)
  : A['kind'] extends 'new_id'
    ? RelayObject<A['of']>
    : A['kind'] extends 'string'
      ? string | (A['nullable'] extends true ? undefined : never)
      : A['kind'] extends 'array'
        ? Uint8Array
        : A['kind'] extends 'bind'
          ? Bind
          : A['kind'] extends 'fd'
            ? OwnedFd
            : number;
/** Arguments of a message of the relay's own, by name. Objects are given as objects. */
export type SendValues<Args extends readonly ArgType[]> = { readonly [A in Args[number] as A['name']]: SendValue<A> };

/** Arguments by name, as the wire has them. `side` says whose ids are meant. */
export function positional(message: Message, args: object, side: 'clientId' | 'serverId'): WireValue[] {
  const named = args as Readonly<Record<string, WireValue | RelayObject>>;
  return message.args.map(({ name, kind }) => {
    const value = named[name];
    if (kind !== 'object' && kind !== 'new_id') return value as WireValue;
    return value === undefined ? undefined : (value as RelayObject)[side];
  });
}
