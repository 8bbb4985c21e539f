/**
 * Values for the arguments of a request, drawn by kind and name: plausible ones for the most part, and those at the edges
 * of what a compositor computes with. Objects are drawn among those that live, now and then among those that do not.
 */
import type { Arg, Message } from '../../../src/wayland/interface.js';
import { roleOf, type Model, type Thing } from './model.js';
import type { Argument } from './step.js';

/** Bytes of a pool: a few small windows. */
export const POOL_BYTES = 256 * 1024;

const SIZES = [1, 2, 16, 64, 100, 200, 300, 640] as const;
const WILD_SIZES = [0, -1, 3000, 32767, 65536, 0x7fffffff, -0x80000000] as const;
const PLACES = [0, 1, -1, 10, 50, -64, 300] as const;
const WILD_PLACES = [10_000, -10_000, 0x7fffff, 0x7fffffff, -0x80000000] as const;
const WORDS = [0, 1, 2, 3, 4, 5, 8] as const;
const WILD_WORDS = [9, 15, 16, 255, 0x7fffffff, 0x80000000, 0xffffffff] as const;
const FRACTIONS = [0, 1, 5.5, 16, 50, 100] as const;
const WILD_FRACTIONS = [-1, -0.00390625, 0.00390625, 8_000_000, -8_000_000] as const;
const TEXTS = ['', 'x', 'text/plain', 'text/plain;charset=utf-8', 'a/b', 'default', 'é€'] as const;
const TRANSFORMS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** Of how many values one is at an edge. */
const WILD_EVERY = 12;

/** Values for all arguments but the new id; undefined where the request needs an object of which there is none. */
export function drawArguments(model: Model, target: Thing, message: Message): Argument[] | undefined {
  const args: Argument[] = [];
  if (message.name === 'create_buffer' && !model.oneIn(WILD_EVERY)) return drawBuffer(model);
  for (const arg of message.args) {
    if (arg.kind === 'new_id') continue;
    if (arg.kind === 'object') {
      const thing = drawObject(model, target, message, arg);
      if (thing === undefined && arg.nullable !== true) return undefined;
      args.push(thing === undefined ? undefined : { slot: thing.slot });
      continue;
    }
    args.push(drawValue(model, target, message, arg));
  }
  return args;
}

/** Offset, width, height, stride, format of a buffer that fits into its pool. */
function drawBuffer(model: Model): number[] {
  const [width, height] = [model.random.pick(SIZES.slice(0, 6)), model.random.pick(SIZES.slice(0, 6))];
  return [model.random.below(16) * 4096, width, height, width * 4, model.random.below(2)];
}

function drawObject(model: Model, target: Thing, message: Message, arg: Arg): Thing | undefined {
  const { random } = model;
  if (arg.nullable === true && model.oneIn(6)) return undefined;
  const all = model.things.filter(thing => thing.type.name === arg.interface);
  // A destroyed one ends the connection where ids are checked, so it is seldom used.
  if (all.length > 0 && model.oneIn(200)) return random.pick(all);
  let fit = all.filter(thing => thing.alive);
  if (arg.interface === 'wl_surface' && !model.oneIn(WILD_EVERY)) fit = surfacesFor(model, target, message, fit);
  if (message.name === 'set_parent' && model.oneIn(4)) {
    const itself = fit.find(thing => thing === target);
    if (itself !== undefined) return itself;
  }
  if (fit.length === 0) return undefined;
  const orphans = fit.filter(thing => model.isOrphan(thing));
  if (orphans.length > 0 && model.oneIn(2)) return random.pick(orphans);
  return model.oneIn(2) ? fit.at(-1) : random.pick(fit);
}

/** Surfaces that a compositor would take: with no role or the same one, siblings for the order among siblings. */
function surfacesFor(model: Model, target: Thing, message: Message, surfaces: readonly Thing[]): Thing[] {
  const role = roleOf(message.name);
  if (message.name === 'place_above' || message.name === 'place_below') {
    const parent = target.about[2];
    const siblings = model
      .living('wl_subsurface')
      .filter(other => other !== target && other.about[2] === parent)
      .map(other => other.about[1]);
    return surfaces.filter(surface => surface.slot === parent || siblings.includes(surface.slot));
  }
  if (message.name === 'export' || message.name === 'export_toplevel' || message.name === 'set_parent_of')
    return surfaces.filter(surface => surface.role === 'xdg_surface');
  if (role === undefined) return [...surfaces];
  return surfaces.filter(
    surface =>
      surface.role === undefined || (surface.role === role && role !== 'xdg_surface' && role !== 'wl_subsurface'),
  );
}

function drawValue(model: Model, target: Thing, message: Message, arg: Arg): Argument {
  const { random } = model;
  const wild = model.oneIn(WILD_EVERY);
  switch (arg.kind) {
    case 'fd':
      return message.name === 'create_pool' ? { memory: POOL_BYTES } : { pipe: true };
    case 'string':
      return drawText(model, arg);
    case 'array':
      return new Uint8Array(random.below(16));
    case 'fixed':
      return random.pick(wild ? WILD_FRACTIONS : FRACTIONS);
    case 'uint':
      if (arg.name === 'serial') return drawSerial(model, target, message);
      if (arg.name === 'lifetime') return random.below(2) + 1;
      return random.pick(wild ? WILD_WORDS : WORDS);
    default:
      if (message.name === 'create_pool' || message.name === 'resize')
        return wild ? random.pick(WILD_SIZES) : POOL_BYTES;
      if (arg.name === 'scale') return wild ? random.pick([0, -1, 3, 1000]) : random.below(2) + 1;
      if (arg.name === 'transform') return wild ? random.pick([8, -1]) : random.pick(TRANSFORMS);
      if (/width|height|size/.test(arg.name)) return random.pick<number>(wild ? WILD_SIZES : SIZES);
      return random.pick<number>(wild ? WILD_PLACES : PLACES);
  }
}

function drawText(model: Model, arg: Arg): Argument {
  if (arg.nullable === true && model.oneIn(4)) return undefined;
  if (arg.name === 'handle' || (arg.name === 'token' && !model.oneIn(4)))
    return { said: arg.name === 'handle' ? 'handle' : 'done' };
  return model.oneIn(30) ? 'x'.repeat(3900) : model.random.pick(TEXTS);
}

function drawSerial(model: Model, target: Thing, message: Message): Argument {
  if (message.name === 'ack_configure' && !model.oneIn(30)) return { configureOf: target.slot };
  if (!model.oneIn(3)) return { input: model.random.below(3) };
  return model.random.pick<number>([0, 1, 12345, 0x7fffffff, 0xffffffff]);
}
