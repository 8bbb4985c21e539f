/** What the windows of X11 programs may cost, each with its reason. One X client has half of each (`shares.ts`). */

/**
 * Windows right below the root window that are known, each of some 500 bytes here. A desktop has some hundred, most of which
 * are never shown. Those beyond are not shown.
 */
export const MAX_WINDOWS = 16_384;

/** Windows that are shown at a time; each is a surface, and pictures, of the compositor. */
export const MAX_SHOWN = 512;

/**
 * Of these, windows that nobody manages: menus, tooltips. `virtwl compositor` lets a VM have 256 popups and ends who wants one
 * more, so that this leaves half of them to Wayland programs.
 */
export const MAX_POPUPS = 128;

/**
 * Windows that are mapped, shown or not, and cursors: Xwayland has a surface for each. Where there are more, all X11 programs
 * end: a VM may have 16,384 surfaces, and its Wayland programs have the other half.
 */
export const MAX_SURFACES = 8_192;
