/**
 * How many kinds of data a program may offer. A compositor tells them, one event each, to the client that gets the focus next, at
 * once: more than fits into the socket of that client, and the compositor takes it for one that does not read and ends it.
 * So with very many of them one VM would have ended each program of the others that the user turns to.
 */
import { Verdict, type Call } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import type { RelayObject } from '../relay/object-map.js';

/** Kinds of data that a source offers; more are as if they had not been said. Office programs offer some fifty. */
export const MAX_MIME_TYPES = 256;
/** Their messages together, in bytes: a socket takes some 200 KiB, and the offer may be told twice, and other things. */
export const MAX_MIME_BYTES = 20 * 1024;

/** The concern for one connection. */
export function mimeTypesConcern(): Concern {
  const offered = new WeakMap<RelayObject, { count: number; bytes: number }>();
  const offer = (call: Pick<Call, 'object' | 'size'>): Verdict => {
    const { count, bytes } = offered.get(call.object) ?? { count: 0, bytes: 0 };
    if (count >= MAX_MIME_TYPES || bytes + call.size > MAX_MIME_BYTES) return Verdict.Drop;
    offered.set(call.object, { count: count + 1, bytes: bytes + call.size });
    return Verdict.Forward;
  };
  return {
    name: 'mime types',
    after: ['values', 'agreement'],
    requests: {
      wl_data_source: { offer },
      zwp_primary_selection_source_v1: { offer },
      gtk_primary_selection_source: { offer },
    },
  };
}
