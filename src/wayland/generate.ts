/**
 * Developer's script: writes the tables in `protocols/` from the XML that Debian ships. It is run by hand when a newer
 * protocol is wanted, never as part of a build, and its output is committed. Only facts of the wire pass through:
 * names, versions, signatures. Descriptions stay behind. Take the XML from the newest Debian there is, since a table may
 * be newer than what it is used with but not older: fetch libwayland-bin, libwayland-dev and wayland-protocols from sid
 * with `apt-get download`, unpack them into ROOT with `dpkg-deb -x`, note their versions in `index()` below, and lay the result out with `npm run lint -- --fix`.
 *
 *     node dist/src/wayland/generate.js ROOT/usr/share/wayland ROOT/usr/share/wayland-protocols src/wayland/protocols
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { XMLParser } from 'fast-xml-parser';

/** Protocols by their file in the directory of wayland-protocols. The table is named after the protocol. */
const PROTOCOLS = [
  'stable/linux-dmabuf/linux-dmabuf-v1.xml',
  'stable/presentation-time/presentation-time.xml',
  'stable/tablet/tablet-v2.xml',
  'stable/viewporter/viewporter.xml',
  'stable/xdg-shell/xdg-shell.xml',
  'staging/alpha-modifier/alpha-modifier-v1.xml',
  'staging/color-management/color-management-v1.xml',
  'staging/color-representation/color-representation-v1.xml',
  'staging/commit-timing/commit-timing-v1.xml',
  'staging/content-type/content-type-v1.xml',
  'staging/cursor-shape/cursor-shape-v1.xml',
  'staging/ext-background-effect/ext-background-effect-v1.xml',
  'staging/ext-data-control/ext-data-control-v1.xml',
  'staging/ext-foreign-toplevel-list/ext-foreign-toplevel-list-v1.xml',
  'staging/ext-idle-notify/ext-idle-notify-v1.xml',
  'staging/ext-image-capture-source/ext-image-capture-source-v1.xml',
  'staging/ext-image-copy-capture/ext-image-copy-capture-v1.xml',
  'staging/ext-session-lock/ext-session-lock-v1.xml',
  'staging/ext-workspace/ext-workspace-v1.xml',
  'staging/fifo/fifo-v1.xml',
  'staging/fractional-scale/fractional-scale-v1.xml',
  'staging/linux-drm-syncobj/linux-drm-syncobj-v1.xml',
  'staging/pointer-warp/pointer-warp-v1.xml',
  'staging/security-context/security-context-v1.xml',
  'staging/single-pixel-buffer/single-pixel-buffer-v1.xml',
  'staging/tearing-control/tearing-control-v1.xml',
  'staging/xdg-activation/xdg-activation-v1.xml',
  'staging/xdg-dialog/xdg-dialog-v1.xml',
  'staging/xdg-session-management/xdg-session-management-v1.xml',
  'staging/xdg-system-bell/xdg-system-bell-v1.xml',
  'staging/xdg-toplevel-drag/xdg-toplevel-drag-v1.xml',
  'staging/xdg-toplevel-icon/xdg-toplevel-icon-v1.xml',
  'staging/xdg-toplevel-tag/xdg-toplevel-tag-v1.xml',
  'staging/xwayland-shell/xwayland-shell-v1.xml',
  'unstable/idle-inhibit/idle-inhibit-unstable-v1.xml',
  'unstable/input-timestamps/input-timestamps-unstable-v1.xml',
  'unstable/keyboard-shortcuts-inhibit/keyboard-shortcuts-inhibit-unstable-v1.xml',
  'unstable/linux-explicit-synchronization/linux-explicit-synchronization-unstable-v1.xml',
  'unstable/pointer-constraints/pointer-constraints-unstable-v1.xml',
  'unstable/pointer-gestures/pointer-gestures-unstable-v1.xml',
  'unstable/primary-selection/primary-selection-unstable-v1.xml',
  'unstable/relative-pointer/relative-pointer-unstable-v1.xml',
  'unstable/text-input/text-input-unstable-v1.xml',
  'unstable/text-input/text-input-unstable-v3.xml',
  'unstable/xdg-decoration/xdg-decoration-unstable-v1.xml',
  'unstable/xdg-foreign/xdg-foreign-unstable-v1.xml',
  'unstable/xdg-foreign/xdg-foreign-unstable-v2.xml',
  'unstable/xdg-output/xdg-output-unstable-v1.xml',
] as const;

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
    `/** The wire facts of ${basename(file)}. Written by generate.ts: change that, not this. */\n`,
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

const [wayland, protocols, target] = process.argv.slice(2);
if (wayland === undefined || protocols === undefined || target === undefined) {
  console.error('usage: generate.js DIRECTORY-OF-WAYLAND.XML DIRECTORY-OF-WAYLAND-PROTOCOLS TARGET-DIRECTORY');
  process.exitCode = 2;
} else {
  for (const file of [join(wayland, 'wayland.xml'), ...PROTOCOLS.map(path => join(protocols, path))]) {
    writeFileSync(join(target, `${basename(file, '.xml')}.ts`), table(file));
  }
  writeFileSync(join(target, 'index.ts'), index(target));
}
