/**
 * What the clients of one VM may do on the compositor. One small file per VM, `NAME.policy` in a directory, and
 * `default.policy` for those without one; without either, the defaults below hold. A line is a setting and its values;
 * what follows a # is a comment:
 *
 *     clipboard   write          # none, read, write, or read write
 *     title       prefixed       # or free
 *     app-id      plain          # or prefixed, suffixed
 *     shadow      64             # around a window, in surface units
 *     cursor      512            # widest and highest, in surface units
 *     fullscreen  no             # or yes
 *     capture     no             # or yes: it may read the whole screen
 *     focus       hold           # or free: its windows appear while the user types elsewhere
 *     activation  own            # or any: tokens of every VM activate its windows
 *     pointer     lock no        # or yes: it may lock and confine the pointer
 *     shortcuts   keep           # or inhibit: its windows may ask for the compositor's own keys
 *     memory      256M           # host memory for buffers
 *     buffer      256M           # the largest of them
 *     time        25             # percent of the compositor's time, while other VMs say anything
 *     clients     64             # connections at the same time
 *     objects     20000          # objects of all of them together
 *     limit       popups 32      # objects of one kind, or the size of one thing
 *     deny        zxdg_exporter_v2
 *     allow       xdg_wm_base 3  # at most in version 3
 *
 * Every mistake is an error that names file and line, and nothing starts with a policy that is not understood.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BOUNDS } from '../src/firewall/bounds.js';
import { DEFAULT_SHADOW } from '../src/firewall/geometry.js';
import { VM_SHARE } from '../src/firewall/pace.js';
import { DEFAULT_CURSOR } from '../src/firewall/pointer-images.js';
import { KINDS } from '../src/firewall/population.js';
import { checkVmName } from '../src/broker/protocol.js';
import {
  allowOnly,
  CAPTURE_GLOBALS,
  REMOTE_GLOBALS,
  SHORTCUTS_GLOBALS,
  type GlobalPolicy,
} from '../src/relay/globals.js';
import { DEFAULT_OBJECTS_PER_VM, DEFAULT_VM_SHARE } from './vm-account.js';
import type { AppIdForm } from './window-label.js';

/**
 * Connections of one VM at the same time: a desktop has dozens, and a script that opens windows some hundreds. One whose
 * client asks much and reads nothing costs the glue some 2 MiB of messages that wait, and each is two descriptors here and
 * one in the compositor.
 */
export const DEFAULT_CLIENTS_PER_VM = 512;
/** The largest buffer, in bytes: 16,384 x 16,384 pixels, beyond which compositors have no textures. */
export const DEFAULT_LARGEST_BUFFER = 1 << 30;
/** Widest shadow and largest cursor that a policy may allow, in surface units: a screen's height. */
export const MAX_POLICY_UNITS = 4096;
/** The largest number of objects that a policy may allow, of one kind or altogether. */
export const MAX_LIMIT = 10_000_000;
/** What `limit` takes, and the most of it. */
const LIMITS: readonly { readonly name: string; readonly ceiling: number }[] = [
  ...KINDS.map(({ name }) => ({ name, ceiling: MAX_LIMIT })),
  ...BOUNDS,
];
/** The largest policy file that is read, in bytes. */
export const MAX_POLICY_BYTES = 64 * 1024;

/** What one VM's clients may do. */
export interface VmPolicy {
  /** Globals that they see, and in which version. */
  readonly globals: GlobalPolicy;
  /** Whether they may learn what is in the clipboard and the primary selection. Drops onto their windows are always theirs. */
  readonly readClipboard: boolean;
  /** Whether they may put something there. */
  readonly writeClipboard: boolean;
  /** Whether the VM's name stands before their titles. */
  readonly prefixTitles: boolean;
  /** Where it stands in their app ids. */
  readonly appId: AppIdForm;
  /** Widest shadow on each side of a window, in surface units. */
  readonly shadow: number;
  /** Widest and highest cursor, in surface units. */
  readonly cursor: number;
  readonly fullscreen: boolean;
  /** Whether they may capture what the compositor shows: the windows of every VM. */
  readonly capture: boolean;
  /** Whether its windows wait with appearing while the user types into another VM's. */
  readonly holdsFocus: boolean;
  /** Whether activation tokens that clients of other VMs were given are good for its windows. */
  readonly foreignTokens: boolean;
  /** Whether its windows may lock and confine the pointer. */
  readonly pointerLock: boolean;
  /** Whether its windows may ask for the keys that are shortcuts of the compositor. */
  readonly inhibitShortcuts: boolean;
  /** Bytes of host memory. */
  readonly memory: number;
  /** The most of it that lies in one piece: bytes of the largest buffer. */
  readonly buffer: number;
  /** Part of the time that the compositor may be at work for them while other VMs say anything: see `src/firewall/pace.ts`. */
  readonly timeShare: number;
  readonly clients: number;
  /** Objects of all its connections together. */
  readonly objects: number;
  /** By the names in `src/firewall/population.ts` and `bounds.ts`; those that are not here have their defaults. */
  readonly limits: Readonly<Record<string, number>>;
  /**
   * Where each setting stands that a file says, as FILE:LINE, by what a status calls it: its name, with what is denied,
   * allowed or limited (`deny xdg_wm_base`, `limit popups`).
   */
  readonly origins: ReadonlyMap<string, string>;
}

/** What holds where no file says anything else. */
export const DEFAULT_POLICY: VmPolicy = {
  globals: allowOnly(REMOTE_GLOBALS),
  readClipboard: true,
  writeClipboard: true,
  prefixTitles: true,
  appId: 'plain',
  shadow: DEFAULT_SHADOW,
  cursor: DEFAULT_CURSOR,
  fullscreen: true,
  capture: false,
  holdsFocus: true,
  foreignTokens: false,
  pointerLock: true,
  inhibitShortcuts: false,
  memory: DEFAULT_VM_SHARE,
  buffer: DEFAULT_LARGEST_BUFFER,
  timeShare: VM_SHARE,
  clients: DEFAULT_CLIENTS_PER_VM,
  objects: DEFAULT_OBJECTS_PER_VM,
  origins: new Map(),
  limits: {},
};

/** A mistake in a policy file. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  constructor(
    readonly file: string,
    /** From 1; 0 where it is about the whole file. */
    readonly line: number,
    problem: string,
  ) {
    super(`${file}${line > 0 ? `:${line}` : ''}: ${problem}`);
  }
}

/** Policies of a directory. */
export class Policies {
  readonly #byVm = new Map<string, VmPolicy>();
  readonly #default: VmPolicy;

  private constructor(fallback: VmPolicy, byVm: ReadonlyMap<string, VmPolicy>) {
    this.#default = fallback;
    this.#byVm = new Map(byVm);
  }

  /** The same policy for every VM. */
  static uniform(policy: VmPolicy = DEFAULT_POLICY): Policies {
    return new Policies(policy, new Map());
  }

  /** Reads every `*.policy` file of a directory; what a file does not mention is as in `base`. */
  static read(directory: string, base: VmPolicy = DEFAULT_POLICY): Policies {
    const names = readdirSync(directory)
      .filter(name => name.endsWith('.policy'))
      .sort();
    const load = (name: string, from: VmPolicy): VmPolicy => {
      const path = join(directory, name);
      const bytes = readFileSync(path);
      if (bytes.length > MAX_POLICY_BYTES) throw new PolicyError(path, 0, `over ${MAX_POLICY_BYTES} bytes long`);
      return parsePolicy(bytes.toString('utf8'), path, from);
    };
    const fallback = names.includes('default.policy') ? load('default.policy', base) : base;
    const byVm = new Map<string, VmPolicy>();
    for (const name of names) {
      if (name === 'default.policy') continue;
      const vm = name.slice(0, -'.policy'.length);
      try {
        checkVmName(vm);
      } catch (error) {
        throw new PolicyError(join(directory, name), 0, (error as Error).message);
      }
      byVm.set(vm, load(name, fallback));
    }
    return new Policies(fallback, byVm);
  }

  of(vm: string): VmPolicy {
    return this.#byVm.get(vm) ?? this.#default;
  }
}

/** Settings of which a file may have more than one line. */
const REPEATABLE: ReadonlySet<string> = new Set(['allow', 'deny', 'limit']);

/** Parses one file. `file` is its name in errors; what it does not mention is as in `base`. */
export function parsePolicy(text: string, file: string, base: VmPolicy = DEFAULT_POLICY): VmPolicy {
  const policy: { -readonly [Key in keyof VmPolicy]: VmPolicy[Key] } = { ...base };
  const versions = new Map<string, number>();
  const limits = new Map<string, number>();
  const seen = new Set<string>();
  const origins = new Map(base.origins);
  text.split(/\r?\n/).forEach((whole, index) => {
    const [setting, ...values] = whole.replace(/#.*/, '').trim().split(/\s+/);
    if (setting === undefined || setting === '') return;
    const fail = (problem: string): never => {
      throw new PolicyError(file, index + 1, problem);
    };
    if (!REPEATABLE.has(setting) && seen.has(setting)) fail(`"${setting}" is set twice`);
    seen.add(setting);
    origins.set(REPEATABLE.has(setting) ? `${setting} ${values[0]}` : setting, `${file}:${index + 1}`);
    switch (setting) {
      case 'clipboard': {
        const known = values.length > 0 && values.every(value => ['none', 'read', 'write'].includes(value));
        if (!known || (values.includes('none') && values.length > 1))
          fail('clipboard: give none, read, write, or read write');
        policy.readClipboard = values.includes('read');
        policy.writeClipboard = values.includes('write');
        break;
      }
      case 'title':
        policy.prefixTitles = choice(values, { prefixed: true, free: false }, fail);
        break;
      case 'app-id':
        policy.appId = choice<AppIdForm>(values, { plain: 'plain', prefixed: 'prefixed', suffixed: 'suffixed' }, fail);
        break;
      case 'shadow':
        policy.shadow = count(values, 0, MAX_POLICY_UNITS, fail);
        break;
      case 'cursor':
        policy.cursor = count(values, 1, MAX_POLICY_UNITS, fail);
        break;
      case 'fullscreen':
        policy.fullscreen = choice(values, { yes: true, no: false }, fail);
        break;
      case 'capture':
        policy.capture = choice(values, { yes: true, no: false }, fail);
        break;
      case 'focus':
        policy.holdsFocus = choice(values, { hold: true, free: false }, fail);
        break;
      case 'activation':
        policy.foreignTokens = choice(values, { own: false, any: true }, fail);
        break;
      case 'pointer':
        if (values[0] !== 'lock') fail('pointer: give lock yes, or lock no');
        policy.pointerLock = choice(values.slice(1), { yes: true, no: false }, fail);
        break;
      case 'shortcuts':
        policy.inhibitShortcuts = choice(values, { keep: false, inhibit: true }, fail);
        break;
      case 'memory':
        policy.memory = size(values, fail);
        break;
      case 'buffer':
        policy.buffer = size(values, fail);
        break;
      case 'time':
        policy.timeShare = count(values, 1, 100, fail) / 100;
        break;
      case 'clients':
        policy.clients = count(values, 1, 100_000, fail);
        break;
      case 'objects':
        policy.objects = count(values, 1, MAX_LIMIT, fail);
        break;
      case 'limit': {
        const [kind, ...most] = values;
        const known = LIMITS.find(({ name }) => name === kind);
        if (known === undefined) {
          fail(`limit: ${kind ?? 'nothing'} is not counted: give one of ${LIMITS.map(({ name }) => name).join(', ')}`);
          return;
        }
        if (limits.has(known.name)) fail(`${known.name} are limited twice`);
        limits.set(known.name, count(most, 1, known.ceiling, fail));
        break;
      }
      case 'allow':
      case 'deny': {
        const [name, ...version] = values;
        const newest = name === undefined ? undefined : REMOTE_GLOBALS.get(name);
        if (name === undefined || newest === undefined) {
          fail(`${setting}: ${name ?? 'nothing'} is no global that a remote client can have (see docs/policy.md)`);
          return;
        }
        if (versions.has(name)) fail(`${name} is allowed or denied twice`);
        if (setting === 'allow') origins.delete(`deny ${name}`);
        if (setting === 'deny') {
          if (version.length > 0) fail('deny takes a name only');
          versions.set(name, 0);
        } else {
          versions.set(name, version.length === 0 ? newest : count(version, 1, newest, fail));
        }
        break;
      }
      default:
        fail(`unknown setting "${setting}"`);
    }
  });
  policy.origins = origins;
  policy.limits = { ...base.limits, ...Object.fromEntries(limits) };
  if (versions.size > 0) {
    const { globals } = policy;
    // "allow" brings back what a default policy denied; neither goes beyond what is carried.
    const listed = allowOnly(versions);
    policy.globals = (name, version) => (versions.has(name) ? listed(name, version) : globals(name, version));
  }
  return policy;
}

/** What locks and confines the pointer. */
const POINTER_LOCK = 'zwp_pointer_constraints_v1';

/** Every global that clients under a policy see, with what other settings than `allow` and `deny` give and take. */
export function globalsOf({ globals, capture, pointerLock, inhibitShortcuts }: VmPolicy): GlobalPolicy {
  const more = allowOnly(
    new Map([...(capture ? CAPTURE_GLOBALS : []), ...(inhibitShortcuts ? SHORTCUTS_GLOBALS : [])]),
  );
  return (name, version) => {
    if (name === POINTER_LOCK && !pointerLock) return 0;
    return more(name, version) || globals(name, version);
  };
}

/** The setting of a file by which a global is not announced; undefined: it is announced, or by default it is not. */
export function withholdingOf(
  { origins, capture, pointerLock, inhibitShortcuts }: VmPolicy,
  name: string,
): string | undefined {
  if (origins.has(`deny ${name}`)) return `deny ${name}`;
  const setting =
    name === POINTER_LOCK && !pointerLock
      ? 'pointer'
      : CAPTURE_GLOBALS.has(name) && !capture
        ? 'capture'
        : SHORTCUTS_GLOBALS.has(name) && !inhibitShortcuts
          ? 'shortcuts'
          : undefined;
  return setting !== undefined && origins.has(setting) ? setting : undefined;
}

type Fail = (problem: string) => never;

function choice<T>(values: readonly string[], choices: Readonly<Record<string, T>>, fail: Fail): T {
  const [value] = values;
  if (values.length !== 1 || !Object.hasOwn(choices, value!)) {
    return fail(`give one of ${Object.keys(choices).join(', ')}`);
  }
  return choices[value!]!;
}

function count(values: readonly string[], least: number, most: number, fail: Fail): number {
  const value = Number(values[0]);
  if (values.length !== 1 || !/^\d+$/.test(values[0]!) || value < least || value > most) {
    return fail(`give one number from ${least} to ${most}`);
  }
  return value;
}

function size(values: readonly string[], fail: Fail): number {
  const parts = /^(\d+)([KMG]?)$/.exec(values[0] ?? '');
  const bytes =
    parts === null
      ? 0
      : Number(parts[1]) * { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[parts[2] as '' | 'K' | 'M' | 'G'];
  if (values.length !== 1 || bytes === 0 || !Number.isSafeInteger(bytes)) return fail('give one size, like 256M');
  return bytes;
}
