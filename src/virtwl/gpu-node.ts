/**
 * Which node of /dev/dri leads to our host: one of the kernel's virtio_gpu driver, behind which is a device with
 * cross-domain contexts that has servers. A graphics card's node is none, and neither is a virtual one for drawing.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../system/errno.js';
import { OwnedFd } from '../system/fd.js';
import { native } from '../system/native.js';
import { CAPSET_BYTES, ChannelType, CROSS_DOMAIN, CROSS_DOMAIN_VERSION, Parameter } from './gpu-wire.js';

const DIRECTORY = '/dev/dri';
const DRIVER = 'virtio_gpu';
/** The major number of all that is in /dev/dri. */
const DRM_MAJOR = 226;

/** A node that leads to servers, opened. */
export interface GpuNode {
  /** The caller's to close. */
  readonly fd: OwnedFd;
  /** Whether the device has our servers by name; otherwise it has a Wayland server alone. */
  readonly named: boolean;
}

/** Whether a path is, or would be, a node of a graphics device. */
export function isGpuPath(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return path.startsWith(`${DIRECTORY}/`);
  return stat.isCharacterDevice() && Math.floor(stat.rdev / 256) % 4096 === DRM_MAJOR;
}

/** Nodes for programs that draw: those that need no screen. None where there is no graphics device. */
export function renderNodes(directory = DIRECTORY): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return [];
  }
  const numbers = names.flatMap(name => (/^renderD(\d+)$/.exec(name) ?? []).slice(1).map(Number));
  return numbers.sort((a, b) => a - b).map(number => join(directory, `renderD${number}`));
}

/** Opens a node and looks at it. Throws, with the reason in a sentence, where it leads to no servers. */
export function openGpu(path: string): GpuNode {
  const fd = openNode(path);
  try {
    return { fd, named: hasNamedServers(fd.fd, path) };
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** The path of the first node that leads to servers, or why none of them does. */
export function findNode(directory = DIRECTORY): { path: string } | { path: undefined; reasons: string[] } {
  const reasons: string[] = [];
  for (const path of renderNodes(directory)) {
    try {
      openGpu(path).fd.close();
      return { path };
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  return { path: undefined, reasons };
}

/** Opens a node; each opening is, or becomes, a context of its own. The caller's to close. */
export function openNode(path: string): OwnedFd {
  try {
    const fd = new OwnedFd(native.openDevice(path));
    native.setNonblocking(fd.fd);
    return fd;
  } catch (cause) {
    const code = codeOf(cause);
    let hint = (cause as Error).message;
    if (code === 'ENOENT') hint = 'it does not exist; load the module virtio_gpu and give the VM a gpu device';
    if (code === 'EACCES') hint = 'permission denied; make this user a member of the group that it belongs to (render)';
    throw Object.assign(new Error(`cannot open ${path}: ${hint}`), { code, cause });
  }
}

/** Throws where the node leads to no servers. */
function hasNamedServers(fd: number, path: string): boolean {
  const useless = (why: string): Error => Object.assign(new Error(`${path} ${why}`), { code: 'ENODEV' });
  let driver: string;
  try {
    driver = native.drmDriver(fd);
  } catch (cause) {
    throw Object.assign(new Error(`${path} is no graphics device`), { code: codeOf(cause), cause });
  }
  if (driver !== DRIVER) throw useless(`is of the driver ${driver}, not ${DRIVER}`);
  const without = (what: string, parameter: number): void => {
    if (parameterOf(fd, parameter) === 0) throw useless(`has no ${what}, so it is no gpu device of virtwl`);
  };
  without('contexts (the kernel is older than 5.16, or the device has none)', Parameter.ContextInit);
  without('resource blobs', Parameter.ResourceBlob);
  without('memory that the host shows', Parameter.HostVisible);
  const capsets = parameterOf(fd, Parameter.SupportedCapsets);
  if ((capsets & (1 << CROSS_DOMAIN)) === 0) {
    throw useless('has no cross-domain contexts: it is a device for drawing, not one of "virtwl host --gpu-socket"');
  }
  const capset = new Uint8Array(CAPSET_BYTES);
  native.drmCapset(fd, CROSS_DOMAIN, CROSS_DOMAIN_VERSION, capset);
  const channels = new DataView(capset.buffer).getUint32(4, true);
  const named = (channels & (1 << ChannelType.Named)) !== 0;
  if (!named && (channels & (1 << ChannelType.Wayland)) === 0) {
    throw useless('has neither servers by name nor a Wayland server');
  }
  return named;
}

/** 0 for what this kernel does not know. */
function parameterOf(fd: number, parameter: number): number {
  try {
    return native.drmParameter(fd, parameter);
  } catch {
    return 0;
  }
}
