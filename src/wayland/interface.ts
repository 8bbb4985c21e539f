/**
 * How a Wayland interface is described to the code that parses it. The tables in `protocols/` are made of these.
 *
 * A table is written as one line of text per message, and {@link defineInterface} computes the rest once at load: opcode,
 * number of fds, body size, and where the object ids are. So a table can be compared with the protocol's XML at a glance,
 * and the code that checks each message has nothing left to compute.
 *
 *     MESSAGE  = name [ '!' ] [ '@' since ] { ' ' ARG }      '!' marks a destructor; since is 1 when absent
 *     ARG      = name ':' KIND [ '(' interface ')' ] [ '?' ] '?' marks a string or object that may be null
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
  /** The arguments that hold an object id, in order: object, new_id and bind. */
  readonly objectArgs: readonly Arg[];
  /**
   * Where the id of each of `objectArgs` is, in bytes from the first byte of the message's header; undefined where it
   * depends on the length of an argument before it.
   */
  readonly objectOffsets: readonly number[] | undefined;
}

/** An interface as the code at run time knows it. */
export interface Interface {
  readonly name: string;
  /** The newest version that the table describes. */
  readonly version: number;
  readonly requests: readonly Message[];
  readonly events: readonly Message[];
}

/**
 * An interface together with the lines that describe it, for the compiler: `message-types.ts` reads them. `lines` is not
 * there at run time.
 */
export interface TypedInterface<
  Name extends string = string,
  Requests extends string = string,
  Events extends string = string,
> extends Interface {
  readonly name: Name;
  readonly lines: { readonly requests: Requests; readonly events: Events };
}

const KINDS: ReadonlySet<string> = new Set([
  'int',
  'uint',
  'fixed',
  'string',
  'object',
  'new_id',
  'bind',
  'array',
  'fd',
] satisfies ArgKind[]);

/** Bytes of the message header: object id, opcode and size. */
const HEADER_BYTES = 8;

function parseArg(text: string, line: string): Arg {
  const parts = /^(\w+):(\w+)(?:\((\w+)\))?(\?)?$/.exec(text);
  if (parts === null || !KINDS.has(parts[2]!)) throw new SyntaxError(`argument '${text}' of message '${line}'`);
  return {
    name: parts[1]!,
    kind: parts[2] as ArgKind,
    ...(parts[3] !== undefined && { interface: parts[3] }),
    ...(parts[4] !== undefined && { nullable: true }),
  };
}

function parseMessage(line: string, opcode: number): Message {
  const [head, ...rest] = line.split(' ');
  const parts = /^(\w+)(!)?(?:@(\d+))?$/.exec(head!);
  if (parts === null) throw new SyntaxError(`message '${line}'`);
  const args = rest.map(text => parseArg(text, line));

  const objectArgs: Arg[] = [];
  let objectOffsets: number[] | undefined = [];
  let size = 0;
  let fixed = true;
  for (const arg of args) {
    if (arg.kind === 'fd') continue; // not in the bytes at all: it goes beside them
    const hasId = arg.kind === 'object' || arg.kind === 'new_id' || arg.kind === 'bind';
    if (arg.kind === 'string' || arg.kind === 'array' || arg.kind === 'bind') fixed = false;
    if (hasId) {
      objectArgs.push(arg);
      if (fixed) objectOffsets?.push(HEADER_BYTES + size);
      else objectOffsets = undefined;
    }
    size += 4;
  }
  return {
    name: parts[1]!,
    opcode,
    since: parts[3] === undefined ? 1 : Number(parts[3]),
    destructor: parts[2] !== undefined,
    args,
    fds: args.filter(arg => arg.kind === 'fd').length,
    fixedSize: fixed ? size : -1,
    plain: args.every(arg => arg.kind === 'int' || arg.kind === 'uint' || arg.kind === 'fixed'),
    objectArgs,
    objectOffsets,
  };
}

/**
 * An interface whose lines are read when its first object is made: a process knows some 200 interfaces and meets thirty.
 * A class, and not getters of each object, so that looking a message up is the same code for all.
 */
class Table implements Interface {
  #requests: readonly Message[] | undefined;
  #events: readonly Message[] | undefined;

  constructor(
    readonly name: string,
    readonly version: number,
    private readonly requestLines: readonly string[],
    private readonly eventLines: readonly string[],
  ) {}

  get requests(): readonly Message[] {
    return (this.#requests ??= this.requestLines.map(parseMessage));
  }

  get events(): readonly Message[] {
    return (this.#events ??= this.eventLines.map(parseMessage));
  }
}

/**
 * Builds an interface from one line per message, in the order of their opcodes.
 * @throws SyntaxError, when its messages are first asked for, for a line that does not follow the grammar above.
 */
export function defineInterface<
  const Name extends string,
  const Requests extends string = never,
  const Events extends string = never,
>(
  name: Name,
  version: number,
  messages: { readonly requests?: readonly Requests[]; readonly events?: readonly Events[] } = {},
): TypedInterface<Name, Requests, Events> {
  const built: Interface = new Table(name, version, messages.requests ?? [], messages.events ?? []);
  return built as TypedInterface<Name, Requests, Events>;
}

const byName = new WeakMap<readonly Message[], Map<string, Message>>();

/** The message called `name` among an interface's requests or events; undefined where there is none. */
export function messageNamed(messages: readonly Message[], name: string): Message | undefined {
  let names = byName.get(messages);
  if (names === undefined) {
    names = new Map(messages.map(message => [message.name, message]));
    byName.set(messages, names);
  }
  return names.get(name);
}
