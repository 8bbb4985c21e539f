/**
 * What all clients of one VM have in common beside the firewall, since it depends on the VM's name and policy alone: what
 * they may do with the clipboard, with the focus and by tokens, and how their windows are labelled. Made once for a VM: for
 * each client they would be a good part of what it costs in memory.
 */
import { activationConcern } from '../src/firewall/activation.js';
import { FIREWALL, type SharedFirewall } from '../src/firewall/firewall.js';
import { focusConcern } from '../src/firewall/focus.js';
import { hidingsConcern } from '../src/firewall/hidings.js';
import { steadyConcern } from '../src/firewall/steady-frames.js';
import type { Concern } from '../src/relay/chain.js';
import { clipboardConcern } from './clipboard-policy.js';
import type { VmPolicy } from './policy.js';
import { poolConcern } from './pool-memory.js';
import type { VmAccount } from './vm-account.js';
import { fullscreenConcern, labelConcern } from './window-label.js';

/** Concerns that handle a request before it may be kept on account of the focus. */
const BEFORE_FOCUS: readonly string[] = [...FIREWALL, 'labels', 'fullscreen', 'activation'];

export interface VmConcerns {
  /** What comes after the firewall. */
  readonly first: readonly Concern[];
  /** What comes after all else. */
  readonly last: readonly Concern[];
}

const made = new WeakMap<VmAccount, VmConcerns>();

/** Those of a VM; its policy and what the firewalls share stay the same. */
export function vmConcerns(account: VmAccount, policy: VmPolicy, shared: SharedFirewall): VmConcerns {
  let concerns = made.get(account);
  if (concerns === undefined) made.set(account, (concerns = make(account.name, policy, shared)));
  return concerns;
}

function make(vm: string, policy: VmPolicy, shared: SharedFirewall): VmConcerns {
  const serving = (...concerns: readonly Concern[]): Concern[] => concerns.map(each => ({ ...each, shared: true }));
  return {
    first: serving(
      clipboardConcern(policy),
      labelConcern(vm, policy),
      fullscreenConcern(policy),
      activationConcern(vm, shared.tokens, policy.foreignTokens, FIREWALL),
      poolConcern(),
    ),
    last: serving(
      focusConcern(vm, shared.focus, policy.holdsFocus, BEFORE_FOCUS),
      hidingsConcern([...BEFORE_FOCUS, 'focus']),
      steadyConcern([...BEFORE_FOCUS, 'focus', 'hidings']),
    ),
  };
}
