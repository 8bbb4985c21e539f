/**
 * How a Wayland interface is described to the code that parses it. The tables in `protocols/` are made of these.
 */

/** Argument kinds of the wire. `bind` is wl_registry.bind's untyped new_id: string, uint, new_id on the wire. */
export type ArgKind = 'int' | 'uint' | 'fixed' | 'string' | 'object' | 'new_id' | 'bind' | 'array' | 'fd';

export interface Arg {
  readonly name: string;
  readonly kind: ArgKind;
  /** The interface of an object or new_id, where the protocol names one. */
  readonly interface?: string;
  /** Whether a string or object may be null. */
  readonly nullable?: boolean;
}

/** One request or event. */
export interface Message {
  readonly name: string;
  /** Its opcode: the place in the interface's list. */
  readonly opcode: number;
  /** The first version of the interface that has it. */
  readonly since: number;
  /** A destructor: the object is gone after it. */
  readonly destructor: boolean;
  readonly args: readonly Arg[];
  /** How many arguments are fds. */
  readonly fds: number;
  /** Body size in bytes where no argument varies in length, else -1. */
  readonly fixedSize: number;
  /** Whether it has neither fd, object, new_id nor anything of variable length: can be forwarded by its sender alone. */
  readonly plain: boolean;
}

export interface Interface {
  readonly name: string;
  /** The newest version that the table describes. */
  readonly version: number;
  readonly requests: readonly Message[];
  readonly events: readonly Message[];
}
