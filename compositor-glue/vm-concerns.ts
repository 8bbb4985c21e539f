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
import { framesConcern } from './client-frames.js';
import { windowsConcern } from './client-windows.js';
import { clipboardConcern } from './clipboard-policy.js';
import type { Deny } from './denials.js';
import type { VmPolicy } from './policy.js';
import { poolConcern } from './pool-memory.js';
import type { VmAccount } from './vm-account.js';
import { fullscreenConcern, labelConcern } from './window-label.js';

/** Concerns that handle a request before it may be kept on account of the focus. */
const BEFORE_FOCUS: readonly string[] = [...FIREWALL, 'windows', 'labels', 'fullscreen', 'activation'];

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
  if (concerns === undefined) made.set(account, (concerns = make(account, policy, shared)));
  return concerns;
}

function make(account: VmAccount, policy: VmPolicy, shared: SharedFirewall): VmConcerns {
  const { name: vm } = account;
  const deny: Deny = (setting, text) => account.deny(setting, text);
  const serving = (...concerns: readonly Concern[]): Concern[] => concerns.map(each => ({ ...each, shared: true }));
  return {
    first: serving(
      clipboardConcern(policy, deny),
      windowsConcern,
      labelConcern(vm, policy),
      fullscreenConcern(policy, deny),
      activationConcern(vm, shared.tokens, policy.foreignTokens, FIREWALL),
      poolConcern(),
    ),
    last: serving(
      focusConcern(vm, shared.focus, policy.holdsFocus, BEFORE_FOCUS),
      hidingsConcern([...BEFORE_FOCUS, 'focus']),
      framesConcern([...BEFORE_FOCUS, 'focus', 'hidings']),
      steadyConcern([...BEFORE_FOCUS, 'focus', 'hidings', 'frames']),
    ),
  };
}
