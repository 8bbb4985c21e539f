/**
 * The options of `virtwl host`, which are also the lines of a VM's file (`config-file.ts`): what each is called, which values
 * it takes, what holds where nobody says anything.
 */
import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { DEFAULT_REQUEST_LIMIT } from '../allocator/budget.js';
import { DEFAULT_REQUESTS_PER_SECOND } from '../allocator/request-rate.js';
import { DEFAULT_GUEST_LIMITS, MAX_MAPPINGS } from '../host/guest/limits.js';
import { VMMS } from '../host/guest/vmm-arguments.js';
import { formatBytes } from './bytes.js';
import {
  BYTES,
  COUNT,
  flag,
  oneOf,
  optional,
  PATH,
  required,
  TEXT,
  VM_NAME,
  withDefault,
  type Kind,
  type Values,
} from './option.js';

/** What `--socket` names: where the VMM connects, and further servers by name. Paths are absolute. */
interface Sockets {
  readonly device?: string;
  readonly servers: Readonly<Record<string, string>>;
}

/** A name of a server has no slash, so a path may have an equals sign behind one. Given again, it adds to the others. */
const NAMED_SOCKET = /^([^=/]+)=(.+)$/;
const SOCKETS: Kind<Sockets> = {
  slot: text => NAMED_SOCKET.exec(text)?.[1] ?? '',
  parse: (text, sockets = { servers: {} }) => {
    const [, name, path] = NAMED_SOCKET.exec(text) ?? [];
    if (name !== undefined && path !== undefined) {
      return { ...sockets, servers: { ...sockets.servers, [name]: resolve(path) } };
    }
    if (text === '' || /^[^/]*=/.test(text)) throw new InvalidArgumentError('give PATH, or NAME=PATH.');
    if (sockets.device !== undefined) {
      throw new InvalidArgumentError(`${sockets.device} was given already; another server is NAME=PATH.`);
    }
    return { ...sockets, device: resolve(text) };
  },
};

const MAPPINGS: Kind<number> = {
  parse: (text, before) => {
    const count = COUNT.parse(text, before);
    if (count <= MAX_MAPPINGS) return count;
    throw new InvalidArgumentError(`QEMU has room for ${MAX_MAPPINGS}.`);
  },
};

export const OPTIONS = {
  vm: required('--vm <name>', 'name of the VM, as it shows in logs', VM_NAME),
  config: optional(
    '--config <file>',
    "options, one a line and without dashes (allocator 2G); what is given here holds in place of the file's, and adds to " +
      'it where it can be given more than once. Without --vm the VM is called as the file (work.conf)',
    TEXT,
  ),
  loopback: optional('--loopback <dir>', 'directory for the sockets, made when it is not there', PATH),
  allocator: optional(
    '--allocator <budget>',
    'serve memory, in all at most this much (512M, 2G); for the compositor VM',
    BYTES,
  ),
  allocatorRequest: withDefault(
    '--allocator-request <size>',
    'most memory in one request',
    BYTES,
    DEFAULT_REQUEST_LIMIT,
  ),
  allocatorRate: withDefault(
    '--allocator-rate <n>',
    'requests answered a second; more wait',
    COUNT,
    DEFAULT_REQUESTS_PER_SECOND,
  ),
  compositor: {
    ...optional(
      '--compositor [mode]',
      'this is the compositor VM; "relay" where its front-end cannot receive sockets (unmodified crosvm)',
      oneOf(['handover', 'relay']),
    ),
    preset: 'handover',
  },
  wayland: flag('--wayland', 'applications of this VM may reach the compositor VM'),
  probe: flag('--probe', 'serve "virtwl probe"'),
  broker: optional('--broker <dir>', 'directory of the broker; needed with --compositor and --wayland', PATH),
  socket: optional(
    '--socket <path|name=path>',
    "PATH: where the VM's VMM connects. NAME=PATH: another server, whose connections go to the host's socket at PATH; " +
      'repeatable',
    SOCKETS,
  ),
  gpuSocket: optional(
    '--gpu-socket <path>',
    "where the VM's VMM connects for a virtio-gpu device without a screen, by which guests without our driver reach the " +
      'same servers; beside --socket PATH or instead of it',
    PATH,
  ),
  defaultServer: optional(
    '--default-server <name>',
    'the server of a guest that asks for one without a name, as sommelier does (default: wayland, with --wayland)',
    TEXT,
  ),
  print: optional('--print <vmm>', "print the VMM's arguments for this VM, and end", oneOf(VMMS)),
  guestMemory: withDefault(
    '--guest-memory <size>',
    'most memory that the guest may make itself',
    BYTES,
    DEFAULT_GUEST_LIMITS.allocBytes,
  ),
  maxReceived: optional(
    '--max-received <size>',
    'most memory of servers that the guest may have open ' +
      `(default: ${formatBytes(DEFAULT_GUEST_LIMITS.receivedBytes)}; with --allocator no bound but its own)`,
    BYTES,
  ),
  maxVfds: withDefault(
    '--max-vfds <n>',
    'most vfds of the guest; of a gpu device, most resources',
    COUNT,
    DEFAULT_GUEST_LIMITS.vfds,
  ),
  maxConnections: withDefault(
    '--max-connections <n>',
    'most connections of the guest',
    COUNT,
    DEFAULT_GUEST_LIMITS.connections,
  ),
  maxPipes: withDefault('--max-pipes <n>', 'most pipes of the guest', COUNT, DEFAULT_GUEST_LIMITS.pipes),
  maxMappings: withDefault(
    '--max-mappings <n>',
    `most pieces of memory mapped into the guest, ${MAX_MAPPINGS} at most`,
    MAPPINGS,
    DEFAULT_GUEST_LIMITS.mappings,
  ),
  maxQueued: withDefault(
    '--max-queued <size>',
    'most bytes that wait for the guest to read',
    BYTES,
    DEFAULT_GUEST_LIMITS.queuedBytes,
  ),
} as const;

export type HostOptions = Values<typeof OPTIONS>;
