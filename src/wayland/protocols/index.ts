/**
 * Every interface that this project can parse, by name. That an interface is here says nothing about who may use it:
 * what a remote client is offered is the glue's allow-list. Written by generate.ts: change that, not this.
 *
 * The tables come from wayland 1.26.0 and wayland-protocols 1.49 but for those whose files say that they are written by
 * hand.
 */
import type { Interface } from '../interface.js';
import { interfaces as alphaModifierV1 } from './alpha-modifier-v1.js';
import { interfaces as colorManagementV1 } from './color-management-v1.js';
import { interfaces as colorRepresentationV1 } from './color-representation-v1.js';
import { interfaces as commitTimingV1 } from './commit-timing-v1.js';
import { interfaces as contentTypeV1 } from './content-type-v1.js';
import { interfaces as cursorShapeV1 } from './cursor-shape-v1.js';
import { interfaces as extBackgroundEffectV1 } from './ext-background-effect-v1.js';
import { interfaces as extDataControlV1 } from './ext-data-control-v1.js';
import { interfaces as extForeignToplevelListV1 } from './ext-foreign-toplevel-list-v1.js';
import { interfaces as extIdleNotifyV1 } from './ext-idle-notify-v1.js';
import { interfaces as extImageCaptureSourceV1 } from './ext-image-capture-source-v1.js';
import { interfaces as extImageCopyCaptureV1 } from './ext-image-copy-capture-v1.js';
import { interfaces as extSessionLockV1 } from './ext-session-lock-v1.js';
import { interfaces as extWorkspaceV1 } from './ext-workspace-v1.js';
import { interfaces as fifoV1 } from './fifo-v1.js';
import { interfaces as fractionalScaleV1 } from './fractional-scale-v1.js';
import { interfaces as gtkPrimarySelection } from './gtk-primary-selection.js';
import { interfaces as idleInhibitUnstableV1 } from './idle-inhibit-unstable-v1.js';
import { interfaces as inputMethodUnstableV2 } from './input-method-unstable-v2.js';
import { interfaces as inputTimestampsUnstableV1 } from './input-timestamps-unstable-v1.js';
import { interfaces as keyboardShortcutsInhibitUnstableV1 } from './keyboard-shortcuts-inhibit-unstable-v1.js';
import { interfaces as linuxDmabufV1 } from './linux-dmabuf-v1.js';
import { interfaces as linuxDrmSyncobjV1 } from './linux-drm-syncobj-v1.js';
import { interfaces as linuxExplicitSynchronizationUnstableV1 } from './linux-explicit-synchronization-unstable-v1.js';
import { interfaces as pointerConstraintsUnstableV1 } from './pointer-constraints-unstable-v1.js';
import { interfaces as pointerGesturesUnstableV1 } from './pointer-gestures-unstable-v1.js';
import { interfaces as pointerWarpV1 } from './pointer-warp-v1.js';
import { interfaces as presentationTime } from './presentation-time.js';
import { interfaces as primarySelectionUnstableV1 } from './primary-selection-unstable-v1.js';
import { interfaces as relativePointerUnstableV1 } from './relative-pointer-unstable-v1.js';
import { interfaces as securityContextV1 } from './security-context-v1.js';
import { interfaces as serverDecoration } from './server-decoration.js';
import { interfaces as singlePixelBufferV1 } from './single-pixel-buffer-v1.js';
import { interfaces as tabletV2 } from './tablet-v2.js';
import { interfaces as tearingControlV1 } from './tearing-control-v1.js';
import { interfaces as textInputUnstableV1 } from './text-input-unstable-v1.js';
import { interfaces as textInputUnstableV3 } from './text-input-unstable-v3.js';
import { interfaces as viewporter } from './viewporter.js';
import { interfaces as virtualKeyboardUnstableV1 } from './virtual-keyboard-unstable-v1.js';
import { interfaces as virtwlClock } from './virtwl-clock.js';
import { interfaces as virtwlMemory } from './virtwl-memory.js';
import { interfaces as wayland } from './wayland.js';
import { interfaces as wlrDataControlUnstableV1 } from './wlr-data-control-unstable-v1.js';
import { interfaces as wlrForeignToplevelManagementUnstableV1 } from './wlr-foreign-toplevel-management-unstable-v1.js';
import { interfaces as wlrLayerShellUnstableV1 } from './wlr-layer-shell-unstable-v1.js';
import { interfaces as wlrScreencopyUnstableV1 } from './wlr-screencopy-unstable-v1.js';
import { interfaces as wlrVirtualPointerUnstableV1 } from './wlr-virtual-pointer-unstable-v1.js';
import { interfaces as xdgActivationV1 } from './xdg-activation-v1.js';
import { interfaces as xdgDecorationUnstableV1 } from './xdg-decoration-unstable-v1.js';
import { interfaces as xdgDialogV1 } from './xdg-dialog-v1.js';
import { interfaces as xdgForeignUnstableV1 } from './xdg-foreign-unstable-v1.js';
import { interfaces as xdgForeignUnstableV2 } from './xdg-foreign-unstable-v2.js';
import { interfaces as xdgOutputUnstableV1 } from './xdg-output-unstable-v1.js';
import { interfaces as xdgSessionManagementV1 } from './xdg-session-management-v1.js';
import { interfaces as xdgShell } from './xdg-shell.js';
import { interfaces as xdgSystemBellV1 } from './xdg-system-bell-v1.js';
import { interfaces as xdgToplevelDragV1 } from './xdg-toplevel-drag-v1.js';
import { interfaces as xdgToplevelIconV1 } from './xdg-toplevel-icon-v1.js';
import { interfaces as xdgToplevelTagV1 } from './xdg-toplevel-tag-v1.js';
import { interfaces as xwaylandShellV1 } from './xwayland-shell-v1.js';

const ALL = [
  ...alphaModifierV1,
  ...colorManagementV1,
  ...colorRepresentationV1,
  ...commitTimingV1,
  ...contentTypeV1,
  ...cursorShapeV1,
  ...extBackgroundEffectV1,
  ...extDataControlV1,
  ...extForeignToplevelListV1,
  ...extIdleNotifyV1,
  ...extImageCaptureSourceV1,
  ...extImageCopyCaptureV1,
  ...extSessionLockV1,
  ...extWorkspaceV1,
  ...fifoV1,
  ...fractionalScaleV1,
  ...gtkPrimarySelection,
  ...idleInhibitUnstableV1,
  ...inputMethodUnstableV2,
  ...inputTimestampsUnstableV1,
  ...keyboardShortcutsInhibitUnstableV1,
  ...linuxDmabufV1,
  ...linuxDrmSyncobjV1,
  ...linuxExplicitSynchronizationUnstableV1,
  ...pointerConstraintsUnstableV1,
  ...pointerGesturesUnstableV1,
  ...pointerWarpV1,
  ...presentationTime,
  ...primarySelectionUnstableV1,
  ...relativePointerUnstableV1,
  ...securityContextV1,
  ...serverDecoration,
  ...singlePixelBufferV1,
  ...tabletV2,
  ...tearingControlV1,
  ...textInputUnstableV1,
  ...textInputUnstableV3,
  ...viewporter,
  ...virtualKeyboardUnstableV1,
  ...virtwlClock,
  ...virtwlMemory,
  ...wayland,
  ...wlrDataControlUnstableV1,
  ...wlrForeignToplevelManagementUnstableV1,
  ...wlrLayerShellUnstableV1,
  ...wlrScreencopyUnstableV1,
  ...wlrVirtualPointerUnstableV1,
  ...xdgActivationV1,
  ...xdgDecorationUnstableV1,
  ...xdgDialogV1,
  ...xdgForeignUnstableV1,
  ...xdgForeignUnstableV2,
  ...xdgOutputUnstableV1,
  ...xdgSessionManagementV1,
  ...xdgShell,
  ...xdgSystemBellV1,
  ...xdgToplevelDragV1,
  ...xdgToplevelIconV1,
  ...xdgToplevelTagV1,
  ...xwaylandShellV1,
];

/** Every table by the name of its interface, with its lines as types. */
export type Tables = { readonly [T in (typeof ALL)[number] as T['name']]: T };

/** All interfaces by name. */
export const interfaces: ReadonlyMap<string, Interface> = new Map(ALL.map(item => [item.name, item]));
