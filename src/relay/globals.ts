/**
 * Which globals pass a relay. A registry announces everything that a compositor has; on the way to a client in another
 * VM only what is on the list below remains, at most in the version given there. The list holds what the relay can
 * carry (it knows every message, and has a way for every fd) and what such a client may have. What a privileged client
 * uses (virtual input, clipboard managers, layer shell, session lock, output management) is not on it; screen capture, and
 * keeping the compositor's shortcuts, have lists of their own, for VMs whose policy allows them.
 *
 * What compositors announce and is on none of the lists is on {@link NOT_CARRIED}, with the reason.
 */
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import { ProtocolError, Verdict } from './call.js';
import { checkFdKinds } from './carriers.js';
import type { Concern } from './chain.js';
import { GlobalTable, type Global } from '../wayland/global-table.js';

/** Interfaces of globals that a client in another VM may see, with the newest version that is carried. */
export const REMOTE_GLOBALS: ReadonlyMap<string, number> = new Map([
  ['wl_compositor', 6],
  ['wl_subcompositor', 1],
  ['wl_shm', 2],
  ['wl_output', 4],
  ['wl_seat', 9],
  ['wl_data_device_manager', 3],
  ['xdg_wm_base', 6],
  ['wp_viewporter', 1],
  ['wp_fractional_scale_manager_v1', 1],
  ['wp_single_pixel_buffer_manager_v1', 1],
  ['wp_cursor_shape_manager_v1', 2],
  ['wp_presentation', 2],
  ['wp_content_type_manager_v1', 1],
  ['wp_tearing_control_manager_v1', 1],
  ['wp_alpha_modifier_v1', 1],
  ['wp_color_representation_manager_v1', 1],
  ['xdg_activation_v1', 1],
  ['xdg_wm_dialog_v1', 1],
  ['xdg_system_bell_v1', 1],
  ['xdg_toplevel_tag_manager_v1', 1],
  ['xdg_toplevel_icon_manager_v1', 1],
  ['zxdg_decoration_manager_v1', 1],
  ['zxdg_output_manager_v1', 3],
  ['zxdg_exporter_v1', 1],
  ['zxdg_importer_v1', 1],
  ['zxdg_exporter_v2', 1],
  ['zxdg_importer_v2', 1],
  ['zwp_relative_pointer_manager_v1', 1],
  ['zwp_pointer_constraints_v1', 1],
  ['zwp_pointer_gestures_v1', 3],
  ['zwp_text_input_manager_v3', 1],
  ['zwp_primary_selection_device_manager_v1', 1],
  ['gtk_primary_selection_device_manager', 1],
  ['zwp_idle_inhibit_manager_v1', 1],
  ['ext_idle_notifier_v1', 2],
  // Version 2 has `ack_global_remove`, by which a compositor would wait for clients that do not see each global.
  ['wl_fixes', 1],
  ['zwp_tablet_manager_v2', 1],
  ['org_kde_kwin_server_decoration_manager', 1],
]);

/** What a client sees beside those when it may capture the screen. A proxy that copies pixels cannot carry it. */
export const CAPTURE_GLOBALS: ReadonlyMap<string, number> = new Map([['zwlr_screencopy_manager_v1', 3]]);

/** What a client sees beside those when it may get the keys that are the compositor's shortcuts. */
export const SHORTCUTS_GLOBALS: ReadonlyMap<string, number> = new Map([
  ['zwp_keyboard_shortcuts_inhibit_manager_v1', 1],
]);

const PRIVILEGED = 'sees or moves what is of other clients, or of the whole desktop';
const TYPES = 'types, or takes what is typed, into windows of others';
const NO_GPU = 'is about buffers of a GPU, which do not cross: pixels are memory of the host’s allocator';

/** Globals that are known and not carried, and why: what a compositor announces is here, or on one of the lists above. */
export const NOT_CARRIED: ReadonlyMap<string, string> = new Map([
  ['zwlr_layer_shell_v1', PRIVILEGED],
  ['zwlr_foreign_toplevel_manager_v1', PRIVILEGED],
  ['ext_foreign_toplevel_list_v1', PRIVILEGED],
  ['ext_workspace_manager_v1', PRIVILEGED],
  ['zcosmic_workspace_manager_v1', PRIVILEGED],
  ['ext_session_lock_manager_v1', PRIVILEGED],
  ['zwlr_output_manager_v1', PRIVILEGED],
  ['zwlr_output_power_manager_v1', PRIVILEGED],
  ['zwlr_gamma_control_manager_v1', PRIVILEGED],
  ['zwlr_data_control_manager_v1', PRIVILEGED],
  ['ext_data_control_manager_v1', PRIVILEGED],
  ['wp_security_context_manager_v1', PRIVILEGED],
  ['ext_transient_seat_manager_v1', PRIVILEGED],
  ['zwp_virtual_keyboard_manager_v1', TYPES],
  ['zwlr_virtual_pointer_manager_v1', TYPES],
  ['wp_pointer_warp_v1', TYPES],
  ['zwp_input_method_manager_v2', TYPES],
  ['zwlr_input_inhibit_manager_v1', TYPES],
  ['zwp_xwayland_keyboard_grab_manager_v1', TYPES],
  ['zwlr_export_dmabuf_manager_v1', NO_GPU],
  ['zwp_linux_dmabuf_v1', NO_GPU],
  ['wp_linux_drm_syncobj_manager_v1', NO_GPU],
  ['zwp_linux_explicit_synchronization_v1', NO_GPU],
  ['wp_drm_lease_device_v1', NO_GPU],
  ['wl_drm', NO_GPU],
  ['ext_image_copy_capture_manager_v1', 'captures the screen; `capture yes` gives zwlr_screencopy_manager_v1 instead'],
  ['ext_output_image_capture_source_manager_v1', 'captures the screen, as above'],
  ['ext_foreign_toplevel_image_capture_source_manager_v1', 'captures windows of others'],
  ['wp_fifo_manager_v1', 'lets commits wait in the compositor, in any number, with their buffers'],
  [
    'wp_commit_timing_manager_v1',
    'lets commits wait in the compositor, and its times are of the compositor VM’s clock',
  ],
  ['wp_color_manager_v1', 'takes descriptors of ICC profiles, for which there is no carrier yet'],
  ['xdg_toplevel_drag_manager_v1', 'moves a window with what is dragged, which the firewall does not know yet'],
  ['xdg_session_manager_v1', 'gives windows their places of former sessions, by names that VMs would share'],
  ['ext_background_effect_manager_v1', 'blurs what is behind a window: no compositor of wlroots has it yet'],
  ['zwp_text_input_manager_v1', 'is what zwp_text_input_manager_v3 has replaced'],
  [
    'zwp_input_timestamps_manager_v1',
    'its times are of the compositor VM’s clock, and by them one VM would see what others type',
  ],
  ['org_kde_kwin_idle', 'is what ext_idle_notifier_v1 has replaced'],
  ['wl_shell', 'is what xdg_wm_base has replaced'],
  ['xwayland_shell_v1', 'is for an Xwayland that the compositor has started itself'],
]);

/** The version in which a global may be announced; 0: not at all. */
export type GlobalPolicy = (interfaceName: string, version: number) => number;

/** The policy of a list: the smaller of both versions. */
export function allowOnly(list: ReadonlyMap<string, number>): GlobalPolicy {
  return (interfaceName, version) => Math.min(list.get(interfaceName) ?? 0, version);
}

checkFdKinds([...REMOTE_GLOBALS.keys(), ...CAPTURE_GLOBALS.keys(), ...SHORTCUTS_GLOBALS.keys()]);

/**
 * The concern that lets `policy` decide what registries announce. Globals announced to a registry of the relay's own go
 * to `ownGlobal` instead, unfiltered, and the names of those that are removed to `ownGone`.
 *
 * What may be bound is noted once for the whole connection: all its registries announce the same globals, and a client
 * can make very many registries. `extra` are globals of the relay's own; who answers for them announces them. Removed
 * globals stay noted for a while: a bind may be on its way.
 */
export function globalsConcern(
  policy: GlobalPolicy,
  ownGlobal: (global: Global) => void,
  extra: readonly Global[] = [],
  ownGone: (name: number) => void = () => {},
): Concern {
  const announced = new GlobalTable();
  for (const global of extra) announced.add(global);
  return {
    name: 'globals',
    after: ['compositor kind'],
    requests: {
      wl_registry: {
        bind({ object, args: { name, id: bind } }) {
          const global = announced.get(name);
          const fits = global?.interface === bind.interface && bind.version >= 1 && bind.version <= global.version;
          if (fits) return Verdict.Forward;
          throw new ProtocolError(
            object.clientId,
            WlDisplayError.invalid_object,
            `invalid global ${bind.interface} (name ${name}, version ${bind.version})`,
          );
        },
      },
      wl_fixes: {
        destroy_registry({ relay, object, args: { registry } }) {
          relay.request(object, 'destroy_registry', { registry });
          relay.destroyed(registry);
          return Verdict.Drop;
        },
      },
    },
    events: {
      wl_registry: {
        global({ relay, object, args }) {
          if (object.clientId === 0) {
            ownGlobal(args);
            return Verdict.Drop;
          }
          const version = policy(args.interface, args.version);
          if (version > 0) {
            announced.add({ name: args.name, interface: args.interface, version });
            relay.emitEvent(object, 'global', { ...args, version });
          } else {
            // The name may have been another global's.
            announced.delete(args.name);
          }
          return Verdict.Drop;
        },
        global_remove({ object, args: { name } }) {
          if (object.clientId === 0) ownGone(name);
          if (object.clientId === 0 || announced.get(name) === undefined) return Verdict.Drop;
          announced.remove(name);
          return Verdict.Forward;
        },
      },
    },
  };
}
