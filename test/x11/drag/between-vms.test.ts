/** X11 programs of one VM drag onto Wayland programs of another and back, through the glue and its firewall, by the policy. */
import t, { type Test } from 'tap';
import { LoopbackStack } from '../../../src/demo/loopback-stack.js';
import { quietEnvironment, runIn } from '../../loopback/applications.js';
import { eventually } from '../../eventually.js';
import { connectTo } from '../x-client.js';
import { DragsDesk } from './drags-desk.js';

/** Drops of one drag. */
const TRIES = 5;

t.setTimeout(240_000);

/** The X11 programs are a VM's, the Wayland ones are the compositor VM's own, or another VM's. */
async function desktop(t: Test, compositorArguments: readonly string[] = []) {
  const { sway, seat } = await DragsDesk.stage(t);
  const compositor = { attach: sway.display };
  const stack = await LoopbackStack.start({ clients: ['office'], compositor, compositorArguments });
  t.teardown(() => stack.stop());
  // The display is there for as long as this reads its input.
  const said = ['sh', '-c', 'echo "=$DISPLAY=$XAUTHORITY="; cat'];
  const office = runIn(t, stack, 'office', said, quietEnvironment(t), ['--x11']);
  let place: RegExpExecArray | null = null;
  await eventually('a display', () => (place = /=(\S+)=(\S+)=/.exec(office.output().toString())) !== null, 60_000);
  const [, display, authority] = place!;
  return new DragsDesk(t, sway, seat, 1, () => connectTo(display!, authority!), '[office] ');
}

for (const [policy, what] of [
  ['clipboard read write\n', 'a VM that may all'],
  ['clipboard write\n', 'a VM that may not read the clipboard'],
] as const) {
  t.test(what, async t => {
    const desk = await desktop(t, ['--policy', t.testdir({ 'office.policy': policy })]);
    const source = await desk.xSource(0);
    const xTarget = await desk.xTarget(1);
    const target = await desk.waylandTarget(2);
    const waylandSource = await desk.waylandSource(3);

    await desk.drag(0, 2);
    await desk.hover(2, 'the Wayland window takes it', () => source.accepted);
    await desk.release();
    await eventually('an end', () => source.finished !== undefined);
    t.same([target.taken, source.finished?.accepted], [source.data, true], 'from X11');

    await desk.drag(3, 1);
    await desk.hover(1, 'the X11 window takes it', () => waylandSource.action !== 0);
    await desk.release();
    await eventually('an end', () => waylandSource.ends.length > 0);
    t.same([xTarget.taken, waylandSource.ends], [waylandSource.data, ['finished']], 'onto X11');

    xTarget.taken = undefined;
    await desk.drag(0, 1);
    if (policy !== 'clipboard write\n') {
      await desk.hover(1, 'the X11 window takes it', () => source.over === xTarget.window && source.accepted);
    } else await desk.hover(1, 'the glue takes it', () => source.accepted);
    await desk.release();
    // A window that is told of it with the drop only has a moment to take it: on a busy machine not the first time.
    for (let i = 0; i < TRIES && policy === 'clipboard write\n'; i++) {
      const done = await eventually('an end', () => source.finished !== undefined, 5_000).then(
        () => true,
        () => false,
      );
      if (done) break;
      await desk.drag(0, 1);
      await desk.hover(1, 'the glue takes it', () => source.accepted);
      await desk.release();
    }
    await eventually('an end', () => source.finished !== undefined);
    t.same(xTarget.taken, source.data, 'between X11 programs');
  });
}
