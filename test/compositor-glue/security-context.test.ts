/** Entrances to a compositor that does only what a test tells it, answers or not. */
import t, { type Test } from 'tap';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { SecurityContexts } from '../../compositor-glue/security-context.js';
import { UnixListener } from '../../src/system/unix-listener.js';
import { Holdings } from '../holdings.js';
import { Peer } from '../relay/peer.js';

const MANAGER = 'wp_security_context_manager_v1';

/** A compositor at `path`; `answering` can be turned off. */
class Compositor {
  answering = true;
  /** Its end of each connection. */
  readonly peers: Peer[] = [];
  readonly #listener: UnixListener;

  constructor(
    readonly path: string,
    globals: readonly string[] = [MANAGER],
  ) {
    this.#listener = UnixListener.listen(path);
    this.#listener.on('connection', socket => {
      const peer = new Peer('compositor', socket);
      this.peers.push(peer);
      peer.answer = received => {
        if (!this.answering) return;
        peer.answerBasics(received);
        if (received.name !== 'wl_display.get_registry') return;
        globals.forEach((iface, i) => peer.say(received.args[0] as number, 'global', [i + 1, iface, 1]));
      };
    });
  }

  close(): void {
    this.#listener.close();
    for (const peer of this.peers) peer.close();
  }
}

/** Runs with a directory of its own, and checks that nothing is held afterwards. */
function scene(name: string, body: (t: Test, path: string) => Promise<void>): void {
  t.test(name, async t => {
    const held = new Holdings();
    const directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
    try {
      await body(t, join(directory, 'compositor'));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    await held.assertSame(t);
  });
}

scene('each VM has an entrance of its own, which says whose it is', async (t, path) => {
  const compositor = new Compositor(path);
  const contexts = (await SecurityContexts.connect(path))!;
  const [work, play] = [await contexts.create('work'), await contexts.create('play')];
  const [peer] = compositor.peers;
  const said = (request: string): unknown[] =>
    peer!.all(`wp_security_context_v1.${request}`).map(({ args }) => args[0]);
  t.same(said('set_app_id'), ['work', 'play']);
  t.same(said('set_sandbox_engine'), ['org.virtwl', 'org.virtwl']);
  t.equal(said('commit').length, 2);
  t.not(work.path, play.path);
  t.ok(existsSync(work.path));
  work.close();
  work.close();
  t.notOk(existsSync(work.path));
  play.close();
  contexts.close();
  t.notOk(existsSync(dirname(play.path)));
  compositor.close();
});

scene('a compositor that is started anew is told anew; another one without the protocol is not', async (t, path) => {
  const first = new Compositor(path);
  const contexts = (await SecurityContexts.connect(path))!;
  const entrance = await contexts.create('work');
  const directory = dirname(entrance.path);
  entrance.close();
  first.close();
  const second = new Compositor(path);
  for (let i = 0; i < 3 && !contexts.closed; i++) await new Promise(resolve => setImmediate(resolve));
  (await contexts.create('work')).close();
  t.equal(second.peers[0]!.last('wp_security_context_v1.set_app_id').args[0], 'work');
  second.close();
  const third = new Compositor(path, ['wl_seat']);
  for (let i = 0; i < 3 && !contexts.closed; i++) await new Promise(resolve => setImmediate(resolve));
  await t.rejects(contexts.create('work'), /it has no security contexts/);
  t.same(readdirSync(directory), [], 'what is refused leaves no socket');
  contexts.close();
  third.close();
});

scene('a compositor without the protocol has none', async (t, path) => {
  const compositor = new Compositor(path, ['wl_seat']);
  t.equal(await SecurityContexts.connect(path), undefined);
  compositor.close();
});

scene('a compositor that does not answer is waited for so long', async (t, path) => {
  const compositor = new Compositor(path);
  const contexts = (await SecurityContexts.connect(path, 500))!;
  compositor.answering = false;
  await t.rejects(contexts.create('work'), /did not answer within 500 ms/);
  await t.rejects(contexts.create('work'), /no compositor answered within 500 ms/, 'nor on a new connection');
  await t.rejects(SecurityContexts.connect(path, 500), /no compositor answered within 500 ms/);
  compositor.answering = true;
  (await contexts.create('work')).close();
  t.pass('once it answers, all is well');
  contexts.close();
  compositor.close();
});
