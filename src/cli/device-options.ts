/** What every subcommand that runs in a VM takes: the way to its host. */
import { optional, TEXT } from './option.js';

export const DEVICE_OPTIONS = {
  loopback: optional(
    '--loopback <dir>',
    'a directory of Unix sockets instead of a device (environment: VIRTWL_LOOPBACK)',
    TEXT,
  ),
  device: optional(
    '--device <path>',
    'the device: of virtio_wl, or /dev/dri/renderD* of virtio_gpu ' +
      '(environment: VIRTWL_DEVICE; default: /dev/wl0, else what is found in /dev/dri)',
    TEXT,
  ),
} as const;
