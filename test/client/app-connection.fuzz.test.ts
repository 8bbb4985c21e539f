/**
 * Throws whatever a seed decides at an application's connection, from either end: mostly right messages about objects
 * that mostly exist, and broken ones. Whatever comes, the process lives, the honest end receives nothing wrong, the
 * connection ends when its peers do, and nothing is held afterwards.
 *
 * VIRTWL_FUZZ_INPUTS: how many messages, for long runs. FUZZ_SEED: where to begin.
 */
import t from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';
import { settle, type Received, type Peer } from '../relay/peer.js';
import { Random } from '../wayland/random.js';
import { WildPeer, type WildOptions } from '../relay/wild-peer.js';
import { connectApp, LINK_GLOBALS, nameOf, type AppAndLink } from './app-and-link.js';
import { testNative } from '../test-native.js';

/** Of each of the two ways, in the test command: two seconds of an idle machine. */
const INPUTS = Number(process.env.VIRTWL_FUZZ_INPUTS ?? 12_000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

// A long run takes as long as it takes.
if (process.env.VIRTWL_FUZZ_INPUTS !== undefined) t.setTimeout(0);

const before = new Holdings();

const POOL_BYTES = 65536;

/** What an application says that makes sense. */
function sensible(wild: () => WildPeer, truncated: OwnedFd[]): NonNullable<WildOptions['sensible']> {
  const sizes = new Map<number, number>();
  return {
    'wl_registry.bind': () => wild().bindArgs() ?? [],
    'wl_shm.create_pool': random => {
      const fd = new OwnedFd(
        native.memfd('virtwl-wild-pool', random.below(10) === 0 ? random.below(POOL_BYTES) : POOL_BYTES, 0),
      );
      if (random.below(4) === 0) truncated.push(new OwnedFd(native.dup(fd.fd)));
      return [undefined, fd, POOL_BYTES];
    },
    'wl_shm_pool.create_buffer': random => {
      const [width, height] = [1 + random.below(40), 1 + random.below(40)];
      const stride = 4 * width + 4 * random.below(3);
      return [undefined, random.below(POOL_BYTES - stride * height), width, height, stride, random.below(2)];
    },
    'wl_shm_pool.resize': (random, pool) => {
      const size = (sizes.get(pool) ?? POOL_BYTES) + (random.below(3) === 0 ? random.below(4096) : 0);
      sizes.set(pool, size);
      return [size];
    },
    // An offset ends the connection from version 5 on; one time in 200 nothing here is asked.
    'wl_surface.attach': () => [undefined, 0, 0],
    'wl_surface.set_buffer_scale': random => [1 + random.below(4)],
    'wl_surface.set_buffer_transform': random => [random.below(8)],
    'wl_surface.damage': random => [random.below(40) - 5, random.below(40) - 5, random.below(40), random.below(40)],
    'wl_surface.damage_buffer': random => [
      random.below(40) - 5,
      random.below(40) - 5,
      random.below(40),
      random.below(40),
    ],
  };
}

const FRAMES = new Set([
  'wl_compositor.create_surface',
  'wl_shm.create_pool',
  'wl_shm_pool.create_buffer',
  'wl_surface.attach',
  'wl_surface.damage_buffer',
  'wl_surface.commit',
]);
const DRAWING = new Set(['wl_surface', 'wl_shm', 'wl_shm_pool', 'wl_compositor']);

/** Confirms what is destroyed some time later, so that there are objects in between. */
function dawdle(peer: Peer, random: Random): () => void {
  const waiting: number[] = [];
  const say = peer.say.bind(peer);
  // What it has told to be gone by mistake, it cannot speak of; the id may be another object's by now.
  peer.say = (id, name, args) => {
    if (interfaces.get(peer.types.get(id) ?? '')?.events.some(event => event.name === name) === true)
      say(id, name, args);
    else for (const arg of args ?? []) if (arg instanceof OwnedFd) arg.close();
  };
  const answerBasics = peer.answerBasics.bind(peer);
  peer.answerBasics = (received: Received) => {
    if (/\.(destroy|release)$/.test(received.name) && random.below(2) === 0) waiting.push(received.id);
    else answerBasics(received);
  };
  return () => {
    for (const id of waiting.splice(0)) if (id < 0xff000000) peer.say(1, 'delete_id', [id]);
  };
}

/** One connection of `steps` messages of each end. Returns how many were said. */
async function round(
  t: { teardown(work: () => void): void },
  random: Random,
  who: 'app' | 'link',
  steps: number,
): Promise<{ said: number; faults: string[]; frames: number }> {
  const c: AppAndLink = await connectApp(t, { inThread: () => random.below(4) === 0 });
  const truncated: OwnedFd[] = [];
  const app: WildPeer = new WildPeer(c.app, random, {
    breaking: who === 'app' ? 300 : Infinity,
    favourites: DRAWING,
    likely: FRAMES,
    sensible: sensible(() => app, truncated),
    // An application in its senses destroys few of its globals.
    never: new Set(['wl_shm.release', 'wl_compositor.release']),
  });
  app.reserve(c.app.newId());
  const link: WildPeer = new WildPeer(c.far.peer, random, {
    breaking: who === 'link' ? 300 : Infinity,
    favourites: new Set(['wl_surface', 'wl_buffer', 'wl_data_device', 'wl_keyboard', 'wl_callback']),
    sensible: {
      'wl_keyboard.keymap': r => [1, new OwnedFd(native.memfd('virtwl-wild-keymap', 4096, 0)), 1 + r.below(4096)],
      'wl_registry.global': r => {
        const [iface, version] = r.pick(LINK_GLOBALS);
        return [nameOf(iface), iface, version];
      },
      'wl_display.delete_id': r => [r.below(60)],
    },
    never:
      who === 'link'
        ? new Set(['wl_display.error'])
        : new Set([
            'wl_display.error',
            'wl_display.delete_id',
            'wl_buffer.release',
            'wl_callback.done',
            'virtwl_slab_v1.memory',
            'virtwl_slab_v1.refused',
          ]),
  });
  const confirm = dawdle(c.far.peer, random);
  c.far.slabAnswer = random.pick(['grant', 'grant', 'grant', 'wait', 'refuse'] as const);
  let granted = 0;
  for (let step = 0; step < steps && c.ends.length === 0; step++) {
    for (let n = random.below(4); n >= 0; n--) app.step();
    if (random.below(who === 'link' ? 1 : 3) === 0) link.step();
    if (random.below(6) === 0) await settle(1 + random.below(3));
    if (random.below(10) === 0 && c.ends.length === 0) confirm();
    if (random.below(5) === 0 && c.far.held.length > 0) c.far.release(random.pick(c.far.held));
    if (c.far.slabAnswer === 'wait' && random.below(10) === 0 && granted < c.far.asked.length)
      c.far.grant(c.far.asked[granted++]!.id);
    if (truncated.length > 0 && random.below(20) === 0)
      testNative.truncate(random.pick(truncated).fd, random.below(2) * 4096);
  }
  await settle(3);
  // Either of them goes first.
  for (const end of random.below(2) === 0 ? [c.app, c.far] : [c.far, c.app]) {
    end.close();
    await settle(random.below(3));
  }
  await eventually('the connection ends when its peers are gone', () => c.ends.length === 1);
  for (const fd of truncated) fd.close();
  if (process.env.WHY) console.error(who, app.said, c.ends[0]?.message?.replace(/\d+/g, 'N'));
  // What a wild peer itself receives proves nothing: it does not know all that it has said.
  const faults = who === 'app' ? [...c.far.mistakes, ...c.far.peer.faults] : [];
  return { said: app.said + link.said, faults, frames: c.connection.counters.frames };
}

for (const who of ['app', 'link'] as const) {
  t.test(
    `anything from ${who === 'app' ? 'an application' : 'the other end of the link'} (seed ${SEED})`,
    { timeout: 0 },
    async t => {
      let [inputs, connections, frames] = [0, 0, 0];
      for (; inputs < INPUTS; connections++) {
        const seed = SEED * 1_000_003 + connections;
        const cleanups: (() => void)[] = [];
        const {
          said,
          faults,
          frames: shown,
        } = await round(
          { teardown: work => cleanups.unshift(work) },
          new Random(seed),
          who,
          50 + (connections % 7) * 50,
        );
        for (const cleanup of cleanups) cleanup();
        inputs += said;
        frames += shown;
        if (faults.length > 0) {
          t.fail(`connection ${connections} (Random(${seed})): ${faults.slice(0, 5).join('; ')}`);
          return;
        }
      }
      t.ok(inputs >= INPUTS, `${inputs} messages on ${connections} connections, ${frames} frames`);
      t.ok(frames > connections / 4, 'many got as far as showing something');
      await before.assertSame(t);
    },
  );
}
