/**
 * A selection that changes hands while a Wayland program is asking for it, on a real sway and Xwayland. The test holds this
 * process still until both have happened: the compositor's question waits in one socket, the X server's news in the other.
 */
import t from 'tap';
import { changeProperty, destroyWindow } from '../../../src/x11/requests.js';
import { XClipboardClient } from './x-clipboard.js';
import { comes, startDesk } from './x-desk.js';

/** In which all others do what they have been asked for, in milliseconds. */
const HELD_MS = 700;

const [FIRST, SECOND] = [Buffer.from('of the first'), Buffer.from('of the second')];

t.setTimeout(120_000);

t.test('the owner that goes is not the one that answers', async t => {
  const desk = await startDesk(t);
  await desk.press();
  const failures: number[] = [];
  const owner = async (bytes: Buffer): Promise<{ client: XClipboardClient; own: () => void }> => {
    const client = await XClipboardClient.of(await desk.client());
    client.x.on('failed', ({ code }) => failures.push(code));
    const { CLIPBOARD, UTF8_STRING } = client.atoms;
    const own = (): void => {
      client.own(CLIPBOARD, UTF8_STRING, request => {
        client.x.send(changeProperty(request.requestor, request.property, UTF8_STRING, 8, bytes));
        client.notify(request);
        client.x.flush();
      });
      client.x.flush();
    };
    return { client, own };
  };
  const [first, second] = [await owner(FIRST), await owner(SECOND)];
  const paste = ['wl-paste', '--no-newline'];
  first.own();
  t.same(await comes(() => desk.output(paste), FIRST), FIRST, 'an X11 program has copied');

  const reader = desk.output(paste);
  hold();
  second.own();
  first.client.x.send(destroyWindow(first.client.window));
  first.client.x.flush();
  hold();
  t.same(await reader, SECOND, 'who was asking meanwhile has what the next one copied');
  t.same(failures, [], 'and no window was gone to which that one has written');
  t.same(await comes(() => desk.output(paste), SECOND), SECOND, 'which still has it');
});

function hold(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, HELD_MS);
}
