/**
 * Steady frames: most of what a client says is the same frame again, another buffer of the same size with some damage, a
 * callback and a commit. Where a concern has found that nothing it knows changes by such a frame, the surface is steady and
 * its frames pass natively (`pass.ts`), until anything is said on the connection that may matter to a frame. What does not
 * matter is listed here; all else does.
 *
 * The concern that finds it looks at a frame when it has gone through all others: `firewall/steady-frames.ts`.
 */
import type { Message } from '../wayland/interface.js';
import { interfaces } from '../wayland/protocols/index.js';
import type { RelayObject } from './object-map.js';

/** All that interfaces say and are told. */
const CALM_INTERFACES = [
  'wl_display',
  'wl_callback',
  'wl_shm',
  'wl_shm_pool',
  'wl_buffer',
  'wl_pointer',
  'wl_keyboard',
  'wl_touch',
  'zwp_relative_pointer_v1',
  'wp_presentation',
  'wp_presentation_feedback',
  'virtwl_memory_v1',
];
/** What a surface says in a frame: it matters to that surface alone. */
const FRAME_REQUESTS = ['attach', 'damage', 'damage_buffer', 'frame', 'commit'];

const calm = new Set<Message>([
  ...CALM_INTERFACES.flatMap(name => {
    const iface = interfaces.get(name)!;
    return [...iface.requests, ...iface.events];
  }),
  ...interfaces.get('wl_surface')!.requests.filter(({ name }) => FRAME_REQUESTS.includes(name)),
]);

/** The steady surfaces of one connection. */
export class Steady {
  readonly #surfaces = new Set<RelayObject>();
  #disturbances = 0;

  /** How often something was said that may matter to a frame. */
  get disturbances(): number {
    return this.#disturbances;
  }

  /** A request or event is dealt with by TypeScript: `object` is told it, or tells it. */
  said(object: RelayObject, message: Message): void {
    if (calm.has(message)) {
      if (this.#surfaces.size > 0 && this.#surfaces.delete(object)) object.picture = 0;
      return;
    }
    this.#disturbances += 1;
    for (const surface of this.#surfaces) surface.picture = 0;
    this.#surfaces.clear();
  }

  /** Frames of `surface` with buffers of that picture change nothing from now on. */
  add(surface: RelayObject, picture: number): void {
    surface.picture = picture;
    this.#surfaces.add(surface);
  }
}
