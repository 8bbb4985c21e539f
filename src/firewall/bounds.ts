/**
 * Bounds of one thing at a time: a region, a commit, a tree of surfaces, what is on its way. Numbers of objects are bounded
 * in `population.ts`. Each has a policy line (`limit popup-depth 8`), and one reason, which docs/policy.md tells.
 */

/** One of them. */
export interface Bound {
  /** For policy lines and errors. */
  readonly name: string;
  /** By default. */
  readonly most: number;
  /** The most that a policy may say: compositors walk trees by recursion. */
  readonly ceiling: number;
  readonly reason: string;
}

export const BOUNDS = [
  {
    name: 'region-steps',
    most: 512,
    ceiling: 65_536,
    reason:
      'Rectangles of one region: each is sorted in among all others. Rounded corners take ten, the outlines of shaped X11 windows some hundred.',
  },
  {
    name: 'damage',
    most: 64,
    ceiling: 65_536,
    reason:
      'Rectangles of damage of one commit that go on one by one, all others as one around them. A terminal has one a row that changed.',
  },
  {
    name: 'subsurface-depth',
    most: 32,
    ceiling: 1_024,
    reason:
      'Subsurfaces above one another, which compositors walk by recursion. Toolkits nest two or three, browsers ten.',
  },
  {
    name: 'layers',
    most: 16,
    ceiling: 1_024,
    reason:
      'Pixels of the surfaces of one window, as a multiple of what it covers: all of them are painted when any of them changes. A browser has two to four.',
  },
  {
    name: 'popup-depth',
    most: 32,
    ceiling: 1_024,
    reason: 'Menus of menus, their window counted.',
  },
  {
    name: 'parent-depth',
    most: 64,
    ceiling: 1_024,
    reason: 'Windows of which each is a dialog of the next.',
  },
  {
    name: 'ahead',
    most: 128,
    ceiling: 65_536,
    reason:
      'Requests that the compositor has not got to, by what they cost it: a few frames of a busy window. Others wait. Four times as many while no other VM says anything.',
  },
] as const satisfies readonly Bound[];

export type BoundName = (typeof BOUNDS)[number]['name'];
/** The numbers that hold for one VM. */
export type Bounds = Readonly<Record<BoundName, number>>;

/** `limits`: the numbers of a policy, by name; what it does not say is as by default. */
export function boundsOf(limits: Readonly<Record<string, number>> = {}): Bounds {
  return Object.fromEntries(BOUNDS.map(({ name, most }) => [name, limits[name] ?? most])) as Record<BoundName, number>;
}

export const DEFAULT_BOUNDS: Bounds = boundsOf();
