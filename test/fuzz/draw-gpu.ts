/** Commands of a guest to its gpu device, most of them such as a driver and programs of cross-domain send. */
import { ChannelType, IdType, RING_BYTES } from '../../src/host/gpu-device/cross-domain.js';
import { Control, numbers } from '../../src/host/gpu-device/wire.js';
import { command, FENCE, guestBlob, POLL, sendCommand, writeCommand } from '../host/gpu-device/gpu-driver.js';
import type { Draw } from './draw.js';
import { SERVER_NAMES } from './draw-command.js';

/** Where a fuzzed guest's memory begins, and how much there is. */
export const GPU_MEMORY_ADDRESS = 0x10_0000;
export const GPU_MEMORY_BYTES = 16 * RING_BYTES;

/** Rings of context `c` are resources 2c and 2c + 1, in the pages of those numbers. */
const CONTEXTS = [1, 2, 3, 4];
const RESOURCES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 99, 0xffffffff];
/** Ids of pipes, of memory and connections as the device counts them, of images of a page and of four. */
const IDS = [0x80000001, 0x80000002, 0xc0000001, 1, 2, 3, 4, 0, 2 ** 30 + 1, 2 ** 30 + 4, 0xffffffff];
const ID_TYPES = [IdType.Blob, IdType.ReadPipe, IdType.WritePipe, IdType.Connection, 2, 0];
const OFFSETS = [0, 4096, 8192, 16384, 100, 0xfffff000, 0xffffffff];
const SIZES = [4096, 8192, 16384, 1, 0, 65536, 1 << 20, 0xffffffff];

let fence = 0n;

/** A command with its header. */
export function gpuCommand(type: number, context: number, flags: number, ...body: readonly Uint8Array[]): Uint8Array {
  const head = new Uint8Array(24);
  const view = new DataView(head.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, flags, true);
  view.setBigUint64(8, ++fence, true);
  view.setUint32(16, context, true);
  view.setUint8(20, 1);
  return Buffer.concat([head, ...body]);
}

const submission = (context: number, flags: number, commands: Uint8Array): Uint8Array =>
  gpuCommand(Control.Submit3d, context, flags, numbers(commands.length, 0), commands);

/** The commands by which a program begins: its context, two rings, a channel. */
export function drawProgram(draw: Draw): Uint8Array[] {
  const context = draw.pick(CONTEXTS);
  const rings = [2 * context, 2 * context + 1];
  return [
    gpuCommand(Control.CtxCreate, context, 0, numbers(0, 5), new Uint8Array(64)),
    ...rings.map(resource =>
      gpuCommand(
        Control.ResourceCreateBlob,
        0,
        0,
        guestBlob(resource, [[GPU_MEMORY_ADDRESS + RING_BYTES * resource, RING_BYTES]]),
      ),
    ),
    ...rings.map(resource => gpuCommand(Control.CtxAttachResource, context, 0, numbers(resource, 0))),
    submission(context, 0, drawInit(draw, rings[0]!, rings[1]!)),
  ];
}

function drawInit(draw: Draw, query: number, channel: number): Uint8Array {
  const type = draw.pick([ChannelType.Named, ChannelType.Wayland, ChannelType.Named, ChannelType.None, 7]);
  if (draw.oneIn(12)) return command(1, numbers(query, type));
  const field = new Uint8Array(32);
  if (draw.oneIn(4)) field.set(numbers(draw.pick(IDS)), 4);
  else field.set(Buffer.from(draw.pick(SERVER_NAMES)).subarray(0, 32));
  const more = type === ChannelType.Named || draw.oneIn(8) ? field : new Uint8Array(0);
  return command(1, numbers(query, channel, type), draw.oneIn(16) ? more.subarray(0, draw.below(32)) : more);
}

function drawCrossDomain(draw: Draw): Uint8Array {
  switch (draw.below(8)) {
    case 0:
      return drawInit(draw, draw.pick(RESOURCES), draw.pick(RESOURCES));
    case 1:
      return command(2, numbers(draw.pick(SIZES), draw.pick([1, 1, 0, 64]), draw.pick([0x20203852, 0x34325258, 1]), 0));
    case 2:
    case 3:
      return POLL;
    case 4:
    case 5: {
      const room = draw.oneIn(6) ? 4 : draw.oneIn(12) ? draw.below(40) : 28;
      const count = draw.oneIn(6) ? draw.below(room + 1) : draw.below(3);
      const ids = Array.from({ length: Math.min(count, room) }, () => {
        const type = draw.pick(ID_TYPES);
        return { type, id: type === IdType.Blob ? draw.pick(RESOURCES) : draw.pick(IDS) };
      });
      return sendCommand(new Uint8Array(draw.pick([1, 10, 100, 3000, 0])), ids, room);
    }
    case 6:
      return writeCommand(draw.pick(IDS), new Uint8Array(draw.pick([0, 1, 100, 4000])), draw.oneIn(4));
    default:
      return draw.oneIn(3) ? command(0x41) : command(draw.byte(), draw.take(draw.below(40)));
  }
}

/** A command. `mayWait`: it waits for a message, a reader, or the VMM, so that its answer may not come. */
export function drawGpuCommand(draw: Draw): { readonly bytes: Uint8Array; readonly mayWait: boolean } {
  const context = draw.pick([...CONTEXTS, ...CONTEXTS, 0, 9]);
  const resource = draw.pick(RESOURCES);
  const now = (bytes: Uint8Array): { bytes: Uint8Array; mayWait: boolean } => ({ bytes, mayWait: false });
  switch (draw.below(12)) {
    case 0: {
      const more = draw.oneIn(5) ? [drawCrossDomain(draw)] : [];
      const all = Buffer.concat([drawCrossDomain(draw), ...more]);
      if (draw.oneIn(10)) all[draw.below(Math.min(all.length, 40))] = draw.byte();
      return { bytes: submission(context, draw.oneIn(8) ? 0 : FENCE, all), mayWait: true };
    }
    case 1:
    case 2:
    case 3:
      return { bytes: submission(context, draw.oneIn(8) ? 0 : FENCE, drawCrossDomain(draw)), mayWait: true };
    case 4: {
      const entries = Array.from({ length: draw.oneIn(8) ? draw.below(20) : 1 }, (): [number, number] => [
        GPU_MEMORY_ADDRESS + draw.pick([0, 4096, 100, GPU_MEMORY_BYTES - 100, 2 ** 31]),
        draw.pick([4096, 64, 0, 8192, 0xffffffff]),
      ]);
      const blob = guestBlob(resource, entries);
      if (draw.oneIn(8)) new DataView(blob.buffer).setUint32(12, draw.word(), true);
      return now(gpuCommand(Control.ResourceCreateBlob, context, 0, blob));
    }
    case 5:
    case 6:
      return now(
        gpuCommand(
          Control.ResourceCreateBlob,
          context,
          0,
          numbers(resource, draw.oneIn(12) ? 3 : 2, 3, 0, draw.pick(IDS), draw.oneIn(30) ? 1 : 0, draw.pick(SIZES), 0),
        ),
      );
    case 7:
      return {
        bytes: gpuCommand(
          Control.ResourceMapBlob,
          0,
          0,
          numbers(resource, 0, draw.pick(OFFSETS), draw.oneIn(9) ? 1 : 0),
        ),
        mayWait: false,
      };
    case 8:
      return now(gpuCommand(Control.ResourceUnmapBlob, 0, 0, numbers(resource, 0)));
    case 9: {
      const type = draw.pick([Control.CtxAttachResource, Control.CtxAttachResource, Control.CtxDetachResource]);
      return now(gpuCommand(type, context, 0, numbers(resource, 0)));
    }
    case 10:
      return now(
        draw.oneIn(2)
          ? gpuCommand(Control.ResourceUnref, 0, 0, numbers(resource, 0))
          : gpuCommand(
              draw.oneIn(2) ? Control.CtxDestroy : Control.CtxCreate,
              context,
              0,
              numbers(0, 5),
              new Uint8Array(64),
            ),
      );
    default:
      return draw.oneIn(3)
        ? now(gpuCommand(0x100 + draw.below(0x210), context, draw.byte(), draw.take(draw.below(64))))
        : now(draw.take(draw.below(80)));
  }
}
