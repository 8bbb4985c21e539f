/** What is said to lack where a compositor cannot show anything, and that nothing is said where that is not known. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { launchCompositor } from '../../compositor-glue/launch.js';
import { lackOfScreen, type ScreenPlaces } from '../../compositor-glue/screen-hardware.js';

/** A machine's directories: files by their paths below `dri` and `run`. */
function machine(t: Test, files: Readonly<Record<string, string>>, uid = 1000): ScreenPlaces {
  const root = mkdtempSync(join(tmpdir(), 'virtwl-screen-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return { dri: join(root, 'dri'), run: join(root, 'run'), uid };
}

const GPU = { 'dri/card0': '', 'dri/renderD128': '' };
const SESSION = 'UID=1000\nUSER=user\nACTIVE=1\nSEAT=seat0\nTYPE=tty\n';

t.test('no GPU', async t => {
  t.match(lackOfScreen({}, machine(t, {})), /^this machine has no GPU \(no .*dri\/card\*\)$/);
  t.match(lackOfScreen({}, machine(t, { 'dri/renderD128': '' })), /no GPU/, 'one that only draws shows nothing');
});

t.test('a GPU, and no seat', async t => {
  t.match(lackOfScreen({}, machine(t, GPU)), /^this user has no seat \(no seatd at .*run\/seatd.sock, and logind/);
  const remote = { ...GPU, 'run/systemd/sessions/3': SESSION.replace('SEAT=seat0\n', '') };
  t.match(lackOfScreen({}, machine(t, remote)), /no seat/, 'a session by ssh has none');
  const others = { ...GPU, 'run/systemd/sessions/3': SESSION.replace('UID=1000', 'UID=10001') };
  t.match(lackOfScreen({}, machine(t, others)), /no seat/, "nor is another's ours");
});

t.test('nothing is said to lack', async t => {
  const none = (name: string, env: Record<string, string>, files: Record<string, string>, uid?: number): void =>
    void t.equal(lackOfScreen(env, machine(t, files, uid)), undefined, name);
  none('with seatd', {}, { ...GPU, 'run/seatd.sock': '' });
  none('with seatd elsewhere', { SEATD_SOCK: '/dev/null' }, GPU);
  none('with a session at a seat', {}, { ...GPU, 'run/systemd/sessions/3': SESSION });
  none('for root, who needs no seat', {}, GPU, 0);
  none('where libseat is told what to use', { LIBSEAT_BACKEND: 'builtin' }, GPU);
  for (const name of ['WLR_BACKENDS', 'WLR_DRM_DEVICES', 'WAYLAND_DISPLAY', 'WAYLAND_SOCKET', 'DISPLAY'])
    none(`where ${name} says what to show it on`, { [name]: 'x' }, {});
});

t.test('a compositor that ends on a machine without a GPU', async t => {
  if (lackOfScreen({}) === undefined) {
    t.pass('this machine has one, and a seat: what is told without is the business of the tests above');
    return;
  }
  // They end once the first has been told of: not by a clock that may be ahead of ours.
  const told = join(t.testdir({}), 'told');
  const ending = {
    command: ['sh', '-c', `until [ -e '${told}' ]; do sleep 0.1; done; exit 1`],
    output: 'ignore',
  } as const;
  const warnings: string[] = [];
  const launched = launchCompositor({
    ...ending,
    warn: text => {
      warnings.push(text);
      writeFileSync(told, '');
    },
  });
  const headless = launchCompositor({ ...ending, env: { WLR_BACKENDS: 'headless' }, warn: text => t.fail(text) });
  await Promise.all([
    t.rejects(launched, {
      message: /^sh ended with status 1 before it made a socket: this .*; "virtwl compositor --headless" needs neither/,
    }),
    t.rejects(headless, { message: /^sh ended with status 1 before it made a socket$/ }, 'one that needs none'),
  ]);
  t.match(warnings, [/^sh has no socket yet: this .*; "virtwl compositor --headless" needs neither/], 'while it waits');
});
