/**
 * Keeps every object's life as the protocols have it (`lives.ts`), before the compositor sees anything of it. A request
 * that would destroy what a living object needs is refused with the protocol's own error, or the dependent is taken away
 * from the compositor first and is inert for the client. Roles are given once. Parents and subsurfaces make trees. A client
 * that leaves has its objects destroyed newest first, which is an order that every protocol allows.
 */
import { ProtocolError, Verdict, type Call, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { Inert, RelayObject } from '../relay/object-map.js';
import { ConnectionNote } from '../relay/note.js';
import type { Relay } from '../relay/relay.js';
import { interfaces } from '../wayland/protocols/index.js';
import { WlSurfaceError } from '../wayland/protocols/wayland.js';
import { isOldWlroots } from './compositor-kind.js';
import { knownLife, lifeOf, popupLives, tie, untie, wmBaseOf, xdgSurfaceOf, type Life } from './life.js';
import { LIVES, NEEDED, type Gone, type LifeRules } from './lives.js';
import { leaveTree } from './window-tree.js';

/** The concern for one connection. */
export function lifetimesConcern(): Concern {
  return { name: 'lifetimes', after: ['globals'], made: madeHandlers, gone: goneHandlers, requests: destructors };
}

/**
 * Destroys what of a client the compositor has that is tied to anything: each object after all that need it, the newest
 * first. For `RelayRules.leaving`: true where the compositor has to read it.
 */
export function destroyInOrder(relay: Relay): boolean {
  const done = new Set<RelayObject>();
  const destroy = (object: RelayObject): void => {
    if (done.has(object)) return;
    done.add(object);
    for (const dependent of [...(knownLife(object)?.dependents ?? [])].reverse()) destroy(dependent);
    if (object.serverId === 0 || object.destroyed || !hasDestructor(object)) return;
    end(relay, object, { text: 'the client has left' });
  };
  const tied = [...relay.objects()].flatMap(object => {
    const life = knownLife(object);
    return life !== undefined && (life.needs.length > 0 || life.dependents.size > 0) ? [life] : [];
  });
  tied.sort((a, b) => b.number - a.number);
  for (const { object } of tied) destroy(object);
  return tellings.get(relay) === true;
}

/** The compositor's end of an object that the client keeps, inert, or is about to destroy itself. */
function end(relay: Relay, object: RelayObject, inert: Inert): void {
  prepareEnd(relay, object);
  relay.detach(object, inert);
  if (object.is('xdg_popup') && inDoubt(relay, object)) tellEnd(relay, object);
}

/** Says what wlroots 0.15 has to be told before a window or popup is destroyed. */
function prepareEnd(relay: Relay, object: RelayObject): void {
  if (object.is('xdg_popup')) commitFirst(relay, object);
  if (object.is('xdg_toplevel')) leaveTree(relay, object);
}

/**
 * Commits a popup that never was, without a picture, before it is destroyed. wlroots 0.15 tells a compositor of a popup
 * as soon as it is made, and of its end only if it was committed: sway and cage keep one that is freed otherwise.
 */
function commitFirst(relay: Relay, popup: RelayObject<'xdg_popup'>): void {
  const life = knownLife(popup);
  const surface = life?.surface;
  if (life?.committed !== false || surface?.is('wl_surface') !== true) return;
  if (popup.inert !== undefined || surface.inert !== undefined || surface.destroyed) return;
  life.committed = true;
  // What was attached is not to be shown, and before a configure it would be an error of the client's.
  relay.request(surface, 'attach', { buffer: undefined, x: 0, y: 0 });
  relay.request(surface, 'commit', {});
}

/** Whether the compositor may have dismissed a popup before it was committed, and told nobody of that. */
function inDoubt(relay: Relay, popup: RelayObject): boolean {
  return isOldWlroots(relay) && knownLife(popup)?.configured === false;
}

/** Of connections on which an end was told: they are not closed before that was read. */
const tellings = new ConnectionNote<boolean>();

/** How often the end of a popup is told: two tellings, right behind each other, are not both cut in two on the way. */
const TELLINGS = 2;
/** What a telling costs, in requests. */
const TELLING_COST = 4;

/**
 * After a popup is destroyed that the compositor may have dismissed before it was committed, by itself, for the focus went
 * elsewhere: nobody was told of its end then. The end of another one on the same xdg_surface is told to all who wait for
 * that, of the first as well. That one is committed at once, unless the compositor reads one half of a telling and dismisses
 * it before it reads the other.
 */
function tellEnd(relay: Relay, { life }: RelayObject): void {
  const { surface, parent } = life as Life;
  const xdgSurface = surface && knownLife(surface)?.roleObject;
  let window = parent;
  while (window?.is('xdg_popup') === true) window = knownLife(window)?.parent;
  const above = window && xdgSurfaceOf(window);
  if (surface?.is('wl_surface') !== true || xdgSurface?.is('xdg_surface') !== true || above === undefined) return;
  const base = wmBaseOf(xdgSurface);
  if (!base.is('xdg_wm_base') || [surface, xdgSurface, above].some(({ serverId }) => serverId === 0)) return;
  tellings.set(relay, true);
  relay.charge(TELLINGS * TELLING_COST);
  const positioner = relay.inject('xdg_positioner', base.version);
  relay.request(base, 'create_positioner', { id: positioner });
  relay.request(positioner, 'set_size', { width: 1, height: 1 });
  relay.request(positioner, 'set_anchor_rect', { x: 0, y: 0, width: 1, height: 1 });
  for (let i = 0; i < TELLINGS; i++) {
    const popup = relay.inject('xdg_popup', base.version);
    relay.request(xdgSurface, 'get_popup', { id: popup, parent: above, positioner });
    relay.request(surface, 'attach', { buffer: undefined, x: 0, y: 0 });
    relay.request(surface, 'commit', {});
    relay.request(popup, 'destroy', {});
  }
  relay.request(positioner, 'destroy', {});
}

function hasDestructor(object: RelayObject): boolean {
  return object.interface.requests.some(({ destructor, args }) => destructor && args.length === 0);
}

// ---- needs -----------------------------------------------------------------------------------------------------

const madeHandlers = Object.fromEntries(
  Object.entries(LIVES).map(([name, rules]) => [
    name,
    (object: RelayObject, call: Call) => tieToNeeds(object, rules, call),
  ]),
) as NonNullable<Concern['made']>;

const goneHandlers = Object.fromEntries(Object.keys(LIVES).map(name => [name, untie])) as NonNullable<Concern['gone']>;

const destructors = Object.fromEntries(
  NEEDED.map(name => {
    const destructor = interfaces.get(name)!.requests.find(message => message.destructor)!;
    return [name, { [destructor.name]: (call: Call) => release(call.relay, call.object) }];
  }),
) as RequestHandlers;

function tieToNeeds(object: RelayObject, rules: LifeRules, call: Call): void {
  const args = call.args as Readonly<Record<string, unknown>>;
  for (const { by, gone } of rules.needs) {
    const need = (by === 'maker' ? call.object : args[by]) as RelayObject | undefined;
    if (need === undefined) continue;
    const { only } = rules;
    if (only?.per === by && hasOne(need, object.interface.name, rules)) {
      throw new ProtocolError(
        call.object.clientId,
        only.code,
        `${String(need)} has a ${object.interface.name} already`,
      );
    }
    tie(object, need, gone);
  }
}

/** Whether `need` has an object of that kind already. A surface's children are not its own subsurface. */
function hasOne(need: RelayObject, interfaceName: string, { needs, only }: LifeRules): boolean {
  const place = needs.findIndex(({ by }) => by === only?.per);
  const kind: readonly string[] = only?.among ?? [interfaceName];
  for (const other of knownLife(need)?.dependents ?? []) {
    if (other.inert !== undefined || !kind.includes(other.interface.name)) continue;
    if (knownLife(other)?.needs[place]?.object === need) return true;
  }
  return false;
}

/** What needs `object` is refused to lose it, or loses it first. */
function release(relay: Relay, object: RelayObject): Verdict {
  const dependents = [...(knownLife(object)?.dependents ?? [])].reverse();
  for (const dependent of dependents) refuseIfNeeded(object, dependent);
  for (const dependent of dependents) takeAway(relay, dependent, goneOf(dependent, object));
  if (object.is('xdg_popup') && inDoubt(relay, object)) {
    end(relay, object, { text: 'its client destroys it' });
    return Verdict.Drop;
  }
  prepareEnd(relay, object);
  return Verdict.Forward;
}

function refuseIfNeeded(object: RelayObject, dependent: RelayObject): void {
  // A surface under an xdg_surface with a role is refused for the role, by the surface's own error.
  if (object.is('wl_surface') && dependent.is('xdg_surface') && knownLife(dependent)?.roleObject !== undefined) {
    throw new ProtocolError(
      object.clientId,
      WlSurfaceError.defunct_role_object,
      `${String(object)} was destroyed before its role object, ${String(knownLife(dependent)?.roleObject)}`,
    );
  }
  const gone = goneOf(dependent, object);
  if (gone.then === 'refuse') throw new ProtocolError((gone.about ?? object).clientId, gone.code, gone.text);
}

function goneOf(dependent: RelayObject, need: RelayObject): Gone {
  const tied = knownLife(dependent)?.needs.find(({ object }) => object === need);
  return tied?.gone ?? { then: 'inert' };
}

/** Takes an object away from the compositor, and before it all that needs it. */
export function takeAway(relay: Relay, object: RelayObject, gone: Gone): void {
  for (const dependent of [...(knownLife(object)?.dependents ?? [])].reverse()) {
    takeAway(relay, dependent, { then: 'inert' });
  }
  if (object.inert !== undefined || object.destroyed) return;
  if (gone.then === 'dismiss' && object.is('xdg_popup')) relay.emitEvent(object, 'popup_done', {});
  end(relay, object, {
    code: gone.then === 'inert' ? gone.code : undefined,
    text: (gone.then === 'inert' ? gone.text : undefined) ?? 'what it was made for is gone',
  });
  untie(object);
}

/** Dismisses a popup: the client is told that it is done, and the compositor destroys it. */
export function dismiss(relay: Relay, popup: RelayObject<'xdg_popup'>): void {
  takeAway(relay, popup, { then: 'dismiss' });
}

/** The compositor has dismissed a popup. One that it may have told nobody of is taken away at once. */
export function dismissedByCompositor(relay: Relay, popup: RelayObject<'xdg_popup'>): void {
  lifeOf(popup).dismissed = true;
  if (inDoubt(relay, popup)) takeAway(relay, popup, { then: 'inert' });
}

/**
 * Dismisses the popups above a window or popup that is about to be hidden, the topmost first. A compositor does the same
 * as it hides that, and what their client says before it is told would be a mistake.
 */
export function dismissAbove(relay: Relay, object: RelayObject): void {
  for (const popup of [...(knownLife(object)?.dependents ?? [])].reverse()) {
    if (!popup.is('xdg_popup')) continue;
    dismissAbove(relay, popup);
    takeAway(relay, popup, { then: popupLives(popup) ? 'dismiss' : 'inert' });
  }
}
