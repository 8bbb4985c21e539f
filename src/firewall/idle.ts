/**
 * `ext_idle_notifier_v1`: programs are told when nobody has touched keyboard or pointer for a time, and when the user is
 * back. By a short time they would learn when each key is typed, into whatever window of whatever VM; so a short time is
 * made a longer one.
 */
import { Verdict, type Call, type RequestValues } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';

/**
 * Shortest time without input that is asked about, in milliseconds: what browsers allow web pages at least, for the same
 * reason. Programs that say that their user is away use minutes.
 */
export const MIN_IDLE_MS = 60_000;
/** Longest, in milliseconds: what fits into the int of a compositor's timer, 24 days. */
export const MAX_IDLE_MS = 0x7fffffff;

type Name = 'get_idle_notification' | 'get_input_idle_notification';

function asked(name: Name) {
  return ({ relay, object, args }: Call<'ext_idle_notifier_v1', RequestValues<'ext_idle_notifier_v1', Name>>) => {
    const { id, timeout, seat } = args;
    const allowed = Math.min(Math.max(timeout, MIN_IDLE_MS), MAX_IDLE_MS);
    if (timeout === allowed) return Verdict.Forward;
    const notification = relay.adopt('ext_idle_notification_v1', object.version, id, false);
    relay.request(object, name, { id: notification, timeout: allowed, seat });
    return Verdict.Drop;
  };
}

export const idleConcern: Concern = {
  name: 'idle',
  requests: {
    ext_idle_notifier_v1: {
      get_idle_notification: asked('get_idle_notification'),
      get_input_idle_notification: asked('get_input_idle_notification'),
    },
  },
};
