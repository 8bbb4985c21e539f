/** The reach of a tree of surfaces is never smaller than what a compositor shows of it, and what is sure never larger. */
import t from 'tap';
import { SurfaceNode } from '../../src/firewall/surface-tree.js';
import type { RelayObject } from '../../src/relay/object-map.js';
import type { Box } from '../../src/wayland/region.js';
import { Random } from '../wayland/random.js';

interface State {
  readonly size: number;
  /** Places of children, as compositors take them that have them in the parent's state. */
  readonly places: ReadonlyMap<Shown, number>;
}

/** A surface as a compositor has it: one axis, to the left and right of the origin alike. */
class Shown {
  parent: Shown | undefined;
  synchronized = false;
  pending = 0;
  size = 0;
  cached: State | undefined;
  /** Place that is shown, and the one that was said last. */
  place = 0;
  pendingPlace = 0;
  readonly children: Shown[] = [];

  /** @param late whether a place is the one at the parent's commit, not at the time when that is shown */
  constructor(readonly late: boolean) {}

  get waits(): boolean {
    return this.synchronized || (this.parent?.waits ?? false);
  }

  commit(): void {
    const state = { size: this.pending, places: new Map(this.children.map(child => [child, child.pendingPlace])) };
    if (this.waits) this.cached = state;
    else this.apply(state);
  }

  apply(state: State): void {
    this.cached = undefined;
    this.size = state.size;
    for (const child of this.children) {
      child.place = this.late ? (state.places.get(child) ?? child.place) : child.pendingPlace;
      if (child.synchronized && child.cached !== undefined) child.apply(child.cached);
    }
  }

  extents(at = 0): readonly [number, number] {
    let [low, high] = this.size > 0 ? [at, at + this.size] : [Infinity, -Infinity];
    for (const child of this.children) {
      const [l, h] = child.extents(at + child.place);
      [low, high] = [Math.min(low, l), Math.max(high, h)];
    }
    return [low, high];
  }
}

const SURFACES = 6;

for (const late of [false, true]) {
  t.test(late ? 'places are of the commit' : 'places are of the moment', async t => {
    const random = new Random(late ? 11 : 12);
    let unsure = 0;
    let wrong = 0;
    for (let round = 0; round < 400; round++) {
      const nodes = Array.from({ length: SURFACES }, () => new SurfaceNode({} as RelayObject));
      const shown = Array.from({ length: SURFACES }, () => new Shown(late));
      for (let i = 1; i < SURFACES; i++) {
        const parent = random.below(i);
        nodes[i]!.become(nodes[parent]!);
        shown[i]!.parent = shown[parent]!;
        shown[i]!.synchronized = true;
        shown[parent]!.children.push(shown[i]!);
      }
      for (let step = 0; step < 60; step++) {
        const i = random.below(SURFACES);
        const [node, real] = [nodes[i]!, shown[i]!];
        switch (random.below(i === 0 ? 2 : 6)) {
          case 0:
            node.commit();
            real.commit();
            break;
          case 1: {
            const size = random.below(4) * 10;
            node.state.buffer = size === 0 ? undefined : { width: size, height: size };
            real.pending = size;
            break;
          }
          case 2:
          case 3: {
            const place = random.below(200) - 100;
            node.move(place, place);
            real.pendingPlace = place;
            break;
          }
          case 4:
            node.synchronized = real.synchronized = true;
            break;
          case 5:
            node.desynchronize();
            real.synchronized = false;
            if (!real.waits && real.cached !== undefined) real.apply(real.cached);
            break;
        }
        const [low, high] = shown[0]!.extents();
        const extents: Box | undefined = nodes[0]!.extents();
        const sure = nodes[0]!.sure();
        if (low < high && (extents === undefined || extents.x1 > low || extents.x2 < high)) wrong += 1;
        if (sure !== undefined && (sure.x1 < low || sure.x2 > high)) wrong += 1;
        if (sure?.x1 !== extents?.x1 || sure?.x2 !== extents?.x2) unsure += 1;
      }
    }
    t.equal(wrong, 0, 'all that is shown is in the extents, all that is sure is shown');
    t.ok(unsure > 0 && unsure < 400 * 60, `${unsure} times they were not the same`);
  });
}

t.test('a change costs what lies above it', async t => {
  const top = new SurfaceNode({} as RelayObject);
  const child = new SurfaceNode({} as RelayObject);
  child.become(top);
  child.state.buffer = { width: 10, height: 10 };
  child.commit();
  top.commit();
  const extents = top.extents();
  t.same(extents, { x1: 0, y1: 0, x2: 10, y2: 10 });
  child.commit();
  top.commit();
  t.equal(top.extents(), extents, 'and nothing where there is none');
  child.destroy();
  t.equal(top.extents(), undefined);
});
