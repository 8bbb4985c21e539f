/**
 * Whether a window fills the screen, as of its last commit: what a client drew before it knew is not wrong. In: what the
 * compositor says (`xdg_toplevel.configure`, then `xdg_surface.configure` with a serial), the acknowledgements of serials,
 * commits. Out: the layout that what was committed last was drawn for.
 */

/**
 * Layouts that wait to be acknowledged, at most; of older ones an acknowledgement says nothing. Only a user who has a window
 * that hangs maximized and made small again comes near.
 */
export const MAX_PENDING_LAYOUTS = 64;

/** The layout of one window. */
export class Layout {
  /** Maximized or full screen. */
  full = false;
  /** By the compositor's last word. */
  #announced = false;
  /** By what was acknowledged last. */
  #acknowledged = false;
  /** Not acknowledged, oldest first: serials from which on it is another one than before. */
  #pending: { readonly serial: number; readonly full: boolean }[] = [];

  /** `xdg_toplevel.configure` */
  announce(full: boolean): void {
    this.#announced = full;
  }

  /** `xdg_surface.configure` */
  send(serial: number): void {
    const full = this.#announced;
    if ((this.#pending.at(-1)?.full ?? this.#acknowledged) === full) return;
    this.#pending.push({ serial, full });
    if (this.#pending.length > MAX_PENDING_LAYOUTS) this.#pending.shift();
  }

  /** `xdg_surface.ack_configure`, of that configure and all before it */
  acknowledge(serial: number): void {
    while (this.#pending.length > 0 && isUpTo(this.#pending[0]!.serial, serial)) {
      this.#acknowledged = this.#pending.shift()!.full;
    }
  }

  /** A commit of the window. */
  commit(): void {
    this.full = this.#acknowledged;
  }
}

/** Whether a serial is another one, or was given before it. They begin anew after 2^32. */
function isUpTo(serial: number, other: number): boolean {
  return (other - serial) >>> 0 < 0x8000_0000;
}
