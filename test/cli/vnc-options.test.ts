/** Where VNC may be served, and who is told to be able to look. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { mistakeIn, parsePlace, whoMayLook } from '../../src/cli/vnc-options.js';

t.test('an address and a port, or one of them', async t => {
  const places: Readonly<Record<string, readonly [string, number]>> = {
    '127.0.0.1:5900': ['127.0.0.1', 5900],
    '5901': ['127.0.0.1', 5901],
    ':5901': ['127.0.0.1', 5901],
    'localhost:5901': ['127.0.0.1', 5901],
    '127.0.0.2': ['127.0.0.2', 5900],
    '[::1]': ['::1', 5900],
    '[::1]:65535': ['::1', 65_535],
    '0.0.0.0:1': ['0.0.0.0', 1],
  };
  for (const [text, [address, port]] of Object.entries(places)) t.same(parsePlace(text), { address, port }, text);
  for (const text of ['1.2.3', 'host:5900', '::1', '[127.0.0.1]', '127.0.0.1:', '127.0.0.1:a', 'a b', '[::1]x'])
    t.throws(() => parsePlace(text), { message: /give an address and a port/ }, text);
  for (const text of ['127.0.0.1:0', '127.0.0.1:65536', '0'])
    t.throws(() => parsePlace(text), { message: /give a port from 1 to 65535/ }, text);
});

t.test('what others reach needs a configuration', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'virtwl-vnc-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const locked = file('locked', 'port=1\nenable_auth = true\nusername=user\n');
  const open = file('open', '#enable_auth=true\n');
  const mine = parsePlace('127.0.0.1');
  const everybodys = parsePlace('0.0.0.0');

  for (const text of ['127.0.0.1', '127.255.255.254', '[::1]'])
    t.equal(mistakeIn({ vnc: parsePlace(text) }), undefined, `${text} does not`);
  for (const text of ['0.0.0.0', '128.0.0.1', '126.255.255.255', '[::]', '[::2]'])
    t.match(mistakeIn({ vnc: parsePlace(text) }), /^other machines may reach .*ssh -L .*--vnc-config/, text);
  t.equal(mistakeIn({ vnc: everybodys, vncConfig: locked }), undefined, 'with one it may');
  t.equal(mistakeIn({ vnc: everybodys, vncConfig: open }), undefined, "what is in it is the operator's");
  t.match(mistakeIn({ vnc: mine, vncConfig: join(directory, 'none') }), /--vnc-config cannot be read: ENOENT/);
  t.match(mistakeIn({ vncConfig: locked }), /needs --vnc/);
  t.match(mistakeIn({ vncViewOnly: true }), /needs --vnc/);
  t.equal(mistakeIn({}), undefined);

  t.match(whoMayLook({ vnc: mine }), { text: /every user of this machine can look and type$/, open: false });
  t.match(whoMayLook({ vnc: mine, vncViewOnly: true }), { text: /can look$/ });
  t.match(whoMayLook({ vnc: everybodys, vncConfig: open }), { text: /everybody who reaches/, open: true });
  t.match(whoMayLook({ vnc: everybodys, vncConfig: locked }), { text: /its configuration lets in/, open: false });
});
