/**
 * Throws whatever a seed decides at the glue, from a remote client or from the compositor: mostly right messages about
 * objects that mostly exist, and broken ones. Whatever comes, the process lives, the compositor gets nothing that is
 * wrong, a well-behaved client next to it is served all the time, and nothing is held or charged afterwards.
 *
 * VIRTWL_FUZZ_INPUTS: how many messages, for long runs. FUZZ_SEED: where to begin.
 */
import t from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';
import { settle, type Peer } from '../relay/peer.js';
import { Random } from '../wayland/random.js';
import { WildPeer } from '../relay/wild-peer.js';
import { GlueBetween, GLOBALS, type Remote } from './glue-between.js';

/** Of each of the two ways, in the test command: two seconds of an idle machine. */
const INPUTS = Number(process.env.VIRTWL_FUZZ_INPUTS ?? 12_000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

// A long run takes as long as it takes.
if (process.env.VIRTWL_FUZZ_INPUTS !== undefined) t.setTimeout(0);

const before = new Holdings();

/** What its own objects are: it cannot speak of what it has told to be gone. */
function speakOfKnown(peer: Peer): void {
  const say = peer.say.bind(peer);
  peer.say = (id, name, args) => {
    if (interfaces.get(peer.types.get(id) ?? '')?.events.some(event => event.name === name) === true)
      say(id, name, args);
    else for (const arg of args ?? []) if (arg instanceof OwnedFd) arg.close();
  };
}

function wildClient(r: Remote, random: Random, breaking: number): WildPeer {
  const client: WildPeer = new WildPeer(r.client, random, {
    breaking,
    favourites: new Set([
      'virtwl_memory_v1',
      'virtwl_slab_v1',
      'wl_shm',
      'wl_shm_pool',
      'wl_surface',
      'wl_seat',
      'wl_data_device_manager',
    ]),
    likely: new Set([
      'virtwl_memory_v1.allocate',
      'virtwl_memory_v1.join',
      'virtwl_slab_v1.create_pool',
      'wl_shm_pool.create_buffer',
      'wl_seat.get_keyboard',
      'wl_surface.commit',
    ]),
    sensible: {
      'wl_registry.bind': () => client.bindArgs() ?? [],
      'virtwl_memory_v1.allocate': one => [
        undefined,
        one.below(8) === 0 ? one.pick([0, 0x7fffffff, 0xffffffff]) : 1 + one.below(100_000),
      ],
      'virtwl_memory_v1.join': one => {
        const keys = r.client.all('virtwl_slab_v1.key').map(({ args }) => args[0] as string);
        return [undefined, one.pick([...keys, 'no key'])];
      },
      'wl_shm.create_pool': () => [undefined, new OwnedFd(native.memfd('virtwl-wild-pool', 65536, 0)), 65536],
      'wl_shm_pool.create_buffer': one => [undefined, one.below(4096), 16, 16, 64, 0],
      // Over a slab, it is a mistake.
      'wl_shm_pool.resize': () => [70_000],
      // Before its memory is there, it is a mistake too: only what was granted.
      'virtwl_slab_v1.create_pool': (_one, slab) =>
        ['memory', 'joined'].some(answer => r.client.all(`virtwl_slab_v1.${answer}`).some(({ id }) => id === slab))
          ? []
          : [0],
    },
    never: new Set(['wl_shm.release', 'wl_compositor.release', 'wl_shm_pool.resize']),
  });
  client.reserve(r.client.newId());
  return client;
}

function wildCompositor(r: Remote, random: Random, breaking: number): WildPeer {
  return new WildPeer(r.compositor, random, {
    breaking,
    favourites: new Set(['wl_keyboard', 'wl_data_device', 'wl_data_source', 'wl_surface', 'wl_registry']),
    likely: new Set(['wl_keyboard.keymap', 'wl_data_source.send', 'wl_data_device.data_offer']),
    sensible: {
      'wl_keyboard.keymap': one => {
        const [bytes, text] = [1 + one.below(4096), `layout ${one.below(20)}`];
        const fd = new OwnedFd(native.memfd('virtwl-wild-keymap', 4096, 0));
        native.write(fd.fd, Buffer.from(text), 0, text.length);
        return [1, fd, one.below(3) === 0 ? bytes : 64];
      },
      'wl_registry.global': one => {
        const [iface, version] = one.pick(GLOBALS);
        return [GLOBALS.findIndex(([name]) => name === iface) + 1, iface, version];
      },
      'wl_display.delete_id': one => [one.below(60)],
    },
    never: new Set(
      breaking === Infinity ? ['wl_display.error', 'wl_display.delete_id', 'wl_callback.done'] : ['wl_display.error'],
    ),
  });
}

for (const who of ['client', 'compositor'] as const) {
  t.test(
    `anything from ${who === 'client' ? 'a remote client' : 'the compositor'} (seed ${SEED})`,
    { timeout: 0 },
    async t => {
      let [inputs, connections, slabs, keymaps] = [0, 0, 0, 0];
      while (inputs < INPUTS) {
        const random = new Random(SEED * 7_000_003 + connections);
        const g = new GlueBetween({ policy: { memory: 300_000 } });
        const bystander = await g.arrive('play');
        for (let n = 0; n < 10 && inputs < INPUTS; n++, connections++) {
          const r = await g.arrive('work');
          if (r.compositor === undefined) throw new Error('the compositor has no end of it');
          speakOfKnown(r.compositor);
          const steps = 30 + random.below(200);
          const client = wildClient(r, random, who === 'client' ? 300 : Infinity);
          const compositor = wildCompositor(r, random, who === 'compositor' ? 300 : Infinity);
          g.allocator!.mode = random.pick(['grant', 'grant', 'grant', 'wait', 'refuse'] as const);
          for (let step = 0; step < steps && !r.client.ended; step++) {
            for (let m = random.below(4); m >= 0; m--) client.step();
            if (random.below(who === 'compositor' ? 1 : 3) === 0) compositor.step();
            if (random.below(6) === 0) await settle(1 + random.below(3));
            if (random.below(15) === 0) g.allocator!.release();
            if (random.below(300) === 0) g.allocator!.hangUp();
          }
          // What a paced client still asks for at its end is answered too.
          g.allocator!.mode = 'grant';
          await settle(4);
          for (const end of random.below(2) === 0 ? [r.client, r.compositor] : [r.compositor, r.client]) {
            end.close();
            await settle(random.below(3));
          }
          g.allocator!.release();
          await eventually('the connection ends when its peers are gone', () => g.glue.clientCount === 1);
          await eventually('nothing is on the account', () => g.glue.bytesOf('work') === 0);
          inputs += client.said + compositor.said;
          slabs += r.client.all('virtwl_slab_v1.memory').length;
          keymaps += r.client.all('wl_keyboard.keymap').length;
          if (who === 'client' && r.compositor.faults.length > 0) {
            t.fail(`connection ${connections} (seed ${SEED}): ${r.compositor.faults.slice(0, 5).join('; ')}`);
            g.close();
            return;
          }
        }
        g.allocator!.mode = 'grant';
        await bystander.client.roundtrip();
        t.equal(bystander.client.ended, false, 'the client next to it is served');
        g.close();
      }
      t.ok(inputs >= INPUTS, `${inputs} messages on ${connections} connections, ${slabs} slabs, ${keymaps} keymaps`);
      t.ok(slabs > connections / 4 && keymaps > connections / 8, 'many got as far as a slab, and a keymap');
      await before.assertSame(t);
    },
  );
}
