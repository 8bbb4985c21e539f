/** A relay with a client and a compositor at its ends, for the tests of what goes through it. */
import type { Test } from 'tap';
import type { Carriers } from '../../src/relay/carriers.js';
import type { Concern } from '../../src/relay/chain.js';
import type { Relay as RelayType, RelayRules } from '../../src/relay/relay.js';
import { Relay } from '../../src/relay/relay.js';
import { Manners } from './manners.js';
import { Peer, settle } from './peer.js';

export interface Between {
  readonly relay: RelayType;
  readonly client: Peer;
  readonly compositor: Peer;
  /** The reason of its end, once it has ended: `[undefined]` for an orderly one. */
  readonly ends: (Error | undefined)[];
  /** The client's registry. */
  readonly registry: number;
}

export interface BetweenOptions extends Partial<RelayRules> {
  /** Whether client and compositor read. */
  readonly clientReads?: boolean;
  readonly compositorReads?: boolean;
  /** Objects of the relay's own to begin with, so that ids differ on both sides. */
  readonly injected?: number;
}

/** Every fd that may pass at all passes. */
export const AS_IT_IS: Carriers = { memory: (_call, fd) => fd, keymap: (_call, fd) => fd, sink: (_call, fd) => fd };

/** The one concern of a test. */
export function handling(handlers: Omit<Concern, 'name'>): Concern[] {
  return [{ name: 'test', ...handlers }];
}

/** Connects both. The client has a registry, and the compositor answers what every compositor answers. */
export async function between(t: Pick<Test, 'teardown'>, options: BetweenOptions = {}): Promise<Between> {
  const { channel: toClient, peer: client } = Peer.pair('client', options.clientReads ?? true);
  const { channel: toCompositor, peer: compositor } = Peer.pair('compositor', options.compositorReads ?? true);
  const manners = new Manners(compositor);
  compositor.answer = received => {
    compositor.answerBasics(received);
    manners.answer(received);
  };
  t.teardown(() => {
    for (const end of [client, compositor, toClient, toCompositor]) end.close();
  });
  const relay = new Relay(toClient, toCompositor, {
    concerns: options.concerns ?? [],
    toServer: options.toServer ?? AS_IT_IS,
    toClient: options.toClient ?? AS_IT_IS,
    ...(options.objects && { objects: options.objects }),
    ...(options.pace && { pace: options.pace }),
    ...(options.order && { order: options.order }),
    ...(options.leaving && { leaving: options.leaving }),
    trace: options.trace,
    ...(options.frameDamage !== undefined && { frameDamage: options.frameDamage }),
    ...(options.native !== undefined && { native: options.native }),
  });
  const ends: (Error | undefined)[] = [];
  relay.on('close', reason => ends.push(reason));
  t.teardown(() => relay.close(undefined));
  for (let i = 0; i < (options.injected ?? 3); i++) {
    const object = relay.inject('wl_callback', 1);
    relay.request(relay.display, 'sync', { callback: object });
  }
  relay.start();
  relay.flush();
  const registry = client.make(1, 'get_registry');
  await settle();
  return { relay, client, compositor, ends, registry };
}

/** Has the client bind a global of each of these interfaces; returns the objects by their names. */
export function bindAll<N extends string>(
  { client, registry }: Pick<Between, 'client' | 'registry'>,
  globals: readonly (readonly [N, number])[],
): Record<N, number> {
  const bound = globals.map(([name, version], i) => [name, client.bind(registry, i + 1, name, version)]);
  return Object.fromEntries(bound) as Record<N, number>;
}

/** The id by which the compositor knows what it received being made last. */
export function madeBy(compositor: Peer, name: string): number {
  const received = compositor.last(name);
  const made = received.args.find(arg => typeof arg === 'object' && 'interface' in arg);
  return made === undefined ? (received.args[0] as number) : (made as { id: number }).id;
}
