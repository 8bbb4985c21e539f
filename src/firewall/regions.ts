/**
 * Regions and damage, kept here. A compositor works out the union of a region's rectangles as they are named, and again
 * where the region is used, so many small ones cost it much more than they cost their client. A `wl_region` is ours alone:
 * it is told to the compositor when something uses it, with a bounded number of rectangles, and then stays as it is until
 * it changes. Of a commit's damage, what goes beyond a number becomes one rectangle around it.
 *
 * Damage may grow: more is drawn than need be. An opaque region may shrink: more of what is behind is drawn. An input
 * region and a constraint's region stay exact, up to a number.
 */
import { ProtocolError, Verdict, type Call, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay } from '../relay/relay.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import type { Rect } from '../wayland/rect.js';
import type { Bounds } from './bounds.js';
import { CHECKS } from './checks.js';

interface Step {
  readonly add: boolean;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** What a `wl_region` of the client is. */
class Region {
  /** `compositor` is what the client made it by, and makes the compositor's own. */
  constructor(readonly compositor: RelayObject<'wl_compositor'>) {}

  readonly steps: Step[] = [];
  /** It has had more steps than are kept. */
  over = false;
  /** As the compositor knows it; undefined when it is to be told anew. */
  told: RelayObject<'wl_region'> | undefined;
  /** The same, with what may be left out left out. */
  toldOpaque: RelayObject<'wl_region'> | undefined;
}

/**
 * The concern for one connection.
 */
export function regionsConcern(bounds: Bounds): Concern {
  return {
    name: 'regions',
    after: [...CHECKS, 'lifetimes', 'construction', 'dismissals', 'roles', 'serials'],
    requests: regionRequests(bounds),
  };
}

function regionRequests(bounds: Bounds): RequestHandlers {
  const mostSteps = bounds['region-steps'];
  const step =
    (add: boolean) =>
    ({ relay, object, args }: Call<'wl_region', Omit<Step, 'add'>>): Verdict => {
      const region = object.data as Region;
      if (region.steps.length < mostSteps) region.steps.push({ add, ...args });
      else region.over = true;
      forget(relay, region);
      return Verdict.Drop;
    };
  /** The region as the compositor is to know it; undefined for none. */
  const exact = (relay: Relay, object: RelayObject<'wl_region'> | undefined): RelayObject<'wl_region'> | undefined => {
    if (object === undefined) return undefined;
    const region = object.data as Region;
    if (region.over) {
      const text = `virtwl: ${String(object)} has over ${mostSteps} rectangles (limit region-steps in its VM's policy), and has to stay exact`;
      throw new ProtocolError(1, WlDisplayError.no_memory, text);
    }
    return (region.told ??= tell(relay, region, region.steps));
  };
  const opaque = (relay: Relay, object: RelayObject<'wl_region'> | undefined): RelayObject<'wl_region'> | undefined => {
    if (object === undefined) return undefined;
    const region = object.data as Region;
    if (!region.over) return exact(relay, object);
    // What is taken away after the last step that is kept could be any part of it.
    return (region.toldOpaque ??= tell(relay, region, []));
  };
  return {
    wl_compositor: {
      create_region: ({ relay, object, args }) => {
        relay.adopt('wl_region', object.version, args.id, true, new Region(object));
        return Verdict.Drop;
      },
    },
    wl_region: {
      add: step(true),
      subtract: step(false),
      destroy: ({ relay, object }) => {
        forget(relay, object.data as Region);
        return Verdict.Drop;
      },
    },
    wl_surface: {
      ...damageRequests(bounds.damage),
      set_opaque_region: ({ relay, object, args }) => {
        relay.request(object, 'set_opaque_region', { region: opaque(relay, args.region) });
        return Verdict.Drop;
      },
      set_input_region: ({ relay, object, args }) => {
        relay.request(object, 'set_input_region', { region: exact(relay, args.region) });
        return Verdict.Drop;
      },
    },
    zwp_pointer_constraints_v1: {
      lock_pointer: ({ relay, object, args }) => {
        if (args.pointer.inert !== undefined) return Verdict.Forward; // the relay answers
        const region = exact(relay, args.region);
        const id = relay.adopt('zwp_locked_pointer_v1', object.version, args.id, false);
        relay.request(object, 'lock_pointer', { ...args, id, region });
        return Verdict.Drop;
      },
      confine_pointer: ({ relay, object, args }) => {
        if (args.pointer.inert !== undefined) return Verdict.Forward; // the relay answers
        const region = exact(relay, args.region);
        const id = relay.adopt('zwp_confined_pointer_v1', object.version, args.id, false);
        relay.request(object, 'confine_pointer', { ...args, id, region });
        return Verdict.Drop;
      },
    },
    zwp_locked_pointer_v1: {
      set_region: ({ relay, object, args }) => {
        relay.request(object, 'set_region', { region: exact(relay, args.region) });
        return Verdict.Drop;
      },
    },
    zwp_confined_pointer_v1: {
      set_region: ({ relay, object, args }) => {
        relay.request(object, 'set_region', { region: exact(relay, args.region) });
        return Verdict.Drop;
      },
    },
  };
}

/** Makes the compositor's own of a region. */
function tell(relay: Relay, { compositor }: Region, steps: readonly Step[]): RelayObject<'wl_region'> {
  const id = relay.inject('wl_region', compositor.version);
  relay.request(compositor, 'create_region', { id });
  for (const { add, x, y, width, height } of steps) {
    relay.request(id, add ? 'add' : 'subtract', { x, y, width, height });
  }
  relay.charge(steps.length + 1);
  return id;
}

/** It is not what the compositor was told any more. What uses it has a copy. */
function forget(relay: Relay, region: Region): void {
  for (const told of [region.told, region.toldOpaque]) if (told !== undefined) relay.request(told, 'destroy', {});
  region.told = region.toldOpaque = undefined;
}

// ---- damage ----------------------------------------------------------------------------------------------------

/** Rectangles of a surface's next commit, in one kind of coordinates. */
class Damage {
  #count = 0;
  /** Around all that was not passed on; undefined where there was none. */
  #around: { x1: number; y1: number; x2: number; y2: number } | undefined;

  /** Lets a rectangle go on, or puts it to what is kept until the commit. It is read only then. */
  add(call: { readonly args: Rect }, most: number): Verdict {
    this.#count += 1;
    if (this.#count <= most) return Verdict.Forward;
    const { x, y, width, height } = call.args;
    if (width <= 0 || height <= 0) return Verdict.Drop;
    const around = (this.#around ??= { x1: x, y1: y, x2: x, y2: y });
    around.x1 = Math.min(around.x1, x);
    around.y1 = Math.min(around.y1, y);
    around.x2 = Math.max(around.x2, x + width);
    around.y2 = Math.max(around.y2, y + height);
    return Verdict.Drop;
  }

  /** What is still to be said before the commit; there is none afterwards. */
  take(): Rect | undefined {
    const around = this.#around;
    this.#count = 0;
    this.#around = undefined;
    if (around === undefined) return undefined;
    const { x1, y1, x2, y2 } = around;
    return { x: x1, y: y1, width: Math.min(x2 - x1, INT32_MAX), height: Math.min(y2 - y1, INT32_MAX) };
  }
}

const INT32_MAX = 0x7fffffff;

/** Of surfaces that have had damage. */
const damages = new Note<{ readonly surface: Damage; readonly buffer: Damage }>();

function damageOf(surface: RelayObject): { readonly surface: Damage; readonly buffer: Damage } {
  let damage = damages.get(surface);
  if (damage === undefined) {
    damage = { surface: new Damage(), buffer: new Damage() };
    damages.set(surface, damage);
  }
  return damage;
}

const damageRequests = (most: number): NonNullable<RequestHandlers['wl_surface']> => ({
  damage: call => damageOf(call.object).surface.add(call, most),
  damage_buffer: call => damageOf(call.object).buffer.add(call, most),
  commit: ({ relay, object }) => {
    const damage = damages.get(object);
    const surface = damage?.surface.take();
    if (surface !== undefined) relay.request(object, 'damage', surface);
    const buffer = damage?.buffer.take();
    if (buffer !== undefined) relay.request(object, 'damage_buffer', buffer);
    return Verdict.Forward;
  },
});
