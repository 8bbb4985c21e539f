/**
 * What every compositor says of its own accord and every window waits for: what a seat has as soon as it is bound, and a
 * configure at a window's first commit, which the client acknowledges before it shows anything.
 */
import { eventually } from '../eventually.js';
import { WlSeatCapability } from '../../src/wayland/protocols/wayland.js';
import type { Received, Peer } from './peer.js';

const EVERY_DEVICE = WlSeatCapability.pointer | WlSeatCapability.keyboard | WlSeatCapability.touch;

/** The xdg_surface of a surface, as a compositor sees it. */
interface Shell {
  readonly xdgSurface: number;
  role: boolean;
  configured: boolean;
}

/** Has a compositor say these things. One for each connection. */
export class Manners {
  readonly #shells = new Map<number, Shell>();
  readonly #taken = new Set<number>();
  #serial = 1000;

  constructor(private readonly compositor: Peer) {}

  /** For {@link Peer.answer}. */
  answer({ id, name, args }: Received): void {
    switch (name) {
      case 'wl_registry.bind': {
        const bind = args.find(arg => typeof arg === 'object' && 'interface' in arg)!;
        if (bind.interface === 'wl_seat') this.compositor.say(bind.id, 'capabilities', [EVERY_DEVICE]);
        break;
      }
      case 'xdg_wm_base.get_xdg_surface':
        this.#shells.set(args[1] as number, { xdgSurface: args[0] as number, role: false, configured: false });
        break;
      case 'xdg_surface.get_toplevel':
      case 'xdg_surface.get_popup':
        for (const shell of this.#shells.values()) {
          if (shell.xdgSurface === id) Object.assign(shell, { role: true, configured: false });
        }
        break;
      case 'xdg_surface.destroy':
        for (const [surface, shell] of this.#shells) if (shell.xdgSurface === id) this.#shells.delete(surface);
        break;
      case 'wl_surface.attach':
        if (args[0] === undefined) this.#taken.add(id);
        else this.#taken.delete(id);
        break;
      case 'wl_surface.commit':
        this.#commit(id);
    }
  }

  #commit(surface: number): void {
    const shell = this.#shells.get(surface);
    const hidden = this.#taken.delete(surface);
    if (shell?.role !== true) return;
    if (shell.configured) shell.configured = !hidden;
    else {
      shell.configured = true;
      this.compositor.say(shell.xdgSurface, 'configure', [this.#serial++]);
    }
  }
}

/** Commits a client's window or popup for the first time, and acknowledges what it is told. */
export async function firstCommit(client: Peer, surface: number, xdgSurface: number): Promise<void> {
  const told = (): Received[] => client.all('xdg_surface.configure').filter(({ id }) => id === xdgSurface);
  const before = told().length;
  client.say(surface, 'commit');
  await eventually('a configure', () => told().length > before || client.ended);
  if (!client.ended) client.say(xdgSurface, 'ack_configure', [told().at(-1)!.args[0]]);
}

/** A positioner that says enough of a popup's place. */
export function positionerOf(client: Peer, wmBase: number): number {
  const positioner = client.make(wmBase, 'create_positioner');
  client.say(positioner, 'set_size', [10, 10]);
  client.say(positioner, 'set_anchor_rect', [0, 0, 1, 1]);
  return positioner;
}
