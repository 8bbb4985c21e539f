/**
 * The attack: one hostile connection after another, each ended by a protocol error or by the end of its steps, and after
 * each the proof that nobody else has lost anything. What breaks that proof is a finding: seed, number of the connection,
 * and its steps, as few of them as still do it.
 */
import { Display } from '../../../src/wayland-client/display.js';
import { REMOTE_GLOBALS } from '../../../src/relay/globals.js';
import { Random } from '../../wayland/random.js';
import { drawSteps } from './draw-steps.js';
import { withoutOrphans } from './gentle.js';
import { Ground, type CompositorName } from './ground.js';
import type { Offered } from './model.js';
import { Player, type Outcome } from './player.js';
import { describe, type Step } from './step.js';

/** Steps of a connection, at most. */
const STEPS = 300;
/** Times that steps are played in search of the few that matter. */
const MOST_TRIES = 150;
/** How long the innocent may have to wait in such a try, in milliseconds: most that fail make them wait for ever. */
const TRY_PATIENCE_MS = 3_000;

export interface AttackOptions {
  readonly compositor: CompositorName;
  /** Through virtwl, or at the compositor itself. */
  readonly glue: boolean;
  readonly seed: number;
  /** Requests to send in all. */
  readonly requests: number;
  /** Begins with this connection: what comes before it is not played. */
  readonly from?: number;
  /** Ends earlier, after so many milliseconds. */
  readonly milliseconds?: number;
  /** Globals that are left alone. */
  readonly without?: readonly string[];
  /** Leaves out what a firewall of lifetimes would refuse. */
  readonly gentle?: boolean;
  /** A mistake that only the compositor finds, behind the glue, is a finding too. */
  readonly strict?: boolean;
  readonly progress?: (result: AttackResult) => void;
}

export interface AttackResult {
  connections: number;
  requests: number;
  /** How often connections ended by a protocol error, by its text. */
  readonly errors: Map<string, number>;
  /** Those of them that the compositor found, behind the glue. */
  readonly refused: Map<string, number>;
  /** Those that were on their way when the compositor dismissed the popup that they are about. */
  readonly overtaken: Map<string, number>;
  /** Connections that were closed without one, or not answered. */
  closed: number;
  silent: number;
}

export class Finding extends Error {
  override readonly name = 'Finding';
  constructor(
    readonly seed: number,
    readonly connection: number,
    readonly steps: readonly Step[],
    readonly why: string,
  ) {
    super(`seed ${seed}, connection ${connection}: ${why}`);
  }
}

/** The steps of one connection: they follow from the seed and its number alone. */
export function stepsOf(seed: number, connection: number, offered: Offered): Step[] {
  return drawSteps(new Random(Math.imul(seed, 1_000_003) + connection), offered, STEPS);
}

/**
 * Attacks until enough requests were sent.
 * @throws Finding
 */
export async function attack(options: AttackOptions): Promise<AttackResult> {
  const result: AttackResult = {
    connections: 0,
    requests: 0,
    errors: new Map(),
    refused: new Map(),
    overtaken: new Map(),
    closed: 0,
    silent: 0,
  };
  const end = Date.now() + (options.milliseconds ?? Infinity);
  const ground = await Ground.open(options.compositor, options.glue, options.strict);
  try {
    const offered = await offeredAt(ground.entrance, options.without ?? []);
    for (let number = options.from ?? 0; result.requests < options.requests && Date.now() < end; number++) {
      const drawn = stepsOf(options.seed, number, offered);
      const steps = options.gentle === true ? withoutOrphans(drawn) : drawn;
      try {
        const { outcome, forgiven } = await playOn(ground, steps, options.strict);
        result.requests += outcome.requests;
        if (outcome.error !== undefined) count(result.errors, outcome.error);
        if (outcome.closed) result.closed += 1;
        if (outcome.silent) result.silent += 1;
        if (forgiven !== undefined) count(result.overtaken, forgiven);
        await ground.prove();
      } catch (error) {
        throw new Finding(options.seed, number, steps, await reasonOf(error, ground));
      }
      result.connections += 1;
      options.progress?.(result);
    }
    for (const text of ground.refused) count(result.refused, text);
    return result;
  } finally {
    await ground.close();
  }
}

/**
 * Plays the steps of one connection. `forgiven` is the error that only the compositor found and no glue could have: about a
 * popup that was dismissed while it was on its way.
 */
async function playOn(
  ground: Ground,
  steps: readonly Step[],
  strict = false,
): Promise<{ readonly outcome: Outcome; readonly forgiven: string | undefined }> {
  const outcome = await Player.play(ground.entrance, steps, ground.user);
  const forgiven = strict && outcome.overtaken ? await ground.forgive() : undefined;
  await calm(ground);
  return { outcome, forgiven };
}

/** Nothing that the last connection made the user begin goes on. */
async function calm(ground: Ground): Promise<void> {
  ground.user.button(false);
  ground.user.move(500, 500);
  await ground.user.done();
}

/** Who was talking when the compositor ended says only that it was cut off: what has happened, the ground tells. */
function reasonOf(error: unknown, ground: Ground): Promise<string> {
  return ground.prove().then(
    () => (error as Error).message,
    (proof: Error) => proof.message,
  );
}

/** What the entrance offers a client, as far as it may come from another VM. */
async function offeredAt(entrance: string, without: readonly string[]): Promise<Offered> {
  const display = await Display.connect(entrance);
  const globals = new Map<string, number>();
  for (const { interface: name, version } of display.globals) {
    const most = REMOTE_GLOBALS.get(name);
    if (most !== undefined && !without.includes(name)) globals.set(name, Math.min(version, most));
  }
  let capabilities = 0;
  if (globals.has('wl_seat')) display.bind('wl_seat', 1).on('capabilities', (bits: number) => (capabilities = bits));
  await display.roundtrip();
  display.close();
  return { globals, capabilities };
}

/**
 * Leaves out of a finding's steps what is not needed for it, playing each try on ground of its own. Returns the finding
 * as it was when its steps alone do not do it: it took connections before it.
 */
export async function shortenFinding(
  finding: Finding,
  options: Pick<AttackOptions, 'compositor' | 'glue' | 'strict'>,
  progress: (steps: number) => void = () => {},
): Promise<Finding> {
  let tries = 0;
  const breaks = async (steps: readonly Step[]): Promise<string> => {
    tries += 1;
    const ground = await Ground.open(options.compositor, options.glue, options.strict);
    try {
      await playOn(ground, steps, options.strict);
      await ground.prove(TRY_PATIENCE_MS);
      return '';
    } catch (error) {
      return await reasonOf(error, ground);
    } finally {
      await ground.close();
    }
  };
  let best = finding;
  if ((await breaks(best.steps)) === '') return finding;
  for (let size = Math.ceil(best.steps.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.steps.length && tries < MOST_TRIES;) {
      const steps = [...best.steps.slice(0, at), ...best.steps.slice(at + size)];
      const why = await breaks(steps);
      if (why === '') at += size;
      else {
        best = new Finding(finding.seed, finding.connection, steps, why);
        progress(steps.length);
      }
    }
  }
  return best;
}

/** A finding as a person wants to read it. */
export function report(finding: Finding): string {
  return [finding.message, ...describe(finding.steps).map(line => `  ${line}`)].join('\n');
}

/** Counts a text, whatever numbers are in it. */
function count(texts: Map<string, number>, text: string): void {
  const key = text.replace(/\d+/g, 'N');
  texts.set(key, (texts.get(key) ?? 0) + 1);
}
