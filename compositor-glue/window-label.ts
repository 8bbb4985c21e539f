/**
 * Whose window it is. By default the name of a VM stands before the titles of its windows, and in their app ids, so that
 * neither a person nor a rule of the compositor takes one VM's window for another's. A client has no say in it.
 */
import { Verdict } from '../src/relay/call.js';
import { FIREWALL } from '../src/firewall/firewall.js';
import type { Concern } from '../src/relay/chain.js';
import type { VmPolicy } from './policy.js';

/** Longest title or app id that is passed on, in bytes of UTF-8, the VM's name not counted. */
export const MAX_LABEL_BYTES = 1024;

/** The title of a window of `vm`. */
export function labelledTitle(vm: string, title: string): string {
  return `[${vm}] ${cut(title)}`.trimEnd();
}

/** The app id of a window of `vm`: names of VMs have no colon, so that what stands before the first one is the VM. */
export function labelledAppId(vm: string, appId: string): string {
  return `${vm}:${cut(appId)}`;
}

/** The concern that labels windows of `vm` as its policy has it. */
export function labelConcern(vm: string, policy: VmPolicy): Concern {
  if (!policy.prefixTitles) return { name: 'labels' };
  return {
    name: 'labels',
    after: FIREWALL,
    requests: {
      xdg_surface: {
        // A window that never names itself is labelled too.
        get_toplevel: ({ relay, object, args: { id } }) => {
          const window = relay.adopt('xdg_toplevel', object.version, id, false);
          relay.request(object, 'get_toplevel', { id: window });
          relay.request(window, 'set_title', { title: labelledTitle(vm, '') });
          relay.request(window, 'set_app_id', { app_id: labelledAppId(vm, '') });
          return Verdict.Drop;
        },
      },
      xdg_toplevel: {
        set_title: ({ relay, object, args: { title } }) => {
          relay.request(object, 'set_title', { title: labelledTitle(vm, title) });
          return Verdict.Drop;
        },
        set_app_id: ({ relay, object, args: { app_id: appId } }) => {
          relay.request(object, 'set_app_id', { app_id: labelledAppId(vm, appId) });
          return Verdict.Drop;
        },
      },
    },
  };
}

/** The concern that keeps windows from going full screen where the policy does not let them. */
export function fullscreenConcern(policy: VmPolicy): Concern {
  if (policy.fullscreen) return { name: 'fullscreen' };
  return {
    name: 'fullscreen',
    after: FIREWALL,
    requests: { xdg_toplevel: { set_fullscreen: () => Verdict.Drop } },
  };
}

/** At most {@link MAX_LABEL_BYTES}, cut between characters. */
function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_LABEL_BYTES) return text;
  // A character that was cut in half decodes to U+FFFD, which is dropped.
  return bytes
    .subarray(0, MAX_LABEL_BYTES)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
}
