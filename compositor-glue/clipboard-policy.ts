/**
 * Who may read and write the clipboard and the primary selection. A VM that may not read is never told what is there:
 * neither the kinds of data nor the data. What the user drops onto one of its windows is its own in any case; what is
 * only dragged over them is not (`unread-drags.ts`). A VM that may not write has its selections declined, as if another client had taken over at once.
 */
import { Verdict, type Call, type EventHandlers, type RequestHandlers } from '../src/relay/call.js';
import { FIREWALL } from '../src/firewall/firewall.js';
import type { Concern } from '../src/relay/chain.js';
import type { VmPolicy } from './policy.js';
import { discard, unreadDragEvents, unreadDragRequests, wasDropped } from './unread-drags.js';

/** The concern that enforces the policy; it handles nothing where that allows everything. */
export function clipboardConcern(policy: VmPolicy): Concern {
  return {
    name: 'clipboard',
    after: FIREWALL,
    requests: { ...(!policy.writeClipboard && noWriting), ...(!policy.readClipboard && noReading) },
    events: policy.readClipboard ? {} : nothingToRead,
  };
}

const noWriting: RequestHandlers = {
  wl_data_device: {
    set_selection: ({ relay, args: { source } }) => declined(() => source && relay.emitEvent(source, 'cancelled', {})),
  },
  zwp_primary_selection_device_v1: {
    set_selection: ({ relay, args: { source } }) => declined(() => source && relay.emitEvent(source, 'cancelled', {})),
  },
  gtk_primary_selection_device: {
    set_selection: ({ relay, args: { source } }) => declined(() => source && relay.emitEvent(source, 'cancelled', {})),
  },
};

/** The source is told that it is not the selection (any more). */
function declined(cancel: () => void): Verdict {
  cancel();
  return Verdict.Drop;
}

const noReading: RequestHandlers = {
  wl_data_offer: {
    ...unreadDragRequests.wl_data_offer,
    receive: call => (wasDropped(call.object) ? Verdict.Forward : unanswered(call)),
  },
  zwp_primary_selection_offer_v1: { receive: unanswered },
  gtk_primary_selection_offer: { receive: unanswered },
};

const nothingToRead: EventHandlers = {
  wl_data_offer: unreadDragEvents.wl_data_offer!,
  wl_data_device: {
    ...unreadDragEvents.wl_data_device,
    selection: ({ relay, object, args: { id: offer } }) => {
      if (offer !== undefined) discard(relay, offer);
      if (!object.destroyed) relay.emitEvent(object, 'selection', { id: undefined });
      return Verdict.Drop;
    },
  },
  zwp_primary_selection_offer_v1: { offer: () => Verdict.Drop },
  gtk_primary_selection_offer: { offer: () => Verdict.Drop },
  zwp_primary_selection_device_v1: {
    selection: ({ relay, object }) => {
      relay.emitEvent(object, 'selection', { id: undefined });
      return Verdict.Drop;
    },
  },
  gtk_primary_selection_device: {
    selection: ({ relay, object }) => {
      relay.emitEvent(object, 'selection', { id: undefined });
      return Verdict.Drop;
    },
  },
};

/** Who waits for data reads that there is none. */
function unanswered(call: Call): Verdict {
  call.takeFd(call.fds.length - 1).close();
  return Verdict.Drop;
}
