/** Whose window it is: the VM's name comes first, whatever its client calls the window. */
import t from 'tap';
import {
  labelledAppId,
  labelledTitle,
  MAX_LABEL_BYTES,
  MAX_LABEL_CHARACTERS,
  MAX_MARKS,
} from '../../compositor-glue/window-label.js';
import { DEFAULT_POLICY, type VmPolicy } from '../../compositor-glue/policy.js';
import { settle } from '../relay/peer.js';
import { GlueBetween } from './glue-between.js';

/** Characters by their numbers: some of them are not to be in the name of a test. */
const named = (text: string): string => Array.from(text, one => `U+${one.codePointAt(0)!.toString(16)}`).join(' ');
const title = (text: string): string => labelledTitle('work', text);

t.test('a title that is like others stays as it is', async t => {
  t.equal(title('Übersicht – 日本語 (2) 👍'), '[work] Übersicht – 日本語 (2) 👍');
  t.equal(title(''), '[work]');
  t.equal(title('[bank] x'), '[work] [bank] x', 'and has its own name to it, not instead of it');
});

t.test('what is written from right to left stands behind the name', async t => {
  // The mark makes it a line from left to right, also for names without a letter.
  t.equal(labelledTitle('7', 'שלום evil'), '[7]\u200E \u2068שלום evil\u2069');
  t.equal(title('أخبار - Firefox'), '[work]\u200E \u2068أخبار - Firefox\u2069');
  for (const script of ['\u07CA', '\u{10840}', '\u{1E900}', '\uFDFD', '\u0661']) {
    t.match(title(script), /^\[work\]\u200E \u2068.*\u2069$/u, named(script));
  }
});

t.test('what is not seen is not passed on', async t => {
  const hidden = [
    ...['\u202A', '\u202B', '\u202C', '\u202D', '\u202E', '\u2066', '\u2067', '\u2068', '\u2069'],
    ...['\u200B', '\u200C', '\u200D', '\u200E', '\u200F', '\u061C', '\uFEFF', '\u2060', '\u00AD', '\u034F'],
    ...['\u{E0001}', '\u{E0041}', '\u{E007F}', '\uFE00', '\uFE0F', '\u{E0100}', '\u180E', '\uFFF9', '\uFFFE'],
    ...['\u0001', '\u001B', '\u007F', '\u009B', '\uD800', '\u206A'],
  ];
  for (const character of hidden) t.equal(title(`${character}a${character}`), '[work] a', named(character));
  const spaces = ['\n', '\r\n', '\t', '\u0085', '\u2028', '\u2029', '\u00A0', '\u3000', '\u2800', '\u3164', '\u115F'];
  for (const space of spaces) t.equal(title(`${space}a${space}${space}b`), '[work] a b', named(space));
});

t.test('what is not seen and belongs to what is stays', async t => {
  t.equal(title('👨\u200D👩\u200D👧'), '[work] 👨\u200D👩\u200D👧', 'a family');
  t.equal(title('❤\uFE0F'), '[work] ❤\uFE0F', 'a red heart');
  t.equal(title('می\u200Cخواهم'), '[work]\u200E \u2068می\u200Cخواهم\u2069', 'a Persian word');
  t.equal(title('क्\u200Dष'), '[work] क्\u200Dष', 'a half form');
  t.equal(title('👨\u200D\u200D\u200D👩'), '[work] 👨👩', 'but not when it is many');
});

t.test('marks do not tower up', async t => {
  const marks = '\u0301\u0327\u0310\u0336';
  t.equal(title(`Z${marks}x`), `[work] Z${marks}x`, `${MAX_MARKS} may be`);
  t.equal(title(`Z${marks}${'\u0301'.repeat(100)}x`), `[work] Z${marks}x`, 'and no more');
  t.equal(title(`Z${marks}\u200D${marks}\u034F${marks}x`), `[work] Z${marks}x`, 'nor with something between them');
});

t.test('a title is no longer than is passed on', async t => {
  const label = '[work] '.length;
  t.equal(title('a'.repeat(MAX_LABEL_CHARACTERS)).length, label + MAX_LABEL_CHARACTERS);
  t.equal(title('a'.repeat(MAX_LABEL_CHARACTERS + 1)).length, label + MAX_LABEL_CHARACTERS);
  const wide = '👍'.repeat(MAX_LABEL_BYTES / 4);
  t.equal(title(wide), `[work] ${wide}`, 'in bytes too');
  t.equal(title(`${wide}👍`), `[work] ${wide}`, 'cut between characters');
  t.equal(title(`x${wide}`), `[work] x${wide.slice(2)}`);
});

t.test('whatever a client says, its VM is named first and nothing moves it', async t => {
  let state = 7;
  const random = (n: number): number => ((state = (state * 1103515245 + 12345) & 0x7fffffff) >>> 8) % n;
  const pools = [0x20, 0x590, 0x2000, 0x2060, 0xfe00, 0x600, 0x300, 0x1f440, 0xe0000, 0xd7f0, 0x10ac0];
  for (let round = 0; round < 3_000; round++) {
    const text = Array.from({ length: random(60) }, () =>
      String.fromCodePoint(pools[random(pools.length)]! + random(48)),
    ).join('');
    const shown = title(text);
    const own = shown.replace(/^\[work\](\u200E \u2068(.*)\u2069$)?/u, '$2');
    if (!shown.startsWith('[work]') || /[\p{Bidi_Control}\p{Cc}\u{E0000}-\u{E0FFF}]/u.test(own)) {
      t.fail(JSON.stringify([text, shown]));
    }
  }
});

t.test('the forms of an app id', async t => {
  t.equal(labelledAppId('work', 'org.gnome.Nautilus', 'plain'), 'org.gnome.Nautilus', 'as desktop files are named');
  t.equal(labelledAppId('work', 'foot', 'prefixed'), 'work:foot');
  t.equal(labelledAppId('work', 'foot', 'suffixed'), 'foot:work');
  t.equal(
    labelledAppId('work', 'bank:\u202Efoot\n', 'suffixed'),
    'bank:foot:work',
    'what is behind the last colon is the VM',
  );
});

t.test('windows', async t => {
  const opened = async (t: Pick<Tap, 'teardown' | 'same'>, policy: Partial<VmPolicy>) => {
    const between = new GlueBetween({
      policy: { prefixTitles: DEFAULT_POLICY.prefixTitles, ...policy },
      globals: [
        ['wl_compositor', 6],
        ['xdg_wm_base', 6],
        ['xdg_toplevel_tag_manager_v1', 1],
      ],
    });
    t.teardown(() => between.close());
    const { client, compositor, registry } = await between.arrive('work');
    const surface = client.make(client.bind(registry, 1, 'wl_compositor', 6), 'create_surface');
    const xdgSurface = client.make(client.bind(registry, 2, 'xdg_wm_base', 6), 'get_xdg_surface', ['new', surface]);
    const toplevel = client.make(xdgSurface, 'get_toplevel');
    await settle(24);
    const said = (name: string) => compositor.all(`xdg_toplevel.${name}`).map(({ args }) => args[0]);
    const unnamed = { titles: said('set_title'), appIds: said('set_app_id') };
    client.say(toplevel, 'set_title', ['\u202Elive']);
    client.say(toplevel, 'set_app_id', ['foot']);
    const tags = client.bind(registry, 3, 'xdg_toplevel_tag_manager_v1', 1);
    client.say(tags, 'set_toplevel_tag', [toplevel, 'main\n']);
    client.say(tags, 'set_toplevel_description', [toplevel, '\u202Ea window']);
    await settle(24);
    t.same(compositor.faults, []);
    const tag = compositor.last('xdg_toplevel_tag_manager_v1.set_toplevel_tag').args[1];
    const description = compositor.last('xdg_toplevel_tag_manager_v1.set_toplevel_description').args[1];
    return { unnamed, title: said('set_title').at(-1), appId: said('set_app_id').at(-1), tag, description };
  };
  t.test('have the name of their VM before they have one of their own', async t => {
    t.same(await opened(t, {}), {
      unnamed: { titles: ['[work]'], appIds: [] },
      title: '[work] live',
      appId: 'foot',
      tag: 'main',
      description: '[work] a window',
    });
  });
  t.test('have it where the policy wants it', async t => {
    t.same(await opened(t, { appId: 'prefixed' }), {
      unnamed: { titles: ['[work]'], appIds: ['work:'] },
      title: '[work] live',
      appId: 'work:foot',
      tag: 'work:main',
      description: '[work] a window',
    });
  });
  t.test('name themselves where the policy trusts them, in characters that are seen', async t => {
    t.same(await opened(t, { prefixTitles: false }), {
      unnamed: { titles: [], appIds: [] },
      title: 'live',
      appId: 'foot',
      tag: 'main',
      description: 'a window',
    });
  });
});

type Tap = typeof t;
