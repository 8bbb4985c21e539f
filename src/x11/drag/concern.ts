/**
 * What the relay of an Xwayland hears for drags: where the pointer is, what comes over Xwayland's surfaces, and what becomes of
 * what X clients drag. Xwayland has no data devices, and of its pointer it is told what it needs for a drag of its own.
 */
import { Verdict } from '../../relay/call.js';
import type { Concern } from '../../relay/chain.js';
import type { RelayObject } from '../../relay/object-map.js';
import { Offer } from '../selections/wayland-selection.js';
import type { HeldPointer } from './held-pointer.js';
import { XDrag } from './x-drag.js';

/** Places are of the surface that was entered last, in units of the compositor's. */
export interface DragWatch {
  enter(serial: number, surface: RelayObject, x: number, y: number, offer: Offer): void;
  motion(x: number, y: number): void;
  leave(): void;
  drop(): void;
}

export function dragsConcern(pointer: HeldPointer, watch: DragWatch): Concern {
  /** Says it to the drag that the source is of, and to nobody else. */
  const ofDrag = ({ object }: { readonly object: RelayObject }, say: (drag: XDrag) => void): Verdict => {
    if (!(object.data instanceof XDrag)) return Verdict.Forward;
    if (!object.destroyed) say(object.data);
    return Verdict.Drop;
  };
  return {
    name: 'x11 drags',
    after: ['x11 scale', 'x11 surfaces', 'x11 windows'],
    events: {
      wl_pointer: {
        enter: ({ object, args }) => pointer.entered(object, args.surface),
        leave: ({ object, args }) => pointer.left(object, args.serial),
        button: ({ object, args }) => pointer.button(object, args),
      },
      wl_data_device: {
        enter: ({ args: { serial, surface, x, y, id } }) => {
          if (surface !== undefined && id?.data instanceof Offer) watch.enter(serial, surface, x, y, id.data);
          return Verdict.Drop;
        },
        motion: ({ args: { x, y } }) => {
          watch.motion(x, y);
          return Verdict.Drop;
        },
        leave: () => {
          watch.leave();
          return Verdict.Drop;
        },
        drop: () => {
          watch.drop();
          return Verdict.Drop;
        },
      },
      wl_data_offer: {
        source_actions: ({ object, args }) => {
          if (object.data instanceof Offer) object.data.sourceActions = args.source_actions;
          return Verdict.Drop;
        },
        action: ({ object, args }) => {
          if (object.data instanceof Offer) object.data.action = args.dnd_action;
          return Verdict.Drop;
        },
      },
      wl_data_source: {
        target: call => ofDrag(call, drag => drag.accepted(call.args.mime_type !== undefined)),
        action: call => ofDrag(call, drag => drag.chosen(call.args.dnd_action)),
        send: call => ofDrag(call, drag => drag.asked(call.args.mime_type, call.takeFd())),
        dnd_drop_performed: call => ofDrag(call, drag => drag.dropped()),
        dnd_finished: call => ofDrag(call, drag => drag.finished()),
        cancelled: call => ofDrag(call, drag => drag.cancelled()),
      },
    },
  };
}
