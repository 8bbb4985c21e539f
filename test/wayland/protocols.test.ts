/**
 * Compares the tables with the protocols' XML where this machine has it. Debian's may be older than what the tables were
 * made from, but a protocol only ever grows at its end: whatever the XML says, the tables must say too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { XMLParser } from 'fast-xml-parser';
import t from 'tap';
import type { Message } from '../../src/wayland/interface.js';
import { interfaces } from '../../src/wayland/protocols/index.js';

const DIRECTORIES = ['/usr/share/wayland', '/usr/share/wayland-protocols'];

interface Element {
  readonly '@name': string;
  readonly '@type'?: string;
  readonly '@since'?: string;
  readonly '@interface'?: string;
  readonly '@allow-null'?: string;
  readonly interface?: readonly Element[];
  readonly request?: readonly Element[];
  readonly event?: readonly Element[];
  readonly arg?: readonly Element[];
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  isArray: tag => ['interface', 'request', 'event', 'arg'].includes(tag),
});

/** What of a message decides how its bytes are read. */
function fromXml(message: Element): string {
  const args = (message.arg ?? []).map(arg => {
    const untyped = arg['@type'] === 'new_id' && arg['@interface'] === undefined;
    return `${untyped ? 'bind' : arg['@type']}(${arg['@interface'] ?? ''})${arg['@allow-null'] === 'true' ? '?' : ''}`;
  });
  return `${message['@name']}@${message['@since'] ?? 1} ${args.join(' ')}`;
}

function fromTable(message: Message): string {
  const args = message.args.map(arg => `${arg.kind}(${arg.interface ?? ''})${arg.nullable === true ? '?' : ''}`);
  return `${message.name}@${message.since} ${args.join(' ')}`;
}

const files = DIRECTORIES.filter(directory => existsSync(directory)).flatMap(directory =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    // The fifth draft of xdg-shell used the names of the final one for something else. No compositor has it any more.
    .filter(name => name.endsWith('.xml') && !name.endsWith('xdg-shell-unstable-v5.xml'))
    .map(name => join(directory, name)),
);

t.test(
  'the tables say what the XML says',
  { skip: files.length === 0 && 'wayland-protocols is not installed' },
  async t => {
    let compared = 0;
    for (const file of files) {
      const { protocol } = parser.parse(readFileSync(file, 'utf8')) as { protocol: Element };
      for (const item of protocol.interface ?? []) {
        const table = interfaces.get(item['@name']);
        if (table === undefined) continue; // not one of those that we carry
        for (const [ours, theirs] of [
          [table.requests, item.request ?? []],
          [table.events, item.event ?? []],
        ] as const) {
          const wanted = theirs.map(fromXml);
          const found = ours.slice(0, wanted.length).map(fromTable);
          if (found.join('\n') !== wanted.join('\n')) t.same(found, wanted, `${file}: ${table.name}`);
          // A destructor may be marked as such later, but never the other way round.
          theirs.forEach((message, i) => {
            if (message['@type'] === 'destructor' && ours[i]?.destructor !== true) {
              t.fail(`${table.name}.${message['@name']} is a destructor`);
            }
          });
          compared += wanted.length;
        }
      }
    }
    t.ok(compared > 400, `${compared} messages`);
  },
);
