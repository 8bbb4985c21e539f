/**
 * What the generator believes of the connection that its steps make: which objects there are, what each was made from,
 * which role a surface took, whether it may have a buffer yet. It need not be right. It is there so that most steps are
 * ones that a compositor takes, and the sequence gets far before one ends it.
 */
import type { Interface, Message } from '../../../src/wayland/interface.js';
import type { Random } from '../../wayland/random.js';
import { DISPLAY_SLOT, interfaceNamed, messageNamed, type Argument, type Step } from './step.js';

/** An object as the generator sees it. */
export interface Thing {
  readonly slot: number;
  readonly type: Interface;
  readonly version: number;
  /** Slots of what it was made from and with: of an xdg_surface the xdg_wm_base and the wl_surface. */
  readonly about: readonly number[];
  alive: boolean;
  /** The kind of object that made a role of this surface: xdg_surface, wl_subsurface, wl_pointer, wl_data_device. */
  role: string | undefined;
  /** A configure was acknowledged: a buffer may be attached. */
  ready: boolean;
  /** What it has already been given, where once is all that is allowed: names of requests. */
  readonly had: Set<string>;
}

/** What a client finds when it comes. */
export interface Offered {
  /** Interfaces of globals with the version that the compositor offers and the relay carries. */
  readonly globals: ReadonlyMap<string, number>;
  /** wl_seat.capabilities: bits of a pointer, a keyboard, a touch screen. */
  readonly capabilities: number;
}

export class Model {
  readonly steps: Step[] = [];
  readonly things: Thing[] = [];
  readonly #bound = new Map<string, Thing>();

  constructor(
    readonly random: Random,
    readonly offered: Offered,
  ) {
    this.#add(interfaceNamed('wl_display'), 1, []);
  }

  get requests(): number {
    return this.steps.length;
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.random.below(n) === 0;
  }

  thing(slot: number): Thing {
    return this.things[slot]!;
  }

  /** Living objects of an interface, oldest first. */
  living(name: string): Thing[] {
    return this.things.filter(thing => thing.alive && thing.type.name === name);
  }

  /** The wl_surface under a role object, or the object that it is about most closely. */
  surfaceOf(thing: Thing): Thing | undefined {
    if (thing.type.name === 'wl_surface') return thing;
    for (const slot of thing.about) {
      const found = this.surfaceOf(this.thing(slot));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Alive, but something that it was made from is not. */
  isOrphan(thing: Thing): boolean {
    return thing.alive && thing.about.some(slot => !this.thing(slot).alive);
  }

  /** Whether the seat has the device that a request asks for. */
  hasDevice(request: string): boolean {
    const bit = ['get_pointer', 'get_keyboard', 'get_touch'].indexOf(request);
    return bit < 0 || (this.offered.capabilities & (1 << bit)) !== 0;
  }

  /** Whether a surface with an xdg_surface has no role yet: to commit it is an error. */
  isHalfMade(surface: Thing): boolean {
    return this.things.some(
      thing =>
        thing.alive && thing.type.name === 'xdg_surface' && thing.about[1] === surface.slot && thing.role === undefined,
    );
  }

  /** The one binding of a global that recipes share; undefined where it is not offered. */
  global(name: string): Thing | undefined {
    const bound = this.#bound.get(name);
    if (bound?.alive) return bound;
    const offered = this.offered.globals.get(name);
    if (offered === undefined) return undefined;
    const type = interfaceNamed(name);
    const version = Math.min(offered, type.version);
    const thing = this.#add(type, version, []);
    this.steps.push({ kind: 'bind', interface: name, version, makes: thing.slot });
    this.#bound.set(name, thing);
    return thing;
  }

  /** Takes what the compositor made. */
  take(name: string, version: number, about: readonly number[]): Thing {
    const thing = this.#add(interfaceNamed(name), version, about);
    this.steps.push({ kind: 'take', interface: name, makes: thing.slot });
    return thing;
  }

  roundtrip(): void {
    if (this.steps.at(-1)?.kind !== 'roundtrip') this.steps.push({ kind: 'roundtrip' });
  }

  user(does: 'press' | 'release' | 'key'): void {
    this.steps.push({ kind: 'user', does });
  }

  move(x: number, y: number): void {
    this.steps.push({ kind: 'user', does: 'move', x, y });
  }

  /** A request; returns what it makes, if it makes something. */
  request(target: Thing, name: string, ...args: Argument[]): Thing | undefined {
    const message = messageNamed(target.type, name);
    const newId = message.args.find(arg => arg.kind === 'new_id');
    const made =
      newId === undefined
        ? undefined
        : this.#add(interfaceNamed(newId.interface!), target.version, [target.slot, ...slotsOf(args)]);
    this.steps.push({
      kind: 'request',
      target: target.slot,
      name,
      args,
      ...(made !== undefined && { makes: made.slot }),
    });
    this.#note(target, message, args, made);
    return made;
  }

  /** As {@link request}, for those that make an object. */
  make(target: Thing, name: string, ...args: Argument[]): Thing {
    return this.request(target, name, ...args)!;
  }

  #add(type: Interface, version: number, about: readonly number[]): Thing {
    const slot = this.things.length;
    const thing = { slot, type, version, about, alive: true, role: undefined, ready: false, had: new Set<string>() };
    this.things.push(thing);
    return thing;
  }

  /** What a request changes in what we believe. */
  #note(target: Thing, message: Message, args: readonly Argument[], made: Thing | undefined): void {
    target.had.add(message.name);
    if (message.destructor && target.slot !== DISPLAY_SLOT) target.alive = false;
    for (const slot of slotsOf(args)) {
      const surface = this.thing(slot);
      surface.had.add(message.name);
      if (surface.type.name !== 'wl_surface') continue;
      const role = roleOf(message.name);
      // Of a subsurface and a drag the first surface gets the role (the icon, of a drag, is the second).
      if (role !== undefined && slot === roleSlot(message.name, args)) surface.role ??= role;
    }
    if (message.name === 'ack_configure') {
      const surface = this.surfaceOf(target);
      if (surface !== undefined) surface.ready = true;
    }
    if (made !== undefined && (message.name === 'get_toplevel' || message.name === 'get_popup')) target.role = 'taken';
  }
}

/** The role that a request gives a surface. */
export function roleOf(request: string): string | undefined {
  switch (request) {
    case 'get_xdg_surface':
      return 'xdg_surface';
    case 'get_subsurface':
      return 'wl_subsurface';
    case 'set_cursor':
      return 'wl_pointer';
    case 'start_drag':
      return 'wl_data_device';
    default:
      return undefined;
  }
}

function roleSlot(request: string, args: readonly Argument[]): number | undefined {
  const arg = request === 'start_drag' ? args[2] : request === 'set_cursor' ? args[1] : args[0];
  return typeof arg === 'object' && 'slot' in arg ? arg.slot : undefined;
}

export function slotsOf(args: readonly Argument[]): number[] {
  return args.flatMap(arg => (typeof arg === 'object' && 'slot' in arg ? [arg.slot] : []));
}
