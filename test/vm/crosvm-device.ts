/**
 * A fake of the wl device in crosvm, for the guest's driver: our own device, answering in that one's words. It answers with
 * the four bytes of a type where nothing was made, gives pipes and memory of servers no flags, does not carry vfds without a
 * byte, and has other errors. Written from docs/protocols.md; where a real crosvm is at hand, that is the better test.
 */
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { DeviceServer, type DeviceServerOptions } from '../../src/host/guest/device-server.js';
import type { DeviceStart } from '../../src/host/vhost-user/device.js';
import { WlDevice } from '../../src/host/wl-device/device.js';
import type { WlState } from '../../src/host/wl-device/state.js';
import { Command, encodeResponse, Response } from '../../src/host/wl-device/wire.js';
import { MAX_FDS } from '../../src/virtwl/limits.js';

/** Bytes of a response that says its type alone. */
const TYPE_BYTES = 4;
/** Where the flags of a VFD_NEW are, and the size of its memory. */
const FLAGS_AT = 12;
const SIZE_AT = 24;
/** Of a SEND: how many vfds, and where the first is. */
const COUNT_AT = 12;
const IDS_AT = 16;

interface Behaviour {
  /** Whether NEW gives memory: where the VMM has no shared memory for it, it does not. */
  hasMemory: boolean;
}

class CrosvmWlDevice extends WlDevice {
  constructor(
    private readonly behaviour: Behaviour,
    ...rest: ConstructorParameters<typeof WlDevice>
  ) {
    super(...rest);
  }

  protected override newState(start: DeviceStart): WlState {
    const state = super.newState(start);
    const handle = state.handle.bind(state);
    state.handle = (command, respond) => {
      const told = (answer: Uint8Array): void => respond(inItsWords(command, answer));
      const refusal = this.#refusal(command);
      if (refusal === undefined) handle(command, told);
      else told(encodeResponse(refusal));
    };
    const take = state.queue.take.bind(state.queue);
    state.queue.take = room => {
      const taken = take(room);
      taken?.messages.forEach(withoutMemoryFlags);
      return taken;
    };
    return state;
  }

  /** What it answers where ours would do something else; undefined: as ours. */
  #refusal(command: Uint8Array): Response | undefined {
    const view = viewOf(command);
    const type = view.getUint32(0, true);
    if (type === Command.New && !this.behaviour.hasMemory) return Response.OutOfMemory;
    if (type !== Command.Send || command.length < IDS_AT) return undefined;
    const count = view.getUint32(COUNT_AT, true);
    if (count > MAX_FDS) return Response.InvalidCmd;
    // Its sendmsg(2) has succeeded, of nothing.
    if (count > 0 && command.length === IDS_AT + 4 * count) return Response.Ok;
    return undefined;
  }
}

export class CrosvmDevice extends DeviceServer<WlDevice> {
  /** Listens at `path`, for a guest that has the servers of `directory`. `behaviour` may be changed at any time. */
  constructor(
    path: string,
    options: Omit<DeviceServerOptions, 'socket'>,
    readonly behaviour: Behaviour = { hasMemory: true },
  ) {
    super(
      { ...options, socket: new OwnedFd(native.listenUnix(path, 1)) },
      ({ resources, slots }, limits) => new CrosvmWlDevice(behaviour, resources, limits, slots),
    );
  }
}

function inItsWords(command: Uint8Array, answer: Uint8Array): Uint8Array {
  const asked = viewOf(command).getUint32(0, true);
  const words = answer.slice();
  const view = viewOf(words);
  const said = view.getUint32(0, true);
  if (said === Response.VfdNew) {
    if (asked === Command.NewPipe) view.setUint32(FLAGS_AT, 0, true);
    return words;
  }
  // A server that is not there is a connection that failed.
  if (asked === Command.NewCtxNamed && said === Response.InvalidId) view.setUint32(0, Response.Err, true);
  return words.subarray(0, TYPE_BYTES);
}

function withoutMemoryFlags(message: Uint8Array): void {
  const view = viewOf(message);
  if (view.getUint32(0, true) === Command.New && view.getUint32(SIZE_AT, true) > 0) view.setUint32(FLAGS_AT, 0, true);
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
