/**
 * The firewall: what stands between the clients of other VMs and the compositor, so that the compositor sees only what a
 * well-behaved client could have said. Every request passes it before anything else handles it; each of its rooms is one
 * concern of the relay's chain, and they share one model of the objects (`life.ts`).
 *
 * - `values.ts`: no request says a number that its protocol forbids, or that a compositor computes badly with
 * - `agreement.ts`: what is said agrees with what was said before
 * - `mime-types.ts`: what is offered is not more than a client can be told at once
 * - `drag-actions.ts`: what may be done with what is dragged
 * - `lifetimes.ts`, `lives.ts`: no object outlives what it needs
 * - `construction.ts`: nothing is said of a window before what has to come first
 * - `dismissals.ts`: nothing is said of a popup that its client may just have had dismissed
 * - `seats.ts`: the devices of a seat go before it
 * - `order.ts`: what needs another has a lower id, so that a compositor that destroys by ids does it in a legal order
 * - `roles.ts`: roles are given once, parents and subsurfaces make trees
 * - `serials.ts`: what needs an action of the user has one
 * - `regions.ts`: regions and damage have few rectangles
 * - `geometry.ts`: windows show nothing outside of themselves, cursors are small
 * - `text-inputs.ts`: no input method is disturbed by a window without the focus
 * - `population.ts`: kinds of objects that cost more than others are counted
 * - `bounds.ts`: how large one thing may be, for all of these
 * - `idle.ts`: nobody learns by it when a key is typed
 * - `pace.ts`: no VM is far ahead of the compositor
 *
 * `focus.ts` and `activation.ts` depend on a VM's policy and are added where that is known; `hidings.ts` (a window is hidden by
 * its own commit) is the last of all concerns and is added there as well.
 */
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';
import type { Relay, RelayRules } from '../relay/relay.js';
import { Tokens } from './activation.js';
import { agreementConcern } from './agreement.js';
import { boundsOf, type Bounds } from './bounds.js';
import { CHECKS } from './checks.js';
import { kindConcern } from './compositor-kind.js';
import { constructionConcern } from './construction.js';
import { dismissalsConcern } from './dismissals.js';
import { dragsConcern } from './drag-actions.js';
import { Focus } from './focus.js';
import { DEFAULT_PIXEL_BOUNDS, geometryConcern, type PixelBounds } from './geometry.js';
import { idleConcern } from './idle.js';
import { destroyInOrder, lifetimesConcern } from './lifetimes.js';
import { mimeTypesConcern } from './mime-types.js';
import { paceConcern } from './connection-pace.js';
import { destructionOrder, MAX_DEPENDENTS_PER_CLIENT } from './order.js';
import { Sharers, VmPace, type PaceClock } from './pace.js';
import { Population, populationConcern } from './population.js';
import { regionsConcern } from './regions.js';
import { rolesConcern, type Exports } from './roles.js';
import { seatsConcern } from './seats.js';
import { serialsConcern } from './serials.js';
import { textInputsConcern } from './text-inputs.js';
import { valuesConcern } from './values.js';

/** The names of the firewall's concerns: what others say that they come after. */
export const FIREWALL: readonly string[] = [
  ...CHECKS,
  'lifetimes',
  'seats',
  'construction',
  'dismissals',
  'roles',
  'serials',
  'regions',
  'geometry',
  'texts',
  'population',
  'idle',
];

/** What an id of the block costs the compositor, 0.6 µs, where a request is 1: see `pace.ts`. */
const ID_COST = 1 / 8;

/** What all clients of one VM share. */
export class VmFirewall {
  readonly pace: VmPace;
  readonly population: Population;
  readonly bounds: Bounds;
  readonly #counting: ReturnType<typeof populationConcern>;
  /** What serves all of its connections. Concerns of its own were most of what a connection costs in memory. */
  #serving: Serving | undefined;

  /** `limits`: numbers of a policy, by the names in `population.ts` and `bounds.ts`; `share`: of the compositor's time. */
  constructor(
    vm: string,
    limits?: Readonly<Record<string, number>>,
    readonly pixels: PixelBounds = DEFAULT_PIXEL_BOUNDS,
    share?: number,
  ) {
    this.bounds = boundsOf(limits);
    this.pace = new VmPace(share, this.bounds.ahead);
    this.population = new Population(vm, limits);
    this.#counting = populationConcern(this.population);
  }

  /** `shared` is the same for all connections. @internal */
  serving(shared: SharedFirewall): Serving {
    return (this.#serving ??= this.#serve(shared));
  }

  #serve(shared: SharedFirewall): Serving {
    const roles = rolesConcern(shared.exports, this.bounds);
    const concerns: readonly Concern[] = [
      valuesConcern(),
      agreementConcern(),
      mimeTypesConcern(),
      dragsConcern(),
      lifetimesConcern(),
      seatsConcern(),
      constructionConcern(),
      dismissalsConcern(),
      roles.concern,
      serialsConcern(),
      regionsConcern(this.bounds),
      geometryConcern(this.pixels, this.bounds.layers),
      textInputsConcern(),
      this.#counting.concern,
      idleConcern,
      paceConcern,
    ];
    return {
      concerns: concerns.map(each => ({ ...each, shared: true })),
      close: relay => {
        this.#counting.close(relay);
        roles.close(relay);
      },
    };
  }
}

interface Serving {
  readonly concerns: readonly Concern[];
  /** What a connection that has ended is counted for, or known by. */
  close(relay: Relay): void;
}

/** What the clients of all VMs share. */
export class SharedFirewall {
  /** Windows that were exported, by handle. */
  readonly exports: Exports = new Map<string, RelayObject<'xdg_toplevel'>>();
  /** Where the user's keys go. */
  readonly focus = new Focus();
  /** Activation tokens that were given. */
  readonly tokens = new Tokens();
  /** Who shares the compositor's time. */
  readonly sharers: Sharers;

  /** `clock`: a test's own time, by which nobody is late. */
  constructor(clock?: PaceClock) {
    this.sharers = new Sharers(clock);
  }
}

/** The firewall of one connection. */
export interface Firewall {
  /** For the rules of its relay. */
  readonly rules: Pick<RelayRules, 'pace' | 'leaving' | 'order' | 'frameDamage'>;
  /** What comes before the concerns that decide what there is at all (`globals`). */
  readonly first: readonly Concern[];
  /** What comes behind them. */
  readonly concerns: readonly Concern[];
  /** Once, when there is a relay, before it starts. */
  attach(relay: Relay): void;
}

export function firewall(vm: VmFirewall, shared: SharedFirewall): Firewall {
  const pace = vm.pace.connect(shared.sharers);
  const serving = vm.serving(shared);
  return {
    rules: {
      pace,
      leaving: destroyInOrder,
      frameDamage: vm.bounds.damage,
      order: destructionOrder(() => pace.charge(MAX_DEPENDENTS_PER_CLIENT * ID_COST)),
    },
    first: [kindConcern],
    concerns: serving.concerns,
    attach: relay => {
      pace.attach(relay);
      relay.on('close', () => {
        pace.close();
        serving.close(relay);
      });
    },
  };
}
