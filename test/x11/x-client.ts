/** An X client of the tests' own, by our wire: it says what real programs do not. */
import { readFileSync } from 'node:fs';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { XConnection, type Setup } from '../../src/x11/connection.js';
import { extension } from '../../src/x11/replies.js';
import { getInputFocus, queryExtension, sync } from '../../src/x11/requests.js';
import { request, u16, u32 } from '../../src/x11/wire.js';

/** Bytes of the cookie at the end of an authority file with one entry. */
const COOKIE_BYTES = 16;

/** Connects to a display as an X client does. */
export function connectTo(display: string, authority: string): Promise<{ x: XConnection; setup: Setup }> {
  const cookie = readFileSync(authority).subarray(-COOKIE_BYTES);
  const socket = UnixSocket.connect(`/tmp/.X11-unix/X${display.replace(':', '')}`, { maxQueuedBytes: 1 << 30 });
  const x = new XConnection(socket, cookie);
  return new Promise((resolve, reject) => {
    x.once('ready', setup => resolve({ x, setup }));
    x.once('close', reason => reject(reason ?? new Error('the X server left')));
    x.start();
  });
}

export interface WindowLook {
  readonly x?: number;
  readonly y?: number;
  readonly width?: number;
  readonly height?: number;
  /** 0xrrggbb: the server fills it with that. */
  readonly colour?: number;
}

/** Makes a window, white and of 100 x 80 pixels by default, not shown yet. */
export function makeWindow(x: XConnection, root: number, overrideRedirect = false, look: WindowLook = {}): number {
  const id = x.newId();
  const { x: left = 10, y: top = 10, width = 100, height = 80, colour = 0xffffff } = look;
  const place = [left, top, width, height, 0, 1].map(u16);
  const [background, redirect] = [0x2, 0x200];
  const values = [u32(colour), u32(overrideRedirect ? 1 : 0)];
  x.send(request(1, 0, u32(id), u32(root), ...place, u32(0), u32(background | redirect), ...values));
  return id;
}

/** Makes a counter of the extension SYNC, of the value 0. `set`: up to 32 bits. */
export async function makeCounter(x: XConnection): Promise<{ readonly id: number; set(value: number): void }> {
  const found = await new Promise<Uint8Array>(answered => x.ask(queryExtension('SYNC'), answered));
  const { opcode } = extension(found)!;
  const id = x.newId();
  x.ask(sync.initialize(opcode), () => {});
  x.send(request(opcode, 2, u32(id), u32(0), u32(0)));
  return { id, set: value => x.send(request(opcode, 3, u32(id), u32(0), u32(value))) };
}

/** The server has dealt with all that was sent. */
export function settled(x: XConnection): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (): void => reject(new Error('it is gone'));
    x.ask(getInputFocus(), () => resolve(), failed);
  });
}
