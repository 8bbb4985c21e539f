/**
 * The pointer's picture over windows whose client says none: the arrow of the theme that the VM's programs have, by the
 * extension RENDER. The server's own is a black cross, and an arrow of its font of cursors is small, black and of no theme.
 */
import type { Setup, XConnection } from './connection.js';
import type { CursorPicture } from './cursor-theme.js';
import { argbFormat, extension } from './replies.js';
import { changeWindowCursor, pixmaps, queryExtension, render } from './requests.js';

/** Shows it as soon as the server has said that it can; one that cannot leaves what there is. */
export function showRootCursor(x: XConnection, { root }: Setup, picture: CursorPicture): void {
  x.ask(queryExtension('RENDER'), found => {
    const opcode = extension(found)?.opcode;
    if (opcode === undefined) return;
    x.ask(render.queryVersion(opcode), () => {});
    x.ask(render.queryPictFormats(opcode), reply => {
      const format = argbFormat(reply);
      if (format === undefined) return;
      const { width, height, hotX, hotY, pixels } = picture;
      const [pixmap, context, source, cursor] = [x.newId(), x.newId(), x.newId(), x.newId()];
      x.send(pixmaps.create(pixmap, root, width, height));
      x.send(pixmaps.createContext(context, pixmap));
      x.send(pixmaps.put(pixmap, context, width, height, pixels));
      x.send(render.createPicture(opcode, source, pixmap, format));
      x.send(render.createCursor(opcode, cursor, source, hotX, hotY));
      x.send(changeWindowCursor(root, cursor));
      x.send(render.freePicture(opcode, source));
      x.send(pixmaps.freeContext(context));
      x.send(pixmaps.free(pixmap));
    });
  });
}
