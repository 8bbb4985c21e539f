/**
 * Activation tokens. With one, a window asks to become the active one, and who made it decides to whom it is given. A token
 * that a client of one VM was given is of no use to another VM, unless that one's policy says so: else two VMs could pass
 * the keyboard to each other behind the user's back.
 *
 * Tokens that are not known here are let through: they were made in the compositor VM, by its launcher, and nobody guesses
 * one. Hence a VM is given no more tokens than are remembered. Nor does it ask for more: a compositor keeps each for half a
 * minute, whatever becomes of the object that it was asked by.
 */
import { Verdict } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';

/** How long a token is remembered, in milliseconds: twice as long as wlroots lets one live. */
export const TOKEN_LIFE_MS = 60_000;
/** Tokens of one VM that are remembered: the user does not start as many programs in a minute. */
export const MAX_TOKENS_PER_VM = 256;
/** What is given instead of one more: no compositor has made it. */
const NO_TOKEN = 'virtwl-none';

/** Tokens that the clients of all VMs were given. */
export class Tokens {
  /** When each was given, by VM, oldest first. */
  readonly #given = new Map<string, Map<string, number>>();
  /** When each VM asked for those that it was given or will be, oldest first. */
  readonly #asked = new Map<string, number[]>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** A client of `vm` asks for one. False: it has asked for as many as there may be. */
  ask(vm: string): boolean {
    const recent = (this.#asked.get(vm) ?? []).filter(at => this.now() - at < TOKEN_LIFE_MS);
    const allowed = recent.length < MAX_TOKENS_PER_VM;
    if (allowed) recent.push(this.now());
    this.#asked.set(vm, recent);
    return allowed;
  }

  /** A client of `vm` is to be given a token. False: it has as many as there may be. */
  give(vm: string, token: string): boolean {
    const own = this.#given.get(vm) ?? new Map<string, number>();
    for (const [old, at] of own) {
      if (this.now() - at < TOKEN_LIFE_MS) break;
      own.delete(old);
    }
    if (own.size >= MAX_TOKENS_PER_VM) return false;
    this.#given.set(vm, own.set(token, this.now()));
    return true;
  }

  /** Whether it was given to a client of another VM. */
  isForeign(vm: string, token: string): boolean {
    for (const [owner, tokens] of this.#given) if (owner !== vm && tokens.has(token)) return true;
    return false;
  }
}

/** The concern for one connection of `vm`; `any`: its windows may be activated by every VM's tokens. */
export function activationConcern(vm: string, tokens: Tokens, any: boolean, after: readonly string[]): Concern {
  return {
    name: 'activation',
    after,
    requests: {
      xdg_activation_v1: {
        activate: ({ args: { token } }) => (any || !tokens.isForeign(vm, token) ? Verdict.Forward : Verdict.Drop),
      },
      xdg_activation_token_v1: {
        commit: ({ relay, object }) => {
          if (tokens.ask(vm)) return Verdict.Forward;
          relay.emitEvent(object, 'done', { token: NO_TOKEN });
          return Verdict.Drop;
        },
      },
    },
    events: {
      xdg_activation_token_v1: {
        done: ({ relay, object, args: { token } }) => {
          if (tokens.give(vm, token)) return Verdict.Forward;
          if (!object.destroyed) relay.emitEvent(object, 'done', { token: NO_TOKEN });
          return Verdict.Drop;
        },
      },
    },
  };
}
