/**
 * Who may read and write the clipboard and the primary selection. A VM that may not read is never told what is there:
 * neither the kinds of data nor the data. What the user drops onto one of its windows is its own in any case; what is
 * only dragged over them is not (`unread-drags.ts`). A VM that may not write has its selections declined, as if another client had taken over at once.
 */
import { Verdict, type Call, type EventHandlers, type RequestHandlers } from '../src/relay/call.js';
import { FIREWALL } from '../src/firewall/firewall.js';
import type { Concern } from '../src/relay/chain.js';
import type { Deny } from './denials.js';
import type { VmPolicy } from './policy.js';
import { discard, unreadDragEvents, unreadDragRequests, wasDropped } from './unread-drags.js';

/** The concern that enforces the policy; it handles nothing where that allows everything. `deny` is told. */
export function clipboardConcern(policy: VmPolicy, deny: Deny): Concern {
  return {
    name: 'clipboard',
    after: FIREWALL,
    requests: { ...(!policy.writeClipboard && noWriting(deny)), ...(!policy.readClipboard && noReading) },
    events: policy.readClipboard ? {} : nothingToRead(deny),
  };
}

/** Of a selection, whatever it is: its source is told that it is not the selection (any more). */
function noWriting(deny: Deny): RequestHandlers {
  const declined = (cancel: false | (() => void)): Verdict => {
    if (cancel !== false) {
      deny('clipboard', 'a selection of it was declined');
      cancel();
    }
    return Verdict.Drop;
  };
  return {
    wl_data_device: {
      set_selection: ({ relay, args: { source } }) =>
        declined(source !== undefined && (() => relay.emitEvent(source, 'cancelled', {}))),
    },
    zwp_primary_selection_device_v1: {
      set_selection: ({ relay, args: { source } }) =>
        declined(source !== undefined && (() => relay.emitEvent(source, 'cancelled', {}))),
    },
    gtk_primary_selection_device: {
      set_selection: ({ relay, args: { source } }) =>
        declined(source !== undefined && (() => relay.emitEvent(source, 'cancelled', {}))),
    },
  };
}

const noReading: RequestHandlers = {
  wl_data_offer: {
    ...unreadDragRequests.wl_data_offer,
    receive: call => (wasDropped(call.object) ? Verdict.Forward : unanswered(call)),
  },
  zwp_primary_selection_offer_v1: { receive: unanswered },
  gtk_primary_selection_offer: { receive: unanswered },
};

function nothingToRead(deny: Deny): EventHandlers {
  const hidden = (): void => deny('clipboard', 'it was not told what there is to be pasted');
  return {
    wl_data_offer: unreadDragEvents.wl_data_offer!,
    wl_data_device: {
      ...unreadDragEvents.wl_data_device,
      selection: ({ relay, object, args: { id: offer } }) => {
        if (offer !== undefined) {
          hidden();
          discard(relay, offer);
        }
        if (!object.destroyed) relay.emitEvent(object, 'selection', { id: undefined });
        return Verdict.Drop;
      },
    },
    zwp_primary_selection_offer_v1: { offer: () => Verdict.Drop },
    gtk_primary_selection_offer: { offer: () => Verdict.Drop },
    zwp_primary_selection_device_v1: {
      selection: ({ relay, object, args: { id: offer } }) => {
        if (offer !== undefined) hidden();
        relay.emitEvent(object, 'selection', { id: undefined });
        return Verdict.Drop;
      },
    },
    gtk_primary_selection_device: {
      selection: ({ relay, object, args: { id: offer } }) => {
        if (offer !== undefined) hidden();
        relay.emitEvent(object, 'selection', { id: undefined });
        return Verdict.Drop;
      },
    },
  };
}

/** Who waits for data reads that there is none. */
function unanswered(call: Call): Verdict {
  call.takeFd(call.fds.length - 1).close();
  return Verdict.Drop;
}
