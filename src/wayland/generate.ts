/**
 * Developer's script: writes the tables in `protocols/` from the XML that Debian ships. It is run by hand when a newer
 * protocol is wanted, never as part of a build, and its output is committed. Only facts of the wire pass through:
 * names, versions, signatures. Descriptions stay behind. Take the XML from the newest Debian there is, since a table may
 * be newer than what it is used with but not older: fetch libwayland-bin, libwayland-dev and wayland-protocols from sid
 * with `apt-get download`, unpack them into ROOT with `dpkg-deb -x`, and note their versions in `protocols/index.ts`.
 *
 *     node dist/src/wayland/generate.js ROOT/usr/share/wayland ROOT/usr/share/wayland-protocols src/wayland/protocols
 */
import { readFileSync, writeFileSync } from 'node:fs';
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
interface XmlInterface {
  '@name': string;
  '@version': string;
  request?: XmlMessage[];
  event?: XmlMessage[];
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  isArray: tag => ['interface', 'request', 'event', 'arg'].includes(tag),
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

function table(file: string): string {
  const { protocol } = parser.parse(readFileSync(file, 'utf8')) as { protocol: { interface: XmlInterface[] } };
  const interfaces = protocol.interface.map(item => {
    const body = list('requests', item.request) + list('events', item.event);
    const messages = body === '' ? '' : `, {\n${body}  }`;
    return `  defineInterface('${item['@name']}', ${item['@version']}${messages}),\n`;
  });
  return [
    `/** The wire facts of ${basename(file)}. Written by generate.ts: change that, not this. */\n`,
    "import { defineInterface, type Interface } from '../interface.js';\n\n",
    `export const interfaces: readonly Interface[] = [\n${interfaces.join('')}];\n`,
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
}
