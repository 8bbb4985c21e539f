/**
 * A client asks for another place or size of a window (`ConfigureRequest`), and has an answer in any case: the X server's,
 * where the window becomes what is asked for, and else one that we send.
 */
import type { XConnection } from './connection.js';
import { ConfigureMask, configureNotify, type Geometry } from './events.js';
import { askedFor, sized, within, type Room } from './places.js';
import { configureWindow, EventMask, sendEvent } from './requests.js';
import type { XWindow } from './window.js';

/** `mask`: which of `asked` the client means. `screen`: the X screen. */
export function configureAsked(
  window: XWindow,
  asked: Geometry,
  mask: number,
  x: Pick<XConnection, 'send'>,
  screen: Room,
): void {
  if (window.toplevel === undefined || window.overrideRedirect) {
    // At once: where it is to be shown depends on it, and the server tells of it later.
    if (!window.mapped) window.geometry = { ...window.geometry, ...askedFor(asked, mask) };
    x.send(configureWindow(window.id, { ...askedFor(asked, mask), border: 0 }));
    return;
  }
  // Where it is, is the compositor's to say, and how large where it has said so.
  const { geometry } = window;
  if (!window.states.fixed) {
    const width = mask & ConfigureMask.width ? asked.width : geometry.width;
    const height = mask & ConfigureMask.height ? asked.height : geometry.height;
    if (width !== geometry.width || height !== geometry.height) {
      window.geometry = sized(geometry, { width, height }, screen);
      window.wanted = { size: window.geometry, before: window.wanted?.before ?? window.surface?.size };
      x.send(configureWindow(window.id, { ...window.geometry }));
      return;
    }
  }
  x.send(sendEvent(window.id, configureNotify(window.id, within(geometry, screen.size)), EventMask.structureNotify));
}
