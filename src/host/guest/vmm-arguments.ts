/**
 * What a VMM is told to have a VM's devices of ours: its arguments by VMM. The VM's memory must be shared with us, which is said
 * where the memory is described, so it is a note beside them.
 */

export const VMMS = ['qemu', 'crosvm', 'cloud-hypervisor'] as const;
export type Vmm = (typeof VMMS)[number];

/** A device as a VMM has to make it. */
interface DeviceShape {
  /** Virtio's number of its kind, for VMMs that take it by that. */
  readonly id: number;
  /** The same for QEMU, whose table of names ends below 63, the one that virtio_wl has now: 30 is its first one. */
  readonly qemuId: number;
  /** crosvm's word for its kind. */
  readonly crosvm: string;
  readonly queueSize: number;
  /** Bytes of its configuration space. */
  readonly configBytes: number;
  /** What QEMU calls it. */
  readonly name: string;
}

const SHAPES = {
  wl: { id: 63, qemuId: 30, crosvm: 'wl', queueSize: 256, configBytes: 0, name: 'virtwl' },
  // A program that waits holds a descriptor, so the queue is as large as QEMU lets it be.
  gpu: { id: 16, qemuId: 16, crosvm: 'gpu', queueSize: 1024, configBytes: 16, name: 'virtwl-gpu' },
} as const satisfies Readonly<Record<string, DeviceShape>>;
/** Kinds of devices: virtio_wl, and virtio-gpu without a screen. */
export type DeviceKind = keyof typeof SHAPES;
export const DEVICE_KINDS = Object.keys(SHAPES) as DeviceKind[];

/** Queues of either. */
const QUEUES = 2;

export interface VmmArguments {
  readonly args: readonly string[];
  /** What else the VM needs, for people. */
  readonly note: string;
}

/** The arguments for a device whose vhost-user socket is `socket`, an absolute path. */
export function deviceArguments(vmm: Vmm, kind: DeviceKind, socket: string): VmmArguments {
  const { id, crosvm, queueSize } = SHAPES[kind];
  switch (vmm) {
    case 'qemu':
      return {
        args: qemuDevice(kind, `path=${socket.replaceAll(',', ',,')}`),
        note:
          'QEMU 11.1 or newer, and shared memory: ' +
          '-machine q35,memory-backend=m -object memory-backend-memfd,id=m,size=SIZE,share=on',
      };
    case 'crosvm':
      return {
        args: ['--vhost-user', `${crosvm},socket=${socket}`],
        note: 'crosvm shares the memory of its VMs by itself',
      };
    case 'cloud-hypervisor':
      return {
        args: [
          '--generic-vhost-user',
          `socket="${socket.replaceAll('"', '""')}",virtio_id=${id},queue_sizes=[${Array(QUEUES).fill(queueSize).join(',')}]`,
        ],
        note: 'shared memory: --memory size=SIZE,shared=on; a release whose generic device has shared memory regions',
      };
  }
}

/**
 * QEMU's arguments for a device.
 * @param connection to the host process, as QEMU's socket chardev takes it: `path=PATH` or `fd=NUMBER`
 */
export function qemuDevice(kind: DeviceKind, connection: string): string[] {
  const { qemuId, queueSize, configBytes, name } = SHAPES[kind];
  const device = `vhost-user-test-device-pci,virtio-id=${qemuId},num_vqs=${QUEUES},vq_size=${queueSize},config_size=${configBytes}`;
  return ['-chardev', `socket,id=${name},${connection}`, '-device', `${device},chardev=${name}`];
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
