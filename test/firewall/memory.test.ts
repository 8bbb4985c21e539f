/**
 * Memory that one VM takes from all: a slab that grows in the hands of its client, and pools by the thousands, each of
 * which is a mapping of the compositor's.
 */
import t from 'tap';
import type { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import type { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { SIEGE } from './siege.js';
import { answered, HOSTILE, roundTrips, Siege, VICTIM } from './siege.js';
import { Window } from './window.js';
import { WlDisplayError } from '../../src/wayland/protocols/wayland.js';
import { testNative } from '../test-native.js';

const MIB = 1 << 20;
/** Mappings that Linux lets a process have by default (vm.max_map_count). */
const MAPPINGS = 65_530;
/** Connections that may try for pools, and pools of each. */
const TRIES = 40;
const POOLS_AT_ONCE = 8_000;

/** A slab and its memory, which is the caller's; rejects with the reason of a refusal. */
function allocate(
  display: Display,
  bytes: number,
): Promise<{ slab: WaylandObject<'virtwl_slab_v1'>; memory: OwnedFd }> {
  const slab = display.bindOnce('virtwl_memory_v1').create('allocate', bytes);
  return display.until((resolve, reject) => {
    slab.on('memory', (memory: OwnedFd) => resolve({ slab, memory }));
    slab.on('refused', (_reason: number, why: string) => reject(new Error(why)));
  });
}

t.test('a slab keeps its size, in the hands of any holder', SIEGE, async t => {
  const siege = await Siege.begin(t, { budget: '64M' });
  const hostile = await siege.connect(HOSTILE);
  const victim = await siege.connect(VICTIM);

  const { memory } = await allocate(hostile, 4096);
  t.equal(memory.info().size, 4096);
  t.throws(() => native.reserve(memory.fd, 60 * MIB), 'pages cannot be had behind its end');
  try {
    testNative.truncate(memory.fd, 60 * MIB);
  } catch {
    // It may be forbidden already.
  }
  t.throws(() => native.reserve(memory.fd, 60 * MIB), 'nor by moving its end first');

  const own = await allocate(victim, 32 * MIB);
  t.equal(own.memory.info().size, 32 * MIB, 'another VM gets what is its own');
  own.memory.close();
  memory.close();
});

t.test('pools are bounded for each VM', SIEGE, async t => {
  const siege = await Siege.begin(t);
  const victim = await siege.connect(VICTIM);
  await Window.open(victim, 0x2040a0, 'victim');

  let held = 0;
  const refusals: unknown[] = [];
  const attack = (async () => {
    // Where so many are too many, fewer may still be had: a connection that is ended gives all of its own back.
    for (let tries = 0, count = POOLS_AT_ONCE; tries < TRIES; tries++) {
      try {
        const hostile = await siege.connect(HOSTILE);
        const { slab, memory } = await allocate(hostile, 4096);
        memory.close();
        for (let made = 0; made < count; made++) {
          slab.create('create_pool');
          if (made % 100 === 99) await hostile.roundtrip();
        }
        await hostile.roundtrip();
        held += count;
      } catch (error) {
        refusals.push(error);
        count = Math.ceil(count / 4);
      }
    }
  })();
  t.comment((await roundTrips(victim, attack)).told);
  await attack;
  t.comment(`${held} pools are held`);

  const windows = await siege.connect(VICTIM);
  for (let i = 0; i < 5; i++) await t.resolves(Window.open(windows), `the victim's new window ${i + 1} is shown`);
  await answered(victim);
  t.ok(held < MAPPINGS / 2, `far fewer pools than a process may have mappings: ${held}`);
  t.ok(refusals.length > 0, 'who wants more is refused');
  for (const refusal of refusals.slice(0, 1))
    t.match(
      refusal,
      { interfaceName: 'wl_display', code: WlDisplayError.no_memory },
      'and told that there is no memory for it',
    );
});
