/** The gpu device of one VM, at the socket to which its VMM connects. */
import { DeviceServer, type DeviceServerOptions } from '../guest/device-server.js';
import { GpuDevice } from './device.js';

export class GpuDeviceServer extends DeviceServer<GpuDevice> {
  constructor(options: DeviceServerOptions) {
    super(options, ({ resources, slots }, limits) => new GpuDevice(resources, limits, slots));
  }
}
