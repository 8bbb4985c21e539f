/** X11 programs that are asked what they have copied, on a real sway and Xwayland. */
import t from 'tap';
import { changeProperty, setSelectionOwner } from '../../../src/x11/requests.js';
import { XClipboardClient } from './x-clipboard.js';
import { comes, startDesk } from './x-desk.js';

/** How long an owner may take here, in milliseconds: nobody waits for that. */
const FOR_EVER_MS = 600_000;
const TEXT = Buffer.from('of the second');

t.setTimeout(120_000);

t.test('one that dies without an answer holds up none', async t => {
  const desk = await startDesk(t, FOR_EVER_MS);
  await desk.press();
  const first = await XClipboardClient.of(await desk.client());
  const second = await XClipboardClient.of(await desk.client());
  const { CLIPBOARD, TARGETS, UTF8_STRING } = first.atoms;
  first.x.send(setSelectionOwner(first.window, CLIPBOARD));
  await first.next(event => event.is === 'SelectionRequest' && event.target === TARGETS);
  second.own(CLIPBOARD, UTF8_STRING, request => {
    second.x.send(changeProperty(request.requestor, request.property, UTF8_STRING, 8, TEXT));
    second.notify(request);
  });
  first.x.close();
  t.same(
    await comes(() => desk.output(['wl-paste', '--no-newline']), TEXT),
    TEXT,
    'what the next one copied is pasted',
  );
});
