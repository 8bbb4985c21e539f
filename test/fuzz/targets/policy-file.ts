/** Policy files: text that is a policy, or an error that names its line. */
import { DEFAULT_POLICY, parsePolicy, PolicyError } from '../../../compositor-glue/policy.js';
import { KINDS } from '../../../src/firewall/population.js';
import { REMOTE_GLOBALS } from '../../../src/relay/globals.js';
import type { Target } from '../target.js';

const words = [
  ...[
    'clipboard',
    'title',
    'fullscreen',
    'memory',
    'buffer',
    'clients',
    'objects',
    'limit',
    'app-id',
    'shadow',
    'cursor',
    'allow',
    'deny',
    'none',
    'read',
    'write',
    'prefixed',
    'free',
  ],
  ...[
    'yes',
    'no',
    '256M',
    '1G',
    '0',
    '64',
    '9007199254740993',
    '__proto__',
    'constructor',
    '#',
    '\n',
    '\r\n',
    '\t',
    ' ',
    '\u00a0',
  ],
  ...['popups 32', 'pools', 'slabs', 'suffixed', 'plain'],
  ...['wl_seat 5', 'xdg_wm_base 3', 'zxdg_exporter_v2', 'wl_output'],
];

export const policyFile: Target = {
  name: 'policy-file',
  maxBytes: 512,
  seeds: [
    'clipboard write # a comment\ntitle free\nfullscreen no\nmemory 256M\nclients 64\ndeny zxdg_exporter_v2\nallow wl_seat 5\n',
    'clipboard read write\r\nallow xdg_wm_base\r\n',
    'clipboard none',
    'app-id suffixed\nshadow 0\ncursor 64\nlimit popups 32\nlimit pools 4096\n',
    'memory 1G\nbuffer 64M\ntime 25\nlimit slabs 300\n',
  ].map(text => Buffer.from(text)),
  dictionary: words.map(word => Buffer.from(word)),
  run(input) {
    const text = Buffer.from(input).toString('utf8');
    let policy;
    try {
      policy = parsePolicy(text, 'file');
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      const lines = text.split(/\r?\n/).length;
      if (error.line < 1 || error.line > lines)
        throw new Error(`an error in line ${error.line} of ${lines}`, { cause: error });
      return [
        /set twice|clipboard: give|give one of|no global|denied twice|a name only|unknown setting|is not counted|limited twice|one number|one size/.exec(
          error.message,
        )?.[0] ?? 'else',
      ];
    }
    const {
      memory,
      buffer,
      timeShare,
      clients,
      objects,
      globals,
      appId,
      shadow,
      cursor,
      limits,
      origins,
      ...switches
    } = policy;
    for (const [what, place] of origins) {
      if (!/^[^\n]+:\d+$/.test(place)) throw new Error(`${what} is said at ${place}`);
    }
    if (!Number.isSafeInteger(memory) || memory < 1) throw new Error(`${memory} bytes of memory`);
    if (!Number.isSafeInteger(buffer) || buffer < 1) throw new Error(`a buffer of ${buffer} bytes`);
    if (!(timeShare >= 0.01 && timeShare <= 1)) throw new Error(`${timeShare} of the compositor's time`);
    if (!Number.isInteger(clients) || clients < 1 || clients > 100_000) throw new Error(`${clients} clients`);
    if (!Number.isInteger(objects) || objects < 1 || objects > 10_000_000) throw new Error(`${objects} objects`);
    if (!['plain', 'prefixed', 'suffixed'].includes(appId)) throw new Error('app ids of no known form');
    for (const [name, value] of [['shadow', shadow] as const, ['cursor', cursor] as const, ...Object.entries(limits)]) {
      if (!Number.isInteger(value) || value < 0) throw new Error(`${name} ${value}`);
    }
    for (const name of Object.keys(limits)) {
      if (!KINDS.some(kind => kind.name === name)) throw new Error(`a limit of ${name}`);
    }
    for (const value of Object.values(switches))
      if (typeof value !== 'boolean') throw new Error(`a switch that is ${String(value)}`);
    for (const [name, newest] of REMOTE_GLOBALS) {
      const version = globals(name, newest + 5);
      if (!Number.isInteger(version) || version < 0 || version > newest)
        throw new Error(`${name} in version ${version}`);
    }
    for (const name of ['zwlr_screencopy_manager_v1', 'wl_nothing', '__proto__', 'constructor', '']) {
      if (globals(name, 1) !== 0) throw new Error(`${name} is allowed`);
    }
    return Object.entries(policy).flatMap(([key, value]) =>
      typeof value === 'boolean' && value !== DEFAULT_POLICY[key as keyof typeof DEFAULT_POLICY]
        ? [`${key} ${value}`]
        : [],
    );
  },
};
