/**
 * Draws the steps of one hostile connection: recipes that run side by side, and between their steps requests at random,
 * most of them to objects whose surface or parent is gone. Everything follows from the random numbers.
 */
import type { Random } from '../../wayland/random.js';
import { ends } from './endings.js';
import { Model, type Offered, type Thing } from './model.js';
import { EDGES } from './edges.js';
import { RECIPES } from './recipes.js';
import { DISPLAY_SLOT, type Step } from './step.js';
import { drawArguments } from './values.js';

/** Recipes at work at the same time. */
const AT_ONCE = 3;
/** Of how many recipes one is about values at the edges. */
const EDGES_EVERY = 4;
/** Of how many steps that a compositor must answer with an error one is taken all the same. */
const ENDING_EVERY = 40;

export function drawSteps(random: Random, offered: Offered, count: number): Step[] {
  const model = new Model(random, offered);
  for (const name of offered.globals.keys()) if (!model.oneIn(3)) model.global(name);
  const running: Generator<void, void, void>[] = [];
  while (model.requests < count) {
    if (running.length < AT_ONCE) running.push(random.pick(model.oneIn(EDGES_EVERY) ? EDGES : RECIPES)(model));
    const which = random.below(running.length);
    if (running[which]!.next().done === true) running.splice(which, 1);
    while (model.oneIn(2)) one(model);
    if (model.oneIn(25)) model.roundtrip();
  }
  model.roundtrip();
  return model.steps.slice(0, count + 1);
}

/** One request at random, if what was drawn can be said at all. */
function one(model: Model): void {
  const target = drawTarget(model);
  if (target === undefined) return;
  const possible = target.type.requests.filter(
    message => message.since <= target.version && message.args.every(arg => arg.kind !== 'bind'),
  );
  if (possible.length === 0) return;
  const message = model.random.pick(possible);
  // Destroying everything early would leave nothing to do anything to.
  if (message.destructor && !model.oneIn(target.type.name.endsWith('manager') ? 20 : 4)) return;
  const args = drawArguments(model, target, message);
  if (args === undefined) return;
  if (ends(model, target, message, args) && !model.oneIn(ENDING_EVERY)) return;
  model.request(target, message.name, ...args);
}

function drawTarget(model: Model): Thing | undefined {
  const { random } = model;
  const living = model.things.filter(thing => thing.alive && thing.slot !== DISPLAY_SLOT);
  if (living.length === 0) return undefined;
  if (model.oneIn(2)) {
    const orphans = living.filter(thing => model.isOrphan(thing));
    if (orphans.length > 0) return random.pick(orphans);
  }
  return model.oneIn(2) ? random.pick(living.slice(-8)) : random.pick(living);
}
