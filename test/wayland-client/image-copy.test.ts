/**
 * Capture by ext-image-copy-capture. No compositor of Debian 12 or 13 has it, so the compositor here is one of our own that
 * follows the protocol's text and nothing else: a stand-in. docs/frames.md says on which real one it was tried.
 */
import t, { type Test } from 'tap';
import type { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { MAX_BUFFER_KINDS } from '../../src/wayland-client/capture-protocol.js';
import { captureOutput, Capturer } from '../../src/wayland-client/capture.js';
import type { Display } from '../../src/wayland-client/display.js';
import { MAX_SESSIONS } from '../../src/wayland-client/image-copy.js';
import { mappingsOf } from '../descriptors.js';
import { connectFake, type FakeCompositor } from '../wayland/fake-compositor.js';

const XRGB = 1;
const RGB565 = 0x36314752;
const PIXELS = [1, 2, 3, 0, 4, 5, 6, 0];

interface Screen {
  readonly formats?: readonly number[];
  readonly width?: number;
  readonly height?: number;
  readonly transform?: number;
  /** How often a frame fails before one does not, and why. */
  readonly failures?: number;
  readonly reason?: number;
  /** Says that the session is over as soon as it has begun. */
  readonly stopped?: boolean;
}

const EXT = [
  ['wl_shm', 1],
  ['wl_output', 2],
  ['ext_output_image_capture_source_manager_v1', 1],
  ['ext_image_copy_capture_manager_v1', 1],
] as const;

async function standIn(t: Test, screen: Screen): Promise<{ display: Display; compositor: FakeCompositor }> {
  const { formats = [XRGB], width = 1, height = 2, transform = 0, failures = 0, reason = 1, stopped = false } = screen;
  const { display, compositor } = await connectFake(t, EXT);
  let memory: OwnedFd | undefined;
  let left = failures;
  t.teardown(() => memory?.close());
  compositor.answer = ({ id, request, args }) => {
    if (request === 'ext_image_copy_capture_manager_v1.create_session') {
      const session = args[0] as number;
      compositor.event(session, 'buffer_size', [width, height]);
      for (const format of formats) compositor.event(session, 'shm_format', [format]);
      compositor.event(session, stopped ? 'stopped' : 'done');
    } else if (request === 'wl_shm.create_pool') {
      memory?.close();
      memory = args[1] as OwnedFd;
    } else if (request === 'ext_image_copy_capture_frame_v1.capture') {
      if (left-- > 0) {
        compositor.event(id, 'failed', [reason]);
        return;
      }
      const mapping = native.map(memory!.fd, 0, PIXELS.length, true);
      new Uint8Array(mapping.buffer).set(PIXELS);
      mapping.unmap();
      compositor.event(id, 'transform', [transform]);
      compositor.event(id, 'ready');
    }
  };
  return { display, compositor };
}

const requests = (compositor: FakeCompositor, name: string): number =>
  compositor.received.filter(({ request }) => request.endsWith(`.${name}`)).length;

t.test('each capture is a session with one frame, all of it asked for, and one buffer serves all', async t => {
  const { display, compositor } = await standIn(t, {});
  const capturer = await Capturer.open(display);
  for (let i = 0; i < 3; i++) t.same([...(await capturer.capture()).data], [1, 2, 3, 255, 4, 5, 6, 255]);
  t.equal(requests(compositor, 'create_session'), 3);
  t.equal(requests(compositor, 'create_pool'), 1);
  const damage = compositor.received.find(({ request }) => request.endsWith('.damage_buffer'))!;
  t.same(damage.args, [0, 0, 1, 2]);
  t.equal(compositor.received.find(({ request }) => request.endsWith('.create_session'))!.args[2], 0, 'no cursors');
  capturer.close();
  await display.roundtrip();
  t.equal(mappingsOf('virtwl-capture'), 0);
});

t.test('cursors are painted when asked for', async t => {
  const { display, compositor } = await standIn(t, {});
  await captureOutput(display, { overlayCursor: true });
  t.equal(compositor.received.find(({ request }) => request.endsWith('.create_session'))!.args[2], 1);
});

t.test('rows from the bottom up', async t => {
  const { display } = await standIn(t, { transform: 6 });
  t.same([...(await captureOutput(display)).data], [4, 5, 6, 255, 1, 2, 3, 255]);
});

t.test('an output that is turned is an error', async t => {
  const { display } = await standIn(t, { transform: 1 });
  await t.rejects(captureOutput(display), /turned \(wl_output.transform 1\)/);
});

t.test('a buffer that does not suit any more is asked for again, so often', async t => {
  const { display } = await standIn(t, { failures: MAX_SESSIONS - 1 });
  t.equal((await captureOutput(display)).height, 2);
  const { display: restless } = await standIn(t, { failures: MAX_SESSIONS });
  await t.rejects(captureOutput(restless), /in 4 sessions in a row/);
});

t.test('a session that ends, and a frame that fails, is an error', async t => {
  for (const screen of [{ stopped: true }, { failures: 1, reason: 0 }, { failures: 1, reason: 2 }]) {
    const { display } = await standIn(t, screen);
    await t.rejects(captureOutput(display), /could not capture its output/);
  }
});

t.test('the first format that can be read, of so many', async t => {
  const others = Array.from({ length: MAX_BUFFER_KINDS - 1 }, () => RGB565);
  const { display } = await standIn(t, { formats: [...others, XRGB] });
  t.equal((await captureOutput(display)).width, 1);
  const { display: many } = await standIn(t, { formats: [...others, RGB565, XRGB] });
  await t.rejects(captureOutput(many), /over 16 kinds of buffer/);
  const { display: none } = await standIn(t, { formats: [RGB565] });
  await t.rejects(captureOutput(none), /not known here: 0x36314752/);
});

t.test('a size without bound is an error', async t => {
  for (const size of [{ width: 0 }, { width: 2 ** 20, height: 2 ** 20 }, { width: 2 ** 32 - 1 }]) {
    const { display } = await standIn(t, size);
    await t.rejects(captureOutput(display), /bytes for a capture; at most 1073741824/);
  }
});

t.test('wlr-screencopy comes first where both are offered, and either can be chosen', async t => {
  const { display, compositor } = await connectFake(t, [...EXT, ['zwlr_screencopy_manager_v1', 3]]);
  const bound = async (options: Parameters<typeof Capturer.open>[1]): Promise<string> => {
    const before = compositor.types.size;
    (await Capturer.open(display, options)).close();
    await display.roundtrip();
    return [...compositor.types.values()]
      .slice(before)
      .filter(type => /copy.*manager/.test(type))
      .join();
  };
  t.equal(await bound({}), 'zwlr_screencopy_manager_v1');
  t.equal(await bound({ protocol: 'ext-image-copy-capture' }), 'ext_image_copy_capture_manager_v1');
  const { display: old } = await connectFake(t, [['zwlr_screencopy_manager_v1', 3]]);
  await t.rejects(Capturer.open(old, { protocol: 'ext-image-copy-capture' }), /offers no screen capture \(ext_image/);
});
