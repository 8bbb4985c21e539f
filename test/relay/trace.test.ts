/** What a trace shows of the messages that pass through a relay, and what it leaves out. */
import t from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { MAX_STRING, SECRETS, TraceOutput } from '../../src/relay/trace.js';
import { Verdict } from '../../src/relay/call.js';
import type { Interface, Message } from '../../src/wayland/interface.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { Holdings } from '../holdings.js';
import { settle } from './peer.js';
import { between, handling, madeBy } from './relay-between.js';

const before = new Holdings();

/** Lines without their times. */
function tracing(secrets = false) {
  const lines: string[] = [];
  const output = new TraceOutput(line => lines.push(line), secrets);
  return { lines, output, said: () => lines.splice(0).map(line => line.replace(/^\[ *\d+\.\d{3}\] /, '')) };
}

function messageOf(iface: Interface, name: string): Message {
  return [...iface.requests, ...iface.events].find(message => message.name === name)!;
}

t.test('both ways, with the numbers of the side that each came from', async t => {
  const { output, said } = tracing();
  const b = await between(t, { trace: output.connection('work', 3) });
  const registry = madeBy(b.compositor, 'wl_display.get_registry');
  t.not(registry, b.registry, 'the sides number differently');
  const first = said();
  t.match(first[0], /^work#3 => wl_display#1\.sync\(new id wl_callback#\d+\)$/);
  t.ok(first.includes(`work#3 -> wl_display#1.get_registry(new id wl_registry#${b.registry})`));
  const factory = b.client.bind(b.registry, 1, 'wl_compositor', 4);
  await settle();
  const surface = b.client.make(factory, 'create_surface');
  b.client.say(surface, 'attach', [undefined, 0, -1]);
  await settle();
  const theirs = madeBy(b.compositor, 'wl_compositor.create_surface');
  const output1 = b.client.bind(b.registry, 2, 'wl_output', 1);
  await settle();
  const theirOutput = madeBy(b.compositor, 'wl_registry.bind');
  b.compositor.say(theirs, 'enter', [theirOutput]);
  await settle();
  const heard = said();
  for (const line of [
    `work#3 -> wl_registry#${b.registry}.bind(1, "wl_compositor", 4, new id wl_compositor#${factory})`,
    `work#3 -> wl_compositor#${factory}.create_surface(new id wl_surface#${surface})`,
    `work#3 -> wl_surface#${surface}.attach(nil, 0, -1)`,
    `work#3 -> wl_registry#${b.registry}.bind(2, "wl_output", 1, new id wl_output#${output1})`,
    `work#3 <- wl_surface#${theirs}.enter(wl_output#${theirOutput})`,
  ]) {
    t.equal(heard.filter(other => other === line).length, 1, line);
  }
});

t.test("the relay's own messages, and an answer in the place of a request", async t => {
  const { output, said } = tracing();
  const b = await between(t, {
    trace: output.connection('work', 1),
    concerns: handling({
      requests: {
        wl_registry: {
          bind: ({ relay, object }) => {
            relay.emitEvent(object, 'global_remove', { name: 7 });
            return Verdict.Drop;
          },
        },
      },
    }),
  });
  said();
  b.client.bind(b.registry, 1, 'wl_seat', 1);
  await settle();
  t.same(said(), [
    `work#1 -> wl_registry#${b.registry}.bind(1, "wl_seat", 1, new id wl_seat#3)`,
    `work#1 <= wl_registry#${b.registry}.global_remove(7)`,
  ]);
});

t.test("a client's mistake is the last word", async t => {
  const { output, said } = tracing();
  const b = await between(t, { trace: output.connection('work', 1) });
  said();
  b.client.words(77, 0);
  await b.client.isEnded();
  t.same(said(), ['work#1 <= wl_display#1.error(object#1, 0, "invalid object 77")']);
});

t.test('a message that is held back is shown once, when it came', async t => {
  const { output, said } = tracing();
  let wait = true;
  const b = await between(t, {
    trace: output.connection('work', 1),
    concerns: handling({ requests: { wl_registry: { bind: () => (wait ? Verdict.Stall : Verdict.Forward) } } }),
  });
  said();
  b.client.bind(b.registry, 1, 'wl_shm', 1);
  b.client.bind(b.registry, 2, 'wl_seat', 1);
  await settle();
  const shm = `work#1 -> wl_registry#${b.registry}.bind(1, "wl_shm", 1, new id wl_shm#3)`;
  t.same(said(), [shm]);
  b.relay.resume('requests');
  await settle();
  t.same(said(), []);
  wait = false;
  b.relay.resume('requests');
  await settle();
  t.same(said(), [
    `work#1 -> wl_registry#${b.registry}.bind(2, "wl_seat", 1, new id wl_seat#4)`,
    'work#1 <- wl_seat#3.capabilities(7)',
  ]);
});

t.test('descriptors are shown, and stay whose they are', async t => {
  const { output, said } = tracing();
  const b = await between(t, { trace: output.connection('work', 1) });
  const shm = b.client.bind(b.registry, 1, 'wl_shm', 1);
  b.client.say(shm, 'create_pool', [b.client.newId(), new OwnedFd(native.memfd('trace', 4096, 0)), 4096]);
  await settle();
  t.match(said().at(-1), /^work#1 -> wl_shm#3\.create_pool\(new id wl_shm_pool#4, fd \d+, 4096\)$/);
  b.compositor.takeFd(b.compositor.last('wl_shm.create_pool').args[1]).close();
});

t.test('what is typed and what gives rights is left out, unless it is asked for', async t => {
  const key = messageOf(interfaces.get('wl_keyboard')!, 'key');
  const commit = messageOf(interfaces.get('zwp_text_input_v3')!, 'commit_string');
  const done = messageOf(interfaces.get('xdg_activation_token_v1')!, 'done');
  for (const [secrets, wanted] of [
    [
      false,
      [
        'wl_keyboard#4.key(1, 2, ..., 1)',
        'zwp_text_input_v3#5.commit_string(...)',
        'xdg_activation_token_v1#6.done(...)',
      ],
    ],
    [
      true,
      [
        'wl_keyboard#4.key(1, 2, 30, 1)',
        'zwp_text_input_v3#5.commit_string("hunter2")',
        'xdg_activation_token_v1#6.done("t0")',
      ],
    ],
  ] as const) {
    const { output, said } = tracing(secrets);
    const trace = output.connection('work', 1);
    trace.own('<=', 'wl_keyboard', 4, key, [1, 2, 30, 1]);
    trace.own('<=', 'zwp_text_input_v3', 5, commit, ['hunter2']);
    trace.own('<=', 'xdg_activation_token_v1', 6, done, ['t0']);
    t.same(
      said(),
      wanted.map(line => `work#1 <= ${line}`),
    );
  }
});

t.test('every secret is a message and an argument of the tables', async t => {
  for (const [name, messages] of Object.entries(SECRETS)) {
    const iface = interfaces.get(name);
    if (iface === undefined) {
      t.fail(`${name} is in no table`);
      continue;
    }
    for (const [message, args] of Object.entries(messages)) {
      const found = messageOf(iface, message) as Message | undefined;
      t.ok(found, `${name}.${message}`);
      for (const arg of args)
        if (arg !== '*')
          t.ok(
            found?.args.some(({ name }) => name === arg),
            `${message}: ${arg}`,
          );
    }
  }
});

t.test('what others say is one line, and not a long one', async t => {
  const { output, said } = tracing();
  const title = messageOf(interfaces.get('xdg_toplevel')!, 'set_title');
  output.connection('a\nb', 1).own('=>', 'xdg_toplevel', 9, title, [`x\n\u001b[2J${'y'.repeat(MAX_STRING)}`]);
  const [line] = said();
  t.match(line, /^a\\u000ab#1 => xdg_toplevel#9\.set_title\("x\\u000a\\u001b\[2Jy+\.\.\."\)$/);
  t.ok(line!.length < MAX_STRING + 100);
});

t.test('numbers in fractions, arrays by their length, and the clock of WAYLAND_DEBUG', async t => {
  const { lines, output } = tracing();
  const motion = messageOf(interfaces.get('wl_pointer')!, 'motion');
  const earliest = (Date.now() * 1000) % 2 ** 32;
  output.connection('work', 1).own('<=', 'wl_pointer', 4, motion, [1, 2.5, -3]);
  const states = messageOf(interfaces.get('xdg_toplevel')!, 'configure');
  output.connection('work', 1).own('<=', 'xdg_toplevel', 4, states, [1, 2, new Uint8Array(8)]);
  const [, time = '', rest] = /^\[ *([\d.]+)\] (.*)$/.exec(lines[0]!) ?? [];
  t.equal(rest, 'work#1 <= wl_pointer#4.motion(1, 2.500000, -3.000000)');
  t.match(lines[1], /configure\(1, 2, array\[8\]\)$/);
  const since = (Number(time) * 1000 - earliest + 2 ** 32) % 2 ** 32;
  t.ok(since < 60e6 || since > 2 ** 32 - 60e6, `${since} microseconds from now`);
});

t.test('nothing is left behind', async t => before.assertSame(t));
