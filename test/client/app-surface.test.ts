/**
 * The pixels of an application's surfaces against a model that knows every pixel: after each commit the compositor's
 * buffer must hold what the application's held, what the compositor still reads must not change, and not a byte more may
 * have been copied than was damaged since that buffer was written last.
 */
import t, { type Test } from 'tap';
import type { Box } from '../../src/wayland/region.js';
import { MAX_BUSY_LINK_BUFFERS } from '../../src/client/app-surface.js';
import type { SurfaceGeometry } from '../../src/client/surface-geometry.js';
import { eventually } from '../eventually.js';
import { Holdings } from '../holdings.js';
import { settle } from '../relay/peer.js';
import { WlShmError } from '../../src/wayland/protocols/wayland.js';
import { Random } from '../wayland/random.js';
import { connectApp, DrawnPool, nameOf, type AppAndLink, type LinkedBuffer } from './app-and-link.js';
import { numbered, stored, uprightPixels } from './pictures.js';

const before = new Holdings();
const SEED = Number(process.env.FUZZ_SEED ?? 3);

/** As many rectangles fit into a region without it falling back to a bounding box, however they lie. */
const EXACT_RECTS = 5;

/** What the compositor's side knows of one link buffer. */
interface LinkModel {
  /** Pixels that differ from the surface's contents, as far as was told. */
  readonly stale: Uint8Array;
  /** Rectangles that made it stale; Infinity: more than can be told apart. */
  rects: number;
}

/** One surface of the application, drawn with random changes. */
class ModelSurface {
  readonly id: number;
  readonly geometry: { -readonly [K in keyof SurfaceGeometry]: SurfaceGeometry[K] } = {
    scale: 1,
    transform: 0,
    source: undefined,
    destination: undefined,
  };
  #pool!: DrawnPool;
  #buffers: { id: number; offset: number }[] = [];
  width = 0;
  height = 0;
  #stride = 0;
  /** What the buffers hold: each pixel one number of `bytesPerPixel` bytes. */
  image = new Uint32Array(0);
  /** By buffer, not by its id, which is used again. */
  #links = new Map<LinkedBuffer, LinkModel>();
  /** Contents of what the compositor holds. */
  readonly #held = new Map<LinkedBuffer, Buffer>();
  #shown: LinkedBuffer | undefined;
  /** The number of a pixel of the upright picture, by where it is in the buffer. */
  #places: number[] = [];
  #viewport: number | undefined;

  constructor(
    readonly c: AppAndLink,
    readonly random: Random,
    readonly bytesPerPixel: number,
    readonly format: number,
  ) {
    this.id = c.app.make(c.factory, 'create_surface');
  }

  get theirs(): number {
    return [...this.c.far.surfaces.keys()][this.#index]!;
  }
  #index = 0;
  setIndex(index: number): void {
    this.#index = index;
  }

  /** New buffers. Those of the same size hold the same picture. */
  resize(width: number, height: number): void {
    const same = width === this.width && height === this.height;
    for (const { id } of this.#buffers) this.c.app.say(id, 'destroy');
    if (this.width > 0) {
      this.c.app.say(this.#pool.id, 'destroy');
      this.#pool.close();
    }
    const { random, bytesPerPixel } = this;
    [this.width, this.height] = [width, height];
    this.#stride = width * bytesPerPixel + random.below(3) * 4;
    const bytes = this.#stride * height;
    const gap = random.below(50);
    const count = 1 + random.below(3);
    this.#pool = new DrawnPool(this.c, (bytes + gap) * count + gap);
    this.#buffers = Array.from({ length: count }, (_, i) => {
      const offset = gap + i * (bytes + gap);
      return { id: this.#pool.buffer(offset, width, height, this.#stride, this.format), offset };
    });
    if (!same) {
      this.image = Uint32Array.from({ length: width * height }, () => this.#color());
      this.#links.clear();
    }
    this.#turned();
  }

  /** The picture is stored in another way from now on. */
  #turned(): void {
    const turned = (this.geometry.transform & 1) === 1;
    const upright = numbered(turned ? this.height : this.width, turned ? this.width : this.height);
    this.#places = stored(upright, this.geometry.transform).flat();
  }

  setTransform(transform: number): void {
    this.geometry.transform = transform;
    this.c.app.say(this.id, 'set_buffer_transform', [transform]);
    this.#turned();
  }

  setScale(scale: number): void {
    this.geometry.scale = scale;
    this.c.app.say(this.id, 'set_buffer_scale', [scale]);
  }

  setViewport(source: SurfaceGeometry['source'], destination: SurfaceGeometry['destination']): void {
    const { app, registry } = this.c;
    if (this.#viewport === undefined) {
      const viewporter = app.bind(registry, nameOf('wp_viewporter'), 'wp_viewporter', 1);
      this.#viewport = app.make(viewporter, 'get_viewport', ['new', this.id]);
    }
    this.geometry.source = source;
    this.geometry.destination = destination;
    app.say(
      this.#viewport,
      'set_source',
      source === undefined ? [-1, -1, -1, -1] : [source.x, source.y, source.width, source.height],
    );
    app.say(
      this.#viewport,
      'set_destination',
      destination === undefined ? [-1, -1] : [destination.width, destination.height],
    );
  }

  #color(): number {
    return this.random.below(2 ** (8 * Math.min(4, this.bytesPerPixel)));
  }

  bufferRect(): Box {
    const { random, width, height } = this;
    const x1 = random.below(width);
    const y1 = random.below(height);
    return { x1, y1, x2: x1 + 1 + random.below(width - x1), y2: y1 + 1 + random.below(height - y1) };
  }

  pixelsOfBuffer(r: Box): number[] {
    const pixels: number[] = [];
    for (let y = r.y1; y < r.y2; y++) for (let x = r.x1; x < r.x2; x++) pixels.push(y * this.width + x);
    return pixels;
  }

  /** Places in the buffer of what lies under a rectangle of the surface. */
  pixelsOfSurface(r: Box): number[] {
    const turned = (this.geometry.transform & 1) === 1;
    const under = uprightPixels(r, this.geometry, turned ? this.height : this.width, turned ? this.width : this.height);
    return this.#places.flatMap((name, at) => (under.has(name) ? [at] : []));
  }

  /** One frame: changes some pixels, tells so in one way or the other, and checks what came of it. */
  async frame(
    t: Test,
    damage: { buffer: readonly Box[]; surface: readonly Box[] },
    how: { dieFirst?: boolean } = {},
  ): Promise<boolean> {
    const { app, far, connection } = this.c;
    // Past so many, the frame would wait for a release: `held-requests.test.ts`.
    const ours = far.held.filter(id => this.#held.has(far.buffers.get(id)!));
    for (const id of ours.slice(0, Math.max(0, ours.length + 1 - MAX_BUSY_LINK_BUFFERS))) far.release(id);
    await settle(4);
    const changed = new Set([
      ...damage.buffer.flatMap(r => this.pixelsOfBuffer(r)),
      ...damage.surface.flatMap(r => this.pixelsOfSurface(r)),
    ]);
    for (const at of changed) this.image[at] = this.#color();
    const buffer = this.random.pick(this.#buffers);
    const drawn = this.#draw(buffer.offset);
    const copied = connection.counters.bytesCopied;
    const frames = connection.counters.frames;
    const released = app.all('wl_buffer.release').length;

    app.say(this.id, 'attach', [buffer.id, 0, 0]);
    if (how.dieFirst) {
      app.say(buffer.id, 'destroy');
      this.#buffers.splice(this.#buffers.indexOf(buffer), 1);
    }
    for (const r of damage.buffer) app.say(this.id, 'damage_buffer', [r.x1, r.y1, r.x2 - r.x1, r.y2 - r.y1]);
    for (const r of damage.surface) app.say(this.id, 'damage', [r.x1, r.y1, r.x2 - r.x1, r.y2 - r.y1]);
    app.say(this.id, 'commit');
    await settle(8);
    // A thread may have copied in any of these turns, and the frame goes on in those after it.
    await eventually('a thread has copied', () => connection.counters.frames > frames);
    await settle(8);

    const shownId = far.surfaces.get(this.theirs)!.shown;
    const faults: string[] = [];
    const shown = shownId === undefined ? undefined : far.buffers.get(shownId);
    if (shownId === undefined || shown === undefined) {
      t.fail('nothing is shown');
      return false;
    }
    const contents = far.pixels(shownId, this.bytesPerPixel);
    if (!contents.equals(drawn)) faults.push('the buffer at the other end differs');
    for (const id of far.held) {
      const was = this.#held.get(far.buffers.get(id)!);
      if (id !== shownId && was !== undefined && !far.pixels(id, this.bytesPerPixel).equals(was)) {
        faults.push(`buffer ${id} changed while the compositor held it`);
      }
    }
    if (app.all('wl_buffer.release').length !== released + (how.dieFirst ? 0 : 1))
      faults.push('the buffer was not released at once');
    if (!how.dieFirst && app.last('wl_buffer.release').id !== buffer.id) faults.push('another buffer was released');
    if (connection.counters.frames !== frames + 1) faults.push('the frame was not counted');
    faults.push(...far.mistakes, ...app.faults, ...far.peer.faults);

    const all = this.width * this.height;
    const link = this.#links.get(shown) ?? { stale: new Uint8Array(all).fill(1), rects: 0 };
    const count = damage.buffer.length + damage.surface.length;
    const stays = changed.size === 0 && shown === this.#shown && link.rects === 0;
    const stale = link.stale;
    for (const at of changed) stale[at] = 1;
    const expected = stays ? 0 : stale.reduce((sum, bit) => sum + bit, 0) * this.bytesPerPixel;
    const got = connection.counters.bytesCopied - copied;
    // A rectangle of a surface may cover more of the buffer than its pixels, when there is a viewport.
    const exact = link.rects + count <= EXACT_RECTS && (damage.surface.length === 0 || this.#viewport === undefined);
    if (got < expected || (exact && got !== expected))
      faults.push(`${got} bytes were copied, ${expected} were damaged`);
    if (got > all * this.bytesPerPixel) faults.push('more was copied than there is');
    stale.fill(0);
    link.rects = 0;
    for (const [buffer, other] of this.#links) {
      if (buffer === shown) continue;
      for (const at of changed) other.stale[at] = 1;
      other.rects += this.#viewport !== undefined && damage.surface.length > 0 ? 100 : count;
    }
    this.#links.set(shown, link);
    this.#shown = shown;
    this.#held.set(shown, contents);
    if (faults.length > 0) {
      t.fail(faults.join('; '), { damage, size: [this.width, this.height], geometry: this.geometry });
      return false;
    }
    return true;
  }

  /** The compositor lets go of some of what it holds. */
  releaseSome(): void {
    const { far } = this.c;
    for (const id of [...far.held]) {
      if (this.#held.has(far.buffers.get(id)!) && this.random.below(3) > 0) far.release(id);
    }
  }

  /** Shows nothing for one commit. */
  async hide(): Promise<void> {
    this.c.app.say(this.id, 'attach', [undefined, 0, 0]);
    this.c.app.say(this.id, 'commit');
    await settle(8);
    this.#shown = undefined;
    for (const link of this.#links.values()) link.stale.fill(1);
  }

  #draw(offset: number): Buffer {
    const bytes = Buffer.from(this.#pool.bytes.buffer);
    const { width, height, bytesPerPixel } = this;
    const rows: Buffer[] = [];
    for (let y = 0; y < height; y++) {
      const row = bytes.subarray(offset + y * this.#stride, offset + y * this.#stride + width * bytesPerPixel);
      for (let x = 0; x < width; x++)
        row.writeUIntLE(this.image[y * width + x]!, x * bytesPerPixel, Math.min(4, bytesPerPixel));
      rows.push(Buffer.from(row));
    }
    // Whatever is between the rows is nobody's business.
    return Buffer.concat(rows);
  }

  destroy(): void {
    this.c.app.say(this.id, 'destroy');
    for (const { id } of this.#buffers) this.c.app.say(id, 'destroy');
    this.c.app.say(this.#pool.id, 'destroy');
    this.#pool.close();
  }
}

const RGB565 = 0x36314752;
const BGR888 = 0x34324742;
const R8 = 0x20203852;

t.test('damage in buffer coordinates', async t => {
  for (const [name, bytesPerPixel, format] of [
    ['argb8888', 4, 0],
    ['xrgb8888', 4, 1],
    ['rgb565', 2, RGB565],
    ['bgr888', 3, BGR888],
    ['r8', 1, R8],
  ] as const) {
    const threads = format === 1;
    const how = threads ? ', copied in threads' : '';
    t.test(`${name}${how}: any sequence of damage, sizes and releases (seed ${SEED})`, async t => {
      const held = new Holdings();
      const c = await connectApp(t, { inThread: () => threads });
      const random = new Random(SEED + format);
      const surface = new ModelSurface(c, random, bytesPerPixel, format);
      surface.resize(20, 13);
      let frames = 0;
      for (let step = 0; step < 150; step++) {
        if (random.below(25) === 0) surface.resize(1 + random.below(40), 1 + random.below(40));
        if (random.below(30) === 0) await surface.hide();
        const buffer = Array.from({ length: random.below(3) }, () => surface.bufferRect());
        if (
          !(await surface.frame(t, { buffer: step === 0 ? [{ x1: 0, y1: 0, x2: 20, y2: 13 }] : buffer, surface: [] }))
        )
          return;
        frames += 1;
        if (random.below(2) === 0) surface.releaseSome();
        await settle(4);
        t.ok(
          c.far.buffers.size <= c.far.held.length + 3,
          `${c.far.buffers.size} link buffers, ${c.far.held.length} held`,
        );
      }
      t.pass(`${frames} frames`);
      surface.destroy();
      await settle();
      for (const id of [...c.far.held]) c.far.release(id);
      await settle();
      t.equal(c.far.buffers.size, 0, 'every link buffer is gone');
      t.same(c.far.mistakes, []);
      t.same(c.ends, []);
      c.app.close();
      await settle();
      c.far.close();
      await held.assertSame(t);
    });
  }
});

t.test('damage in surface coordinates', async t => {
  for (let transform = 0; transform < 8; transform++) {
    for (const scale of [1, 2, 3]) {
      t.test(`transform ${transform}, scale ${scale}, with and without a viewport (seed ${SEED})`, async t => {
        const c = await connectApp(t);
        const random = new Random(SEED * 100 + transform * 10 + scale);
        const surface = new ModelSurface(c, random, 4, 0);
        surface.resize(scale * (4 + random.below(6)), scale * (4 + random.below(6)));
        surface.setTransform(transform);
        surface.setScale(scale);
        const turned = (transform & 1) === 1;
        const [width, height] = [
          (turned ? surface.height : surface.width) / scale,
          (turned ? surface.width : surface.height) / scale,
        ];
        for (let step = 0; step < 40; step++) {
          if (step === 20)
            surface.setViewport(undefined, { width: 3 + random.below(20), height: 3 + random.below(20) });
          if (step === 30)
            surface.setViewport({ x: 0.5, y: 1.25, width: width - 1.5, height: height - 2 }, { width: 7, height: 9 });
          const shown = surface.geometry.destination ?? { width, height };
          const rects = Array.from({ length: 1 + random.below(2) }, () => {
            const [x1, y1] = [random.below(shown.width), random.below(shown.height)];
            return { x1, y1, x2: x1 + 1 + random.below(4), y2: y1 + 1 + random.below(4) };
          });
          const mixed = random.below(4) === 0 ? [surface.bufferRect()] : [];
          if (!(await surface.frame(t, { buffer: mixed, surface: rects }))) return;
          surface.releaseSome();
        }
        t.same(c.ends, []);
        surface.destroy();
        await settle();
      });
    }
  }
});

t.test('several surfaces of one application do not mix', async t => {
  const c = await connectApp(t);
  const random = new Random(SEED);
  const surfaces = Array.from({ length: 4 }, (_, i) => {
    const surface = new ModelSurface(c, random, 4, 0);
    surface.setIndex(i);
    return surface;
  });
  await settle();
  for (const surface of surfaces) surface.resize(5 + random.below(30), 5 + random.below(30));
  for (let step = 0; step < 200; step++) {
    const surface = random.pick(surfaces);
    if (random.below(20) === 0) surface.resize(1 + random.below(50), 1 + random.below(50));
    if (!(await surface.frame(t, { buffer: [surface.bufferRect()], surface: [] }))) return;
    for (const one of surfaces) if (random.below(3) === 0) one.releaseSome();
  }
  t.same(c.ends, []);
  t.same(c.far.mistakes, []);
  for (const surface of surfaces) surface.destroy();
  await settle();
});

t.test('while a thread copies', async t => {
  const SIDE = 400;
  /** An application that has said a whole frame of its first surface, and what it says after it. */
  const scene = async (t: Test, then: (c: AppAndLink, surface: number) => void) => {
    const c = await connectApp(t, { inThread: () => true });
    const pool = new DrawnPool(c, 4 * SIDE * SIDE);
    const buffer = pool.buffer(0, SIDE, SIDE, 4 * SIDE, 0);
    const surface = c.app.make(c.factory, 'create_surface');
    const frame = (): void => {
      c.app.say(surface, 'attach', [buffer, 0, 0]);
      c.app.say(surface, 'damage_buffer', [0, 0, SIDE, SIDE]);
      c.app.say(surface, 'commit');
    };
    // Memory for the first one is on its way for a while.
    frame();
    await eventually('a frame', () => c.connection.counters.frames === 1);
    frame();
    then(c, surface);
    return { c, pool };
  };

  await t.test('the connection waits, and goes on in order', async t => {
    const { c, pool } = await scene(t, ({ app, factory }, surface) => {
      app.say(surface, 'set_buffer_scale', [2]);
      app.make(factory, 'create_surface');
    });
    await eventually('all of it', () => c.far.peer.all('wl_compositor.create_surface').length === 2);
    const said = c.far.peer.received.map(({ name }) => name);
    t.ok(said.lastIndexOf('wl_surface.commit') < said.indexOf('wl_surface.set_buffer_scale'));
    t.equal(c.connection.counters.frames, 2);
    t.same(c.ends, []);
    pool.close();
  });

  await t.test('the application may leave', async t => {
    const held = new Holdings();
    const { c, pool } = await scene(t, ({ app }) => app.close());
    await eventually('the connection ends', () => c.ends.length === 1);
    c.far.close();
    pool.close();
    await held.assertSame(t);
  });

  await t.test('a file that is shorter than its pool is told as without a thread', async t => {
    const c = await connectApp(t, { inThread: () => true });
    const pool = new DrawnPool(c, 4 * SIDE * SIDE, 4096);
    const buffer = pool.buffer(0, SIDE, SIDE);
    const surface = c.app.make(c.factory, 'create_surface');
    c.app.say(surface, 'attach', [buffer, 0, 0]);
    c.app.say(surface, 'damage_buffer', [0, 0, SIDE, SIDE]);
    c.app.say(surface, 'commit');
    await eventually('the connection ends', () => c.ends.length === 1);
    await settle();
    t.same(c.app.last('wl_display.error').args.slice(0, 2), [buffer, WlShmError.invalid_fd]);
    pool.close();
  });
});

t.test('a buffer that the application destroys between attach and commit is shown all the same', async t => {
  const c = await connectApp(t);
  const random = new Random(SEED);
  const surface = new ModelSurface(c, random, 4, 0);
  for (let step = 0; step < 10; step++) {
    surface.resize(8, 8);
    if (!(await surface.frame(t, { buffer: [surface.bufferRect()], surface: [] }, { dieFirst: true }))) return;
    surface.releaseSome();
  }
  t.same(c.ends, []);
  surface.destroy();
  await settle();
});

t.test('nothing is left behind', async t => before.assertSame(t));
