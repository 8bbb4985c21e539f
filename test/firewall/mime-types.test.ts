/** What a client offers can be told to another at once. */
import t from 'tap';
import { MAX_MIME_BYTES, MAX_MIME_TYPES } from '../../src/firewall/mime-types.js';
import { GlueBetween } from '../compositor-glue/glue-between.js';
import { settle } from '../relay/peer.js';

const GLOBALS = [
  ['wl_data_device_manager', 3],
  ['zwp_primary_selection_device_manager_v1', 1],
  ['gtk_primary_selection_device_manager', 1],
] as const;
/** The header of a message, and the length of its string. */
const BESIDE_THE_STRING = 12;

GLOBALS.forEach(([manager, version], at) => {
  t.test(`a source of ${manager}`, async t => {
    const between = new GlueBetween({ globals: GLOBALS });
    t.teardown(() => between.close());
    const { client, compositor, registry } = await between.arrive('work');
    const bound = client.bind(registry, at + 1, manager, version);
    const request = manager === 'wl_data_device_manager' ? 'create_data_source' : 'create_source';
    const offered = async (mimeTypes: readonly string[]): Promise<number> => {
      const passed = (): number => compositor.received.filter(({ name }) => /source(_v1)?\.offer$/.test(name)).length;
      const before = passed();
      const source = client.make(bound, request);
      for (const mimeType of mimeTypes) client.say(source, 'offer', [mimeType]);
      await settle(48);
      return passed() - before;
    };
    const many = (count: number): string[] => Array.from({ length: count }, (_, i) => `text/x-${i}`);
    t.equal(await offered(many(MAX_MIME_TYPES)), MAX_MIME_TYPES, 'as many as may be');
    t.equal(await offered(many(MAX_MIME_TYPES + 20)), MAX_MIME_TYPES, 'and no more');

    const long = 'x'.repeat(MAX_MIME_BYTES / 8 - BESIDE_THE_STRING - 1);
    t.equal(await offered(Array.from({ length: 8 }, () => long)), 8, 'as long together as they may be');
    t.equal(await offered([...Array.from({ length: 9 }, () => long), 'x']), 8, 'and no longer');
    t.same([between.left, compositor.faults], [[], []], 'which ends nobody');
  });
});
