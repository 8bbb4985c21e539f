/**
 * Looking at the demonstration's picture: where its windows are, by sway's own account, and whether what is seen there is
 * what they should show. In: sway's tree and a capture of its output. Out: yes or no.
 */
import type { Picture } from '../frames/picture.js';
import type { Rect } from '../wayland/rect.js';
import { TERMINAL } from './demo-desktop.js';

/** The app ids of the demonstration's windows. */
export const terminalWindow = (appId: string): boolean => appId === 'foot';
export const framesWindow = (appId: string): boolean => appId === 'virtwl-frames';
export const statusWindow = (appId: string): boolean => appId === 'virtwl-status';

/** What is used here of a node of sway's tree (sway-ipc(7), GET_TREE). */
export interface TreeNode {
  readonly app_id?: string | null;
  readonly visible?: boolean;
  readonly rect: Rect;
  /** The contents, from the upper left corner of `rect`. */
  readonly window_rect: Rect;
  readonly nodes: readonly TreeNode[];
  readonly floating_nodes: readonly TreeNode[];
}

/** Where a window's contents are, if it is there and visible. */
export function findWindow(node: TreeNode, wanted: (appId: string) => boolean): Rect | undefined {
  if (node.visible === true && wanted(node.app_id ?? '')) {
    const { rect, window_rect: inner } = node;
    return { x: rect.x + inner.x, y: rect.y + inner.y, width: inner.width, height: inner.height };
  }
  for (const child of [...node.nodes, ...node.floating_nodes]) {
    const found = findWindow(child, wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The terminal's own background covers most of its window, and there is text on it. */
export function showsTerminal(picture: Picture, rect: Rect): boolean {
  const background = share(picture, rect, colour => colour === TERMINAL.background);
  const text = share(picture, rect, colour => colour === TERMINAL.foreground);
  return background > 0.5 && text > 0.001;
}

/**
 * Whether a window shows any frame of the checker: in each of its pixels red and blue are at least 129 apart, which
 * nothing else on this desktop comes near. Whether it is the right one is the checker's own judgement.
 */
export function showsFrames(picture: Picture, rect: Rect): boolean {
  return share(picture, rect, colour => Math.abs((colour >>> 16) - (colour & 0xff)) >= 129) > 0.99;
}

/** The share of a window's pixels of which something holds. */
function share(picture: Picture, rect: Rect, holds: (colour: number) => boolean): number {
  let count = 0;
  for (let y = Math.max(0, rect.y); y < Math.min(picture.height, rect.y + rect.height); y++) {
    for (let x = Math.max(0, rect.x); x < Math.min(picture.width, rect.x + rect.width); x++) {
      if (holds(picture.pixels[y * picture.width + x]! & 0xffffff)) count++;
    }
  }
  return count / (rect.width * rect.height);
}
