/**
 * The kinds of flood. Each request of each interface that passes the relay is one by itself, made from the protocol tables;
 * those that make or end an object go in pairs, so that a flood of them has no end. `made-up.ts` has the ones that take
 * several requests.
 */
import { REMOTE_GLOBALS } from '../../../src/relay/globals.js';
import type { Message } from '../../../src/wayland/interface.js';
import { interfaces } from '../../../src/wayland/protocols/index.js';
import { MADE_UP } from './made-up.js';
import { MAKERS, reachable, thing, type Props } from './props.js';

/** What a connection does again and again: bytes to send, or a function that says the next requests. */
export type Turn = { readonly bytes: Uint8Array; readonly requests: number } | (() => number | Promise<number>);

export interface Kind {
  readonly name: string;
  /** Undefined where the compositor offers nothing of the kind. */
  begin(props: Props): Promise<Turn | undefined> | Turn | undefined;
}

/** Bytes that are sent at once, about. */
const BLOCK_REQUESTS = 1024;
/** Pairs of one turn. */
const PAIRS = 32;
/** Requests that are said once of an object: it is made for them, and ends. */
const ONCE = /^(xdg_activation_token_v1|wl_data_source|zwp_primary_selection_source_v1|xdg_toplevel_icon_v1)\./;
/** What needs more than its arguments, and is among those that are made up. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'wl_registry.bind', // as many kinds as there are globals
  'xdg_surface.ack_configure',
  'xdg_popup.grab',
  'wl_fixes.destroy_registry',
  'wl_display.get_registry',
  'xdg_positioner.set_parent_configure',
  'wl_seat.get_touch', // only where there is one
]);

function destructorOf(name: string): Message | undefined {
  return interfaces.get(name)!.requests.find(({ destructor }) => destructor);
}

/** One request as a kind of flood, or undefined where another kind has it in it. */
function kindOf(owner: string, request: Message): Kind | undefined {
  const key = `${owner}.${request.name}`;
  const made = request.args.find(({ kind }) => kind === 'new_id')?.interface;
  if (ELSEWHERE.has(key) || (!REMOTE_GLOBALS.has(owner) && request.destructor)) return undefined;
  if (!REMOTE_GLOBALS.has(owner) && !MAKERS.has(owner) && !owner.startsWith('wl_display')) return undefined;
  const offered = (props: Props): boolean => props.versionOf(owner) >= request.since && props.versionOf(owner) > 0;
  const begin = async (props: Props): Promise<Turn | undefined> => {
    if (!offered(props)) return undefined;
    await props.window();
    if (request.destructor) return bindAndDestroy(props, owner, request);
    if (made !== undefined) return makeAndDestroy(props, owner, request, made);
    if (ONCE.test(key)) return onceEach(props, owner, request);
    const target = owner === 'wl_display' ? undefined : props.get(owner);
    if (target === undefined) return undefined;
    return { bytes: props.repeated(target, request, BLOCK_REQUESTS), requests: BLOCK_REQUESTS };
  };
  return { name: key, begin };
}

function bindAndDestroy(props: Props, owner: string, request: Message): Turn {
  return () => {
    for (let i = 0; i < PAIRS; i++) thing(props.display.bind(props.display.find(owner)!)).say(request.name);
    return 2 * PAIRS;
  };
}

function makeAndDestroy(props: Props, owner: string, request: Message, made: string): Turn {
  const end = destructorOf(made);
  const freshParent = request.name === 'get_toplevel' || request.name === 'get_popup';
  const one = (): number => {
    const surface = freshParent ? props.fresh('wl_surface') : undefined;
    const parent =
      surface === undefined
        ? owner === 'wl_display'
          ? undefined
          : props.get(owner)
        : props.get('xdg_wm_base').make('get_xdg_surface', surface.object);
    if (parent === undefined) {
      props.display.sync(() => undefined);
      return 1;
    }
    const args = props.args(owner, request);
    const child = parent.make(request.name, ...args);
    if (end !== undefined && end.since <= child.object.version) child.say(end.name);
    if (surface !== undefined) {
      parent.say('destroy');
      surface.say('destroy');
      return 6;
    }
    // A surface that was made to get the role.
    const role = args[0];
    if (typeof role === 'object' && 'interface' in role && /^(get_subsurface|get_xdg_surface)$/.test(request.name)) {
      thing(role).say('destroy');
      return 4;
    }
    return 2;
  };
  return () => {
    let said = 0;
    for (let i = 0; i < PAIRS; i++) said += one();
    return said;
  };
}

function onceEach(props: Props, owner: string, request: Message): Turn {
  const [parent, maker] = MAKERS.get(owner)!;
  const end = destructorOf(owner);
  return () => {
    for (let i = 0; i < PAIRS; i++) {
      const target = props.make(props.get(parent), maker);
      target.say(request.name, ...props.args(owner, request));
      if (end !== undefined) target.say(end.name);
    }
    return 3 * PAIRS;
  };
}

/** All kinds, those of the tables first. */
export function kinds(): Kind[] {
  const generated = reachable().flatMap(({ name, requests }) => requests.flatMap(each => kindOf(name, each) ?? []));
  return [...generated, ...MADE_UP];
}
