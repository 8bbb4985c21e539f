/** Connecting to a compositor that may never answer. In: a channel. Out: a display whose globals are known, or an error in time. */
import type { Channel } from '../system/channel.js';
import { Display, type MessageTrace } from './display.js';

/**
 * How long a compositor may take to answer a new client, in milliseconds. The broker lets a client wait for a compositor
 * that is yet to come, and says when it gives up; this is for those that never say anything.
 */
export const DEFAULT_CONNECT_TIMEOUT_MS = 60_000;

/** {@link Display.connect} with an end to the waiting: the channel is closed when no answer comes in time. */
export async function connectDisplay(channel: Channel, timeoutMs: number, trace?: MessageTrace): Promise<Display> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      channel.close();
      reject(new Error(`no compositor answered within ${timeoutMs} ms: is it running, and does the broker know it?`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([Display.connect(channel, trace), silence]);
  } finally {
    clearTimeout(timer);
  }
}
