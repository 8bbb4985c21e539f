/**
 * What both ways through a relay have in common: the current message with its fds, and the scratch space in which ids are
 * translated. `requests.ts` and `events.ts` are the two ways.
 */
import { closeAll, type OwnedFd } from '../system/fd.js';
import type { Message } from '../wayland/interface.js';
import { MAX_OBJECT_ARGS, WireError } from '../wayland/wire.js';
import type { Call } from './call.js';
import { fdKind, type Carriers } from './carriers.js';
import type { RelayObject } from './object-map.js';

export abstract class Way {
  /** Where the ids of the message are, in its bytes. */
  protected readonly places = new Int32Array(MAX_OBJECT_ARGS);
  /** The same ids, as the other side calls them. */
  protected readonly ids = new Uint32Array(MAX_OBJECT_ARGS);

  protected constructor(
    protected readonly call: Call,
    private readonly carriers: Carriers,
  ) {}

  /** Makes a message the current one. Its fds stay in the queue until {@link finish}. */
  protected prepare(
    object: RelayObject,
    message: Message,
    bytes: Uint8Array,
    offset: number,
    size: number,
    queue: OwnedFd[],
  ): Call {
    this.call.set(object, message, bytes, offset, size);
    if (message.fds > 0) {
      if (queue.length < message.fds) {
        throw new WireError('fd', `${object.interface.name}.${message.name} came without its file descriptor`);
      }
      this.call.fds = queue.slice(0, message.fds);
    }
    return this.call;
  }

  /** The message is done with: its fds leave the queue, and those that nobody took are closed. */
  protected finish(message: Message, queue: OwnedFd[]): void {
    if (message.fds === 0) return;
    queue.splice(0, message.fds);
    for (const fd of this.call.fds) fd?.close();
    this.call.fds = [];
  }

  /** The current message's fds, as they go to the other side. */
  protected carry(): OwnedFd[] | undefined {
    const { call } = this;
    if (call.message.fds === 0) return undefined;
    const kind = fdKind(call.object.interface.name, call.message.name);
    const carrier = kind && this.carriers[kind];
    if (carrier === undefined) {
      throw new Error(`no fd of ${call.object.interface.name}.${call.message.name} is carried`);
    }
    const carried: OwnedFd[] = [];
    try {
      for (let i = 0; i < call.fds.length; i++) carried.push(carrier(call, call.takeFd(i)));
    } catch (error) {
      closeAll(carried);
      throw error;
    }
    return carried;
  }
}
