/**
 * Icons of windows (`xdg_toplevel_icon_v1`). Their buffers belong to no surface and are never committed: each is copied
 * once, when it is added, into a link buffer of its own. A compositor may read that as long as a window has the icon, and
 * tells nobody when it does not any more; so the memory is kept until the icon is destroyed and no window has it.
 */
import { ProtocolError, Verdict, type Call, type RequestValues } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import type { LinkMemory, SlabPart } from '../slabs/link-memory.js';
import { NoMemory } from '../slabs/memory-source.js';
import { native } from '../system/native.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import { XdgToplevelIconV1Error } from '../wayland/protocols/xdg-toplevel-icon-v1.js';
import { AppBuffer } from './app-pool.js';

/** Buffers of one icon: each of the sizes that icon themes have, at a few scales. */
export const MAX_ICON_BUFFERS = 64;

interface IconBuffer {
  readonly part: SlabPart;
  /** Destroys it on the link. */
  destroy(): void;
}

/** An icon of the application. Lives as long as its object or a window that has it. */
class Icon {
  readonly buffers: IconBuffer[] = [];
  #users = 1;

  retain(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) for (const { part } of this.buffers) part.free();
  }
}

/** `data` of an icon's link buffer: what tells it from those of surfaces. */
const ICON = Symbol('icon');

/** Of an icon's object, and of a window that has one. */
const icons = new Note<Icon>();
const ofWindow = new Note<Icon>();

/** The concern of one connection. `memory` is lent, and asked for when there is something to copy. */
export function iconsConcern(memory: () => LinkMemory): Concern {
  const iconOf = (object: RelayObject): Icon => {
    let icon = icons.get(object);
    if (icon === undefined) icons.set(object, (icon = new Icon()));
    return icon;
  };
  const give = (window: RelayObject, icon: Icon | undefined): void => {
    icon?.retain();
    ofWindow.get(window)?.release();
    if (icon === undefined) ofWindow.delete(window);
    else ofWindow.set(window, icon);
  };
  return {
    name: 'icons',
    gone: {
      xdg_toplevel: window => give(window, undefined),
      xdg_toplevel_icon_v1: object => {
        const icon = icons.get(object);
        if (icon === undefined) return;
        for (const buffer of icon.buffers) buffer.destroy();
        icon.release();
      },
    },
    requests: {
      xdg_toplevel_icon_manager_v1: {
        set_icon: ({ args: { toplevel, icon } }) => {
          give(toplevel, icon && iconOf(icon));
          return Verdict.Forward;
        },
      },
      xdg_toplevel_icon_v1: { add_buffer: call => addBuffer(call, iconOf(call.object), memory()) },
    },
    events: {
      // The protocol has no use for it, and compositors say it all the same.
      wl_buffer: { release: ({ object }) => (object.data === ICON ? Verdict.Drop : Verdict.Forward) },
    },
  };
}

function addBuffer(
  {
    relay,
    object,
    args: { buffer, scale },
  }: Call<'xdg_toplevel_icon_v1', RequestValues<'xdg_toplevel_icon_v1', 'add_buffer'>>,
  icon: Icon,
  memory: LinkMemory,
): Verdict {
  const from = buffer.data;
  if (!(from instanceof AppBuffer) || from.width !== from.height) {
    const text = 'an icon must be a square of shared memory';
    throw new ProtocolError(object.clientId, XdgToplevelIconV1Error.invalid_buffer, text);
  }
  if (icon.buffers.length >= MAX_ICON_BUFFERS) {
    const text = `virtwl: an icon has ${MAX_ICON_BUFFERS} buffers already`;
    throw new ProtocolError(1, WlDisplayError.no_memory, text);
  }
  const { width, height, format } = from;
  const rowBytes = width * from.bytesPerPixel;
  const stride = Math.ceil(rowBytes / 4) * 4;
  let part: SlabPart | undefined;
  try {
    part = memory.take(stride * height);
  } catch (error) {
    // A window without this size of its icon is better than no window.
    if (error instanceof NoMemory) return Verdict.Drop;
    throw new ProtocolError(1, WlDisplayError.no_memory, `virtwl: ${(error as Error).message}`);
  }
  if (part === undefined) return Verdict.Stall;
  const rows = Float64Array.of(part.offset, stride, from.offset, from.stride, rowBytes, height);
  native.copyRects(part.mapping, from.pool.mapping, rows, 1);
  if (from.pool.mapping.faulted) {
    part.free();
    const text = 'the file of the pool of an icon is shorter than the pool';
    throw new ProtocolError(1, WlDisplayError.implementation, text);
  }
  const copy = relay.inject('wl_buffer', 1, ICON);
  const place = { offset: part.offset, width, height, stride, format };
  relay.request(part.pool, 'create_buffer', { id: copy, ...place });
  icon.buffers.push({ part, destroy: () => relay.request(copy, 'destroy', {}) });
  relay.request(object, 'add_buffer', { buffer: copy, scale });
  return Verdict.Drop;
}
