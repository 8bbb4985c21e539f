/** Policy files: what they say, and what is said about their mistakes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  DEFAULT_POLICY,
  globalsOf,
  MAX_POLICY_BYTES,
  parsePolicy,
  Policies,
  PolicyError,
} from '../../compositor-glue/policy.js';

const parse = (text: string) => parsePolicy(text, 'work.policy');

t.test('an empty file is the default', async t => {
  const policy = parse('\n  # nothing\n\n');
  t.same({ ...policy, globals: undefined }, { ...DEFAULT_POLICY, globals: undefined });
  t.equal(policy.globals('xdg_wm_base', 6), 6);
});

t.test('every setting', async t => {
  const policy = parse(
    [
      'clipboard write   # but not read',
      'title free',
      'app-id suffixed',
      'shadow 0',
      'cursor 64',
      'limit popups 32',
      'limit pools 4096',
      'fullscreen no',
      'capture yes',
      'focus free',
      'activation any',
      'pointer lock no',
      'shortcuts inhibit',
      'memory 256M',
      'time 40',
      'clients 64',
      'objects 20000',
      'deny zxdg_exporter_v2',
      'allow xdg_wm_base 3',
    ].join('\r\n'),
  );
  t.match(policy, {
    readClipboard: false,
    writeClipboard: true,
    prefixTitles: false,
    appId: 'suffixed',
    shadow: 0,
    cursor: 64,
    limits: { popups: 32, pools: 4096 },
    fullscreen: false,
    capture: true,
    holdsFocus: false,
    foreignTokens: true,
    pointerLock: false,
    inhibitShortcuts: true,
    memory: 256 << 20,
    timeShare: 0.4,
    clients: 64,
    objects: 20_000,
  });
  t.equal(policy.globals('zxdg_exporter_v2', 1), 0, 'denied');
  t.equal(policy.globals('xdg_wm_base', 6), 3, 'capped');
  t.equal(policy.globals('xdg_wm_base', 2), 2, 'never more than the compositor has');
  t.equal(policy.globals('wl_seat', 7), 7, 'what is not mentioned stays');
  t.equal(policy.globals('zwlr_virtual_pointer_manager_v1', 2), 0, 'what is privileged stays hidden');
});

t.test('the screen can be captured only where it says so', async t => {
  t.equal(globalsOf(DEFAULT_POLICY)('zwlr_screencopy_manager_v1', 3), 0);
  t.equal(globalsOf(parse('capture no'))('zwlr_screencopy_manager_v1', 3), 0);
  const globals = globalsOf(parse('capture yes\ndeny wl_seat'));
  t.equal(globals('zwlr_screencopy_manager_v1', 4), 3, 'as far as it is carried');
  t.equal(globals('wl_seat', 7), 0, 'what is denied stays denied');
});

t.test('the pointer is locked, and shortcuts are kept from the compositor, only where it says so', async t => {
  const lock = 'zwp_pointer_constraints_v1';
  const inhibit = 'zwp_keyboard_shortcuts_inhibit_manager_v1';
  t.equal(globalsOf(DEFAULT_POLICY)(lock, 1), 1);
  t.equal(globalsOf(DEFAULT_POLICY)(inhibit, 1), 0);
  t.equal(globalsOf(parse('pointer lock no'))(lock, 1), 0);
  t.equal(globalsOf(parse(`pointer lock yes\ndeny ${lock}`))(lock, 1), 0, 'what is denied stays denied');
  t.equal(globalsOf(parse('shortcuts inhibit'))(inhibit, 1), 1);
  t.equal(globalsOf(parse('shortcuts keep'))(inhibit, 1), 0);
});

t.test('a VM file builds on default.policy, which builds on what the command line says', async t => {
  const directory = t.testdir({
    'default.policy': 'deny wl_data_device_manager\nclipboard none\n',
    'work.policy': 'allow wl_data_device_manager\nclipboard read write\n',
    'other.txt': 'not a policy',
  });
  const policies = Policies.read(directory, { ...DEFAULT_POLICY, memory: 1 << 20 });
  t.match(policies.of('work'), { readClipboard: true, writeClipboard: true, memory: 1 << 20 });
  t.equal(policies.of('work').globals('wl_data_device_manager', 3), 3);
  t.match(policies.of('anything'), { readClipboard: false, writeClipboard: false, memory: 1 << 20 });
  t.equal(policies.of('anything').globals('wl_data_device_manager', 3), 0);
});

t.test('limits of kinds add up over files, and the rest have their defaults', async t => {
  const base = parse('limit popups 32\nlimit pools 4096');
  t.same(parsePolicy('limit popups 8', 'work.policy', base).limits, { popups: 8, pools: 4096 });
  t.same(base.limits, { popups: 32, pools: 4096 }, 'a file changes no other');
  t.same(parse('limit popup-depth 1024\nlimit damage 1').limits, { 'popup-depth': 1024, damage: 1 });
  t.same(parse('shadow 4096\ncursor 4096\nlimit pools 10000000').limits, { pools: 10_000_000 }, 'as much as may be');
});

t.test('mistakes name file and line', async t => {
  const mistakes: [string, RegExp][] = [
    ['memory', /^work\.policy:2: give one size/],
    ['memory 12X', /:2: give one size/],
    ['memory 0', /:2: give one size/],
    ['memory 99999999999999999999G', /:2: give one size/],
    ['pointer yes', /:2: pointer: give lock yes/],
    ['pointer lock', /:2: give one of yes, no/],
    ['focus yes', /:2: give one of hold, free/],
    ['activation', /:2: give one of own, any/],
    ['shortcuts yes', /:2: give one of keep, inhibit/],
    ['time 0', /:2: give one number from 1 to 100/],
    ['time 101', /:2: give one number from 1 to 100/],
    ['clients 0', /:2: give one number from 1/],
    ['clients many', /:2: give one number/],
    ['clients', /:2: give one number/],
    ['clients 1 2', /:2: give one number/],
    ['clipboard', /:2: clipboard: give none/],
    ['clipboard none read', /:2: clipboard: give none/],
    ['clipboard maybe', /:2: clipboard: give none/],
    ['app-id yes', /:2: give one of plain, prefixed, suffixed/],
    ['app-id toString', /:2: give one of plain/],
    ['shadow -1', /:2: give one number from 0 to 4096/],
    ['shadow 4097', /:2: give one number from 0 to 4096/],
    ['cursor 0', /:2: give one number from 1 to 4096/],
    ['limit', /:2: limit: nothing is not counted: give one of slabs, pools, subsurfaces,/],
    ['limit popup-depth 1025', /:2: /],
    ['limit windowpanes 3', /:2: limit: windowpanes is not counted/],
    ['limit __proto__ 3', /:2: limit: __proto__ is not counted/],
    ['limit popups', /:2: give one number from 1 to/],
    ['limit popups 0', /:2: give one number from 1 to/],
    ['limit popups 10000001', /:2: give one number from 1 to 10000000/],
    ['limit popups 3 4', /:2: give one number from 1 to/],
    ['limit popups 3\nlimit popups 3', /:3: popups are limited twice/],
    ['title __proto__', /:2: give one of prefixed, free/],
    ['fullscreen', /:2: give one of yes, no/],
    ['capture maybe', /:2: give one of yes, no/],
    [
      'allow zwlr_screencopy_manager_v1',
      /:2: allow: zwlr_screencopy_manager_v1 is no global that a remote client can have/,
    ],
    ['allow', /:2: allow: nothing/],
    ['allow xdg_wm_base 99', /:2: give one number from 1 to/],
    ['deny xdg_wm_base 3', /:2: deny takes a name only/],
    ['deny wl_seat\nallow wl_seat', /:3: wl_seat is allowed or denied twice/],
    ['title free\ntitle free', /:3: "title" is set twice/],
    ['screenshot yes', /:2: unknown setting "screenshot"/],
  ];
  for (const [text, problem] of mistakes) {
    t.throws(
      () => parse(`# a comment\n${text}\n`),
      { name: 'PolicyError', message: problem },
      text.replaceAll('\n', ' | '),
    );
  }
});

t.test('files that cannot be policies', async t => {
  const directory = t.testdir({ 'a b.policy': '' });
  t.throws(() => Policies.read(directory), { name: 'PolicyError', message: /cannot be the name of a VM/ });
  const large = join(t.testdirName, 'large');
  mkdirSync(large);
  writeFileSync(join(large, 'work.policy'), '#'.repeat(MAX_POLICY_BYTES));
  t.doesNotThrow(() => Policies.read(large), 'as large as may be');
  writeFileSync(join(large, 'work.policy'), '#'.repeat(MAX_POLICY_BYTES + 1));
  t.throws(() => Policies.read(large), { name: 'PolicyError', message: /bytes long/ });
  t.throws(() => Policies.read(join(directory, 'nowhere')), { code: 'ENOENT' });
});

t.test('whatever is in a file, it is a policy or a PolicyError', async t => {
  const words = [
    'allow',
    'deny',
    'title',
    'memory',
    'time',
    'clients',
    'limit',
    'popups',
    'app-id',
    'shadow',
    'clipboard',
    'fullscreen',
    'wl_seat',
    'xdg_wm_base',
    '1',
    '0',
    '-1',
    '256M',
    'none',
    'read',
    'write',
    'free',
    'yes',
    'no',
    '#',
    '\n',
    '\r',
    '\t',
    '\0',
    '=',
    '__proto__',
    'constructor',
    '\uFFFD',
    ' ',
  ];
  let state = 42;
  const random = (n: number): number => ((state = (state * 1103515245 + 12345) & 0x7fffffff) >>> 8) % n;
  let accepted = 0;
  const rounds = Number(process.env.VIRTWL_FUZZ_INPUTS ?? 20_000);
  for (let round = 0; round < rounds; round++) {
    const text = Array.from({ length: random(12) }, () => words[random(words.length)]).join(
      random(2) === 0 ? ' ' : '\n',
    );
    try {
      const policy = parse(text);
      accepted += 1;
      if (!(policy.memory > 0 && policy.clients > 0 && policy.globals('zwlr_layer_shell_v1', 4) === 0))
        t.fail(`accepted ${JSON.stringify(text)}`);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
    }
  }
  t.ok(accepted > 0 && accepted < rounds, `${accepted} of ${rounds} were policies`);
});
