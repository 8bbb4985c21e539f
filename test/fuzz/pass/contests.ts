/** All that the pass is compared with TypeScript in: the scenes of relays, and a proxy that copies what is drawn. */
import type { Random } from '../../wayland/random.js';
import { copyingDuel } from './copying.js';
import { duel, type Counts } from './duel.js';
import { SCENES } from './scenes.js';

export interface Contest {
  readonly name: string;
  /** One connection, of `most` messages or until it breaks. */
  run(random: Random, most: number, counts: Counts): Promise<void>;
}

export const CONTESTS: readonly Contest[] = [
  ...SCENES.map(scene => ({
    name: scene.name,
    run: (random: Random, most: number, counts: Counts) => duel(scene, random, most, counts),
  })),
  { name: 'copying', run: copyingDuel },
];
