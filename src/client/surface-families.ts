/**
 * What belongs to a surface: the objects that say its state or its role, and its place in a tree of subsurfaces. Who holds
 * requests back has to know which of them are about the same surface, and whose commit shows whose state.
 */
import type { Call, RequestHandlers } from '../relay/call.js';
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import { findObjects, MAX_OBJECT_ARGS, readUint } from '../wayland/wire.js';

/** Interfaces of objects that belong to the surface that the request which makes them names, or to its owner. */
const OF_A_SURFACE = [
  'xdg_surface',
  'xdg_toplevel',
  'xdg_popup',
  'xdg_dialog_v1',
  'zxdg_toplevel_decoration_v1',
  'org_kde_kwin_server_decoration',
  'wp_viewport',
  'wp_fractional_scale_v1',
  'wp_content_type_v1',
  'wp_tearing_control_v1',
  'wp_alpha_modifier_surface_v1',
  'wp_color_representation_surface_v1',
  'zwp_locked_pointer_v1',
  'zwp_confined_pointer_v1',
  'zwp_idle_inhibitor_v1',
  'zwp_keyboard_shortcuts_inhibitor_v1',
] as const;

/** Requests of a wl_subsurface that are its parent's state. */
const PLACES = new Set(['set_position', 'place_above', 'place_below']);

const places = new Int32Array(MAX_OBJECT_ARGS);

/** The objects that a request is said to, and names. */
export function namedBy({ relay, object, message, bytes, offset }: Call): RelayObject[] {
  const named = [object];
  const count = findObjects(message, bytes, offset, places);
  for (let i = 0; i < count; i++) {
    const arg = message.objectArgs[i]!;
    if (arg.kind !== 'object') continue;
    const other = relay.clientObject(readUint(bytes, places[i]!));
    if (other !== undefined) named.push(other);
  }
  return named;
}

interface Place {
  readonly surface: RelayObject;
  readonly parent: RelayObject;
  synchronized: boolean;
}

/** Of an object that was made of a surface: that surface. */
const owners = new Note<RelayObject>();
/** Of a subsurface, and of the surface that is one. */
const subsurfaces = new Note<Place>();
const placeOf = new Note<Place>();

export class SurfaceFamilies {
  readonly concern: Concern = {
    name: 'families',
    requests: {
      wl_subsurface: {
        set_sync: ({ object }) => this.#synchronize(object, true),
        set_desync: ({ object }) => this.#synchronize(object, false),
      },
    } satisfies RequestHandlers,
    made: {
      ...Object.fromEntries(
        OF_A_SURFACE.map(name => [name, (object: RelayObject, call: Call) => this.#own(object, call)]),
      ),
      wl_subsurface: (object, call: Call) => {
        const [, surface, parent] = namedBy(call);
        // A loop is the compositor's to refuse, and ours not to follow.
        if (surface === undefined || parent === undefined || this.#isBelow(parent, surface)) return;
        const place = { surface, parent, synchronized: true };
        subsurfaces.set(object, place);
        placeOf.set(surface, place);
      },
    },
    gone: {
      wl_subsurface: object => {
        const place = subsurfaces.get(object);
        if (place !== undefined && placeOf.get(place.surface) === place) placeOf.delete(place.surface);
      },
    },
  };

  /** The surfaces that `request` of `object`, or one that names it, is about. */
  surfacesOf(object: RelayObject, request: string): readonly RelayObject[] {
    if (object.is('wl_surface')) return [object];
    const place = subsurfaces.get(object);
    if (place !== undefined) return PLACES.has(request) ? [place.parent] : [place.surface, place.parent];
    const owner = owners.get(object);
    return owner === undefined ? [] : [owner];
  }

  /** Whether commits of `surface` take effect with a commit of another one, an ancestor. */
  isSynchronized(surface: RelayObject): boolean {
    for (let place = placeOf.get(surface); place !== undefined; place = placeOf.get(place.parent)) {
      if (place.synchronized) return true;
    }
    return false;
  }

  /** Whether commits of `surface` wait for those of `ancestor`. */
  isShownBy(surface: RelayObject, ancestor: RelayObject): boolean {
    let waits = false;
    for (let place = placeOf.get(surface); place !== undefined; place = placeOf.get(place.parent)) {
      waits ||= place.synchronized;
      if (place.parent === ancestor) return waits;
    }
    return false;
  }

  /** Whether the order of commits of both matters: of one surface, or where one shows the other. */
  areTied(one: RelayObject, other: RelayObject): boolean {
    return one === other || this.isShownBy(one, other) || this.isShownBy(other, one);
  }

  #isBelow(surface: RelayObject, ancestor: RelayObject): boolean {
    for (let at: RelayObject | undefined = surface; at !== undefined; at = placeOf.get(at)?.parent) {
      if (at === ancestor) return true;
    }
    return false;
  }

  #synchronize(subsurface: RelayObject, synchronized: boolean): Verdict {
    const place = subsurfaces.get(subsurface);
    if (place !== undefined) place.synchronized = synchronized;
    return Verdict.Forward;
  }

  #own(object: RelayObject, call: Call): void {
    for (const named of namedBy(call)) {
      const [surface] = this.surfacesOf(named, call.message.name);
      if (surface === undefined) continue;
      owners.set(object, surface);
      return;
    }
  }
}
