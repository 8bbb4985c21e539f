/**
 * What a VMM is told to have a VM's wl device: its arguments by VMM. The VM's memory must be shared with us, which is said
 * where the memory is described, so it is a note beside them.
 */

export const VMMS = ['qemu', 'crosvm', 'cloud-hypervisor'] as const;
export type Vmm = (typeof VMMS)[number];

/** virtio_wl's first id. QEMU's table of names ends below 63, the one that it has now. */
const FIRST_ID = 30;
const ID = 63;

/** The device's queues and their size. */
const QUEUES = 2;
const QUEUE_SIZE = 256;

export interface VmmArguments {
  readonly args: readonly string[];
  /** What else the VM needs, for people. */
  readonly note: string;
}

/** The arguments for a wl device whose vhost-user socket is `socket`, an absolute path. */
export function wlDeviceArguments(vmm: Vmm, socket: string): VmmArguments {
  switch (vmm) {
    case 'qemu':
      return {
        args: qemuWlDevice(`path=${socket.replaceAll(',', ',,')}`),
        note:
          'QEMU 11.1 or newer, and shared memory: ' +
          '-machine q35,memory-backend=m -object memory-backend-memfd,id=m,size=SIZE,share=on',
      };
    case 'crosvm':
      return { args: ['--vhost-user', `wl,socket=${socket}`], note: 'crosvm shares the memory of its VMs by itself' };
    case 'cloud-hypervisor':
      return {
        args: [
          '--generic-vhost-user',
          `socket="${socket.replaceAll('"', '""')}",virtio_id=${ID},queue_sizes=[${Array(QUEUES).fill(QUEUE_SIZE).join(',')}]`,
        ],
        note: 'shared memory: --memory size=SIZE,shared=on; a release whose generic device has shared memory regions',
      };
  }
}

/**
 * QEMU's arguments for a wl device.
 * @param connection to the host process, as QEMU's socket chardev takes it: `path=PATH` or `fd=NUMBER`
 */
export function qemuWlDevice(connection: string): string[] {
  const device = `vhost-user-test-device-pci,virtio-id=${FIRST_ID},num_vqs=${QUEUES},vq_size=${QUEUE_SIZE},config_size=0`;
  return ['-chardev', `socket,id=virtwl,${connection}`, '-device', `${device},chardev=virtwl`];
}

/** crosvm's arguments for servers in a loopback directory, with its own wl device. */
export function crosvmServerArguments(directory: string, servers: Iterable<string>): VmmArguments {
  const args = [...servers].flatMap(name => ['--wayland-sock', `${directory}/${name},name=${name}`]);
  return { args, note: 'crosvm’s own device; with --compositor use "relay", since it cannot receive sockets' };
}

/** Words as a shell reads them back. */
export function shellWords(words: readonly string[]): string {
  return words.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}
