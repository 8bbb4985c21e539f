/** The compositor's picture by VNC: a real wayvnc beside a real sway, and a client that takes the picture and types. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { Display } from '../../src/wayland-client/display.js';
import { VirtualKeyboard } from '../../src/wayland-client/virtual-keyboard.js';
import { fakePath } from '../fake-path.js';
import { eventually } from '../eventually.js';
import { freePort } from '../free-port.js';
import { foot, quietEnvironment, runIn } from '../loopback/applications.js';
import { compared, hasColour, isSame, same, Screen } from '../loopback/screen.js';
import { RfbClient } from '../rfb-client.js';
import { isAlive, processTree, programOf } from '../robustness/process-holdings.js';

const BACKGROUND = 0x203a50;
const SWAY_CONFIG = `
xwayland disable
output HEADLESS-1 mode 640x400@60Hz position 0 0 scale 1 bg #${BACKGROUND.toString(16)} solid_color
default_border none
`;

t.setTimeout(120_000);

interface Looked {
  readonly stack: LoopbackStack;
  readonly port: number;
  /** What the compositor's part prints. */
  readonly said: string[];
}

async function lookedAt(t: Test, args: readonly string[] = []): Promise<Looked> {
  const port = await freePort();
  const directory = LoopbackStack.makeDirectory();
  const config = join(directory, 'sway.config');
  writeFileSync(config, SWAY_CONFIG);
  const said: string[] = [];
  const stack = await LoopbackStack.start({
    directory,
    compositor: { command: ['sway', '-c', config], headless: true },
    compositorArguments: ['--vnc', `127.0.0.1:${port}`, ...args],
    log: (part, line) => {
      if (part === 'compositor') said.push(line);
    },
  });
  t.teardown(() => stack.stop());
  return { stack, port, said };
}

/** The VNC server's picture, as a screen that can be compared. */
async function screenBy(t: Test, port: number): Promise<{ client: RfbClient; screen: Screen }> {
  const client = await RfbClient.connect(t, port);
  return { client, screen: new Screen(() => client.capture()) };
}

function wayvncOf(stack: LoopbackStack): number[] {
  const { pid } = stack.parts.get('compositor')!.process;
  return processTree(pid!).filter(each => programOf(each) === 'wayvnc');
}

t.test('who connects sees the output, and types', async t => {
  const { stack, port, said } = await lookedAt(t);
  await eventually('its word', () => said.some(line => line.includes('the picture is at')));
  t.match(said.join('\n'), `vnc info: the picture is at 127.0.0.1:${port}, without a password`, 'it says where');
  t.match(said.join('\n'), 'every user of this machine can look and type', 'and to whom that is open');
  const { client, screen } = await screenBy(t, port);
  const output = await Screen.open(t, stack.display);
  const empty = await output.still('an empty output', picture => hasColour(picture, BACKGROUND));
  await screen.until('the same by VNC', picture => isSame(picture, empty));

  const directory = mkdtempSync(join(tmpdir(), 'virtwl-typed-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'typed');
  const command = foot('sh', '-c', 'echo ready > "$1.ready"; cat > "$1"', 'sh', file);
  runIn(t, stack, 'client', command, quietEnvironment(t));
  await eventually('the shell in the terminal', () => existsSync(`${file}.ready`));
  same(t, 'a window of another VM, by VNC', await compared(output, screen, empty));

  client.type('Hello, World 42\n');
  await eventually('what was typed', () => readFileSync(file, 'utf8').includes('\n'));
  t.equal(readFileSync(file, 'utf8'), 'Hello, World 42\n', 'keys arrive in a program of a client VM');
  same(t, 'what was typed, by VNC', await compared(output, screen, empty));

  await t.test('it ends with the compositor', async t => {
    const [pid] = wayvncOf(stack);
    t.ok(pid, 'it ran');
    await stack.kill('compositor');
    await eventually('wayvnc has ended', () => !isAlive(pid!));
    t.notMatch(said.join('\n'), 'wayvnc ended', 'which is nothing to be told');
  });
});

t.test('only to be looked at', async t => {
  const { stack, port, said } = await lookedAt(t, ['--vnc-view-only']);
  await eventually('its word', () => said.some(line => line.includes('every user of this machine')));
  t.match(said.join('\n'), /every user of this machine can look$/m);
  const { client, screen } = await screenBy(t, port);
  await screen.until('the output', picture => hasColour(picture, BACKGROUND));

  const directory = mkdtempSync(join(tmpdir(), 'virtwl-typed-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'typed');
  const display = await Display.connect(stack.display);
  t.teardown(() => display.close());
  const keyboard = new VirtualKeyboard(display);
  const terminal = runIn(t, stack, 'client', foot('sh', '-c', 'cat > "$1"', 'sh', file), quietEnvironment(t));
  await eventually('the shell in the terminal', () => existsSync(file));
  await screen.until('its window', picture => !hasColour(picture, BACKGROUND));
  client.type('nobody reads this\n');
  // The server has read it when the picture comes that is asked for after it; and then somebody types by another way.
  await client.capture();
  await keyboard.type('here\n');
  await eventually('what was typed on the compositor', () => readFileSync(file, 'utf8').includes('here\n'));
  t.equal(readFileSync(file, 'utf8'), 'here\n', 'nothing that was typed by VNC arrives');
  await terminal.stop();

  await t.test('its end is told, and costs nothing else', async t => {
    process.kill(wayvncOf(stack)[0]!, 'SIGKILL');
    await eventually('it is told', () =>
      /vnc warning: wayvnc ended with status 137: .* no longer at/.test(said.join('\n')),
    );
    const again = runIn(t, stack, 'client', foot('true'), quietEnvironment(t));
    t.equal(await again.ended, 0, 'clients are served');
  });
});

t.test('what cannot be served is an error, and leaves no compositor', async t => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const start = (vnc: string, env: Record<string, string> = {}): Promise<LoopbackStack> =>
    LoopbackStack.start({
      clients: [],
      compositor: { command: ['sway', '-c', '/dev/null'], headless: true },
      compositorArguments: ['--vnc', vnc],
      env,
    });
  await t.rejects(start(`127.0.0.1:${port}`), {
    message: new RegExp(`VNC cannot be served at 127.0.0.1:${port}: EADDRINUSE: another program has that port`),
  });
  const failing = fakePath(t, { wayvnc: 'echo "ERROR: no screen" >&2; exit 3' });
  await t.rejects(start(`127.0.0.1:${await freePort()}`, { PATH: failing }), {
    message: /wayvnc ended with status 3; it said: ERROR: no screen/,
  });
});

t.test('without wayvnc it says which package has it', async t => {
  const path = fakePath(t, { wayvnc: null });
  await t.rejects(
    LoopbackStack.start({
      clients: [],
      compositor: { command: ['sway', '-c', '/dev/null'], headless: true },
      compositorArguments: ['--vnc'],
      env: { PATH: path },
    }),
    { message: /there is no program "wayvnc" here: .*apt-get install wayvnc/ },
  );
});
