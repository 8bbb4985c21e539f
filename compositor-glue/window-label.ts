/**
 * Whose window it is. By default the name of a VM stands before the titles of its windows, and in their app ids, so that
 * neither a person nor a rule of the compositor takes one VM's window for another's. A client has no say in it.
 */
import { Verdict, type Call, type Handlers } from '../src/relay/call.js';
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

/** Handlers of the requests by which a window names itself or goes full screen. */
export function windowRequests(vm: string, policy: VmPolicy): Readonly<Record<string, Handlers>> {
  const fullscreen: Handlers = policy.fullscreen ? {} : { set_fullscreen: () => Verdict.Drop };
  if (!policy.prefixTitles) return { xdg_toplevel: fullscreen };
  return {
    xdg_surface: {
      get_toplevel: call => labelNew(call, vm),
    },
    xdg_toplevel: {
      ...fullscreen,
      set_title: call => replaceText(call, text => labelledTitle(vm, text)),
      set_app_id: call => replaceText(call, text => labelledAppId(vm, text)),
    },
  };
}

/** A window that never names itself is labelled too. */
function labelNew(call: Call, vm: string): Verdict {
  const { relay, object } = call;
  const window = relay.adopt('xdg_toplevel', object.version, call.uint(0), false);
  relay.request(object, 'get_toplevel', [window.serverId]);
  relay.request(window, 'set_title', [labelledTitle(vm, '')]);
  relay.request(window, 'set_app_id', [labelledAppId(vm, '')]);
  return Verdict.Drop;
}

function replaceText(call: Call, label: (text: string) => string): Verdict {
  const [text] = call.args() as [string];
  call.relay.request(call.object, call.message.name, [label(text)]);
  return Verdict.Drop;
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
