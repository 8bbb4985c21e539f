/** The option by which commands that make VMs are told what carries messages and memory between a VM and its host. */
import { DEVICE_KINDS, type DeviceKind } from '../host/guest/vmm-arguments.js';
import { oneOf, type Kind } from './option.js';

/** `wl`: a wl device and our driver. `gpu`: a virtio-gpu device without a screen, and the kernel's own driver. */
export const TRANSPORT: Kind<DeviceKind> = oneOf(DEVICE_KINDS);
