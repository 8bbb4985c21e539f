/**
 * Developer's script: writes the tables in `protocols/` from the XML that Debian ships. It is run by hand when a newer
 * protocol is wanted, never as part of a build, and its output is committed. Only facts of the wire pass through:
 * names, versions, signatures. Descriptions stay behind. Take the XML from the newest Debian there is, since a table may
 * be newer than what it is used with but not older: fetch libwayland-bin, libwayland-dev and wayland-protocols from sid
 * with `apt-get download`, unpack them into ROOT with `dpkg-deb -x`, note their versions in `index()` below, and lay the result out with `npm run lint -- --fix`.
 *
 *     node dist/src/wayland/generate.js ROOT/usr/share/wayland ROOT/usr/share/wayland-protocols src/wayland/protocols
 *
 * Names of XML files behind that (without .xml) add their tables.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { XMLParser } from 'fast-xml-parser';

/** The first words of a generated table; others are written by hand, and stay as they are. */
const GENERATED = '/** The wire facts of ';

/** What the parser makes of the XML: attributes with '@' before their name. */
interface XmlArg {
  '@name': string;
  '@type': string;
  '@interface'?: string;
  '@allow-null'?: string;
}
interface XmlMessage {
  '@name': string;
  '@type'?: string;
  '@since'?: string;
  arg?: XmlArg[];
}
interface XmlEnum {
  '@name': string;
  entry: { '@name': string; '@value': string }[];
}
interface XmlInterface {
  '@name': string;
  '@version': string;
  request?: XmlMessage[];
  event?: XmlMessage[];
  enum?: XmlEnum[];
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  isArray: tag => ['interface', 'request', 'event', 'arg', 'enum', 'entry'].includes(tag),
});

function argLine(arg: XmlArg): string {
  // A new_id that names no interface carries the interface's name and version on the wire.
  const kind = arg['@type'] === 'new_id' && arg['@interface'] === undefined ? 'bind' : arg['@type'];
  const target = arg['@interface'] === undefined ? '' : `(${arg['@interface']})`;
  return `${arg['@name']}:${kind}${target}${arg['@allow-null'] === 'true' ? '?' : ''}`;
}

function messageLine(message: XmlMessage): string {
  const since = message['@since'] === undefined || message['@since'] === '1' ? '' : `@${message['@since']}`;
  const destructor = message['@type'] === 'destructor' ? '!' : '';
  return [`${message['@name']}${destructor}${since}`, ...(message.arg ?? []).map(argLine)].join(' ');
}

function list(key: string, messages: readonly XmlMessage[] | undefined): string {
  if (messages === undefined) return '';
  return `    ${key}: [\n${messages.map(message => `      '${messageLine(message)}',\n`).join('')}    ],\n`;
}

/** `wl_shm` and `error` become `WlShmError`. */
function enumName(interfaceName: string, name: string): string {
  const words = `${interfaceName}_${name}`.split('_');
  return words.map(word => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function enumTable(interfaceName: string, { '@name': name, entry }: XmlEnum): string {
  const entries = entry.map(
    ({ '@name': key, '@value': value }) => `  ${/^\d/.test(key) ? `'${key}'` : key}: ${value},\n`,
  );
  return `\n/** \`${interfaceName}.${name}\` */\nexport const ${enumName(interfaceName, name)} = {\n${entries.join('')}} as const;\n`;
}

function table(file: string): string {
  const { protocol } = parser.parse(readFileSync(file, 'utf8')) as { protocol: { interface: XmlInterface[] } };
  const interfaces = protocol.interface.map(item => {
    const body = list('requests', item.request) + list('events', item.event);
    const messages = body === '' ? '' : `, {\n${body}  }`;
    return `  defineInterface('${item['@name']}', ${item['@version']}${messages}),\n`;
  });
  const enums = protocol.interface.flatMap(item => (item.enum ?? []).map(entries => enumTable(item['@name'], entries)));
  return [
    `${GENERATED}${basename(file)}. Written by generate.ts: change that, not this. */\n`,
    "import { defineInterface } from '../interface.js';\n\n",
    `export const interfaces = [\n${interfaces.join('')}];\n`,
    ...enums,
  ].join('');
}

/** The list of all tables, those written by hand among them. */
function index(directory: string): string {
  const files = readdirSync(directory)
    .filter(name => name.endsWith('.ts') && name !== 'index.ts')
    .map(name => basename(name, '.ts'))
    .sort();
  const names = files.map(file => file.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()));
  return [
    '/**\n',
    ' * Every interface that this project can parse, by name. That an interface is here says nothing about who may use it:\n',
    " * what a remote client is offered is the glue's allow-list. Written by generate.ts: change that, not this.\n",
    ' *\n',
    ' * The tables come from wayland 1.26.0 and wayland-protocols 1.49 but for those whose files say that they are written by\n',
    ' * hand.\n',
    ' */\n',
    "import type { Interface } from '../interface.js';\n",
    ...files.map((file, i) => `import { interfaces as ${names[i]!} } from './${file}.js';\n`),
    `\nconst ALL = [\n${names.map(name => `  ...${name},\n`).join('')}];\n`,
    '\n/** Every table by the name of its interface, with its lines as types. */\n',
    "export type Tables = { readonly [T in (typeof ALL)[number] as T['name']]: T };\n",
    '\n/** All interfaces by name. */\n',
    'export const interfaces: ReadonlyMap<string, Interface> = new Map(ALL.map(item => [item.name, item]));\n',
  ].join('');
}

/** Every table that is generated, and the new ones, by the names of their XML files without the ending. */
function tables(directory: string, added: readonly string[]): string[] {
  const generated = readdirSync(directory)
    .filter(name => readFileSync(join(directory, name), 'utf8').startsWith(GENERATED))
    .map(name => basename(name, '.ts'));
  return [...new Set([...generated, ...added])];
}

const [wayland, protocols, target, ...added] = process.argv.slice(2);
if (wayland === undefined || protocols === undefined || target === undefined) {
  console.error('usage: generate.js DIRECTORY-OF-WAYLAND.XML DIRECTORY-OF-WAYLAND-PROTOCOLS TARGET-DIRECTORY [NEW...]');
  process.exitCode = 2;
} else {
  const known = readdirSync(protocols, { recursive: true, encoding: 'utf8' });
  for (const name of tables(target, added)) {
    const path = known.find(file => basename(file) === `${name}.xml`);
    const file = name === 'wayland' ? join(wayland, 'wayland.xml') : path && join(protocols, path);
    if (file === undefined) throw new Error(`there is no ${name}.xml below ${protocols}`);
    writeFileSync(join(target, `${name}.ts`), table(file));
  }
  writeFileSync(join(target, 'index.ts'), index(target));
}
