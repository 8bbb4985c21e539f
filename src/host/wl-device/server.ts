/** The wl device of one VM, at the socket to which its VMM connects. */
import { DeviceServer, type DeviceServerOptions } from '../guest/device-server.js';
import { WlDevice } from './device.js';

export class WlDeviceServer extends DeviceServer<WlDevice> {
  constructor(options: DeviceServerOptions) {
    super(options, ({ resources, slots }, limits) => new WlDevice(resources, limits, slots));
  }
}
