/** The relay that is the benchmark's floor: bytes and descriptors pass both ways unchanged, and nothing stays behind. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { native } from '../../src/system/native.js';
import { eventually } from '../eventually.js';

/** Most fds of one message: SCM_MAX_FD of the kernel. */
const MAX_FDS = 253;
/** More bytes than both sockets and the relay between them hold. */
const MUCH = 3 << 20;

t.setTimeout(120_000);

const root = mkdtempSync(join(tmpdir(), 'virtwl-relay-'));
t.teardown(() => rmSync(root, { recursive: true }));
// As the benchmark builds it, but for the sanitizers: a leak, or an access beside an object, is an exit status.
const relay = join(root, 'relay');
execFileSync('cc', [
  ...['-std=c11', '-g', '-O1', '-Wall', '-Wextra', '-Werror', '-fsanitize=address,undefined'],
  ...['-fno-sanitize-recover=all', '-o', relay, 'src/bench/relay.c'],
]);

/** Numbered bytes, so that none can be missing, twice or elsewhere. */
function numbered(length: number, from = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((from + i) * 7 + ((from + i) >> 8)) & 0xff);
}

/** The relay in front of a listening socket of ours. */
class Floor {
  /** What it holds without a connection. */
  #idle = 0;
  errors = '';

  private constructor(
    readonly near: string,
    readonly far: string,
    readonly listener: number,
    readonly process: ChildProcess,
  ) {
    process.stderr!.on('data', (text: Buffer) => (this.errors += text.toString()));
  }

  /** Starts it. It ends with the test, and is then asked whether it leaked anything. */
  static async start(t: Test, command: readonly string[] = []): Promise<Floor> {
    const directory = mkdtempSync(join(root, 'd'));
    const [near, far] = [join(directory, 'near'), join(directory, 'far')];
    const [program, ...args] = [...command, relay, near, far];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const floor = new Floor(near, far, native.listenUnix(far, 128), child);
    await once(child.stdout, 'data');
    floor.#idle = floor.descriptors;
    t.teardown(async () => {
      native.close(floor.listener);
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await ended;
    });
    return floor;
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.process.pid}/fd`).length;
  }

  /** A connection through it: the client's end and the server's. */
  async connect(): Promise<[client: number, server: number]> {
    const client = native.connectUnix(this.near);
    let server = -1;
    await eventually('a connection', () => (server = native.accept(this.listener)) >= 0);
    return [client, server];
  }

  /** All connections are over; and so is it, when told, with nothing leaked. */
  async end(t: Test): Promise<void> {
    await eventually('its connections are closed', () => this.descriptors === this.#idle);
    const ended = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    t.same(await ended, [0, null], `ends with status 0 and no leak ${this.errors}`);
    t.notOk(existsSync(this.near), 'its socket is gone');
  }
}

/** Sends all of it, as room comes; the fds with the first byte. */
async function send(fd: number, bytes: Uint8Array, fds: readonly number[] = []): Promise<void> {
  let sent = 0;
  await eventually('room for bytes', () => {
    while (sent < bytes.length) {
      const now = native.send(fd, bytes, sent, bytes.length - sent, sent === 0 ? fds : []);
      if (now < 0) return false;
      sent += now;
    }
    return true;
  });
}

/** Receives so many bytes, or what comes until the end of the stream. Fds are appended. */
async function receive(fd: number, length: number, fds: number[] = []): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let count = 0;
  await eventually('bytes', () => {
    while (count < length) {
      const now = native.recv(fd, bytes.subarray(count), fds);
      if (now < 0) return false;
      if (now === 0) return true;
      count += now;
    }
    return true;
  });
  return bytes.subarray(0, count);
}

/** Calls it until it has had nothing to do for a while: the relay has taken what it can. */
async function untilFull(fill: () => boolean): Promise<void> {
  for (let idle = 0; idle < 5; idle++) {
    while (fill()) idle = 0;
    await pause(20);
  }
}

const ended = async (fd: number): Promise<boolean> => (await receive(fd, 1)).length === 0;
const closeAll = (fds: readonly number[]): void => fds.forEach(fd => native.close(fd));
const inodes = (fds: readonly number[]): number[] => fds.map(fd => native.info(fd).inode);
const memories = (count: number): number[] => Array.from({ length: count }, (_, i) => native.memfd(`relay ${i}`, 1, 0));

t.test('bytes and descriptors pass both ways', async t => {
  const floor = await Floor.start(t);
  const [client, server] = await floor.connect();
  for (const [from, to, way] of [
    [client, server, 'up'],
    [server, client, 'down'],
  ] as const) {
    await send(from, numbered(5000));
    t.same(await receive(to, 5000), numbered(5000), `bytes ${way}`);
    const given = memories(3);
    await send(from, numbered(12), given);
    const got: number[] = [];
    t.same(await receive(to, 12, got), numbered(12), `bytes with descriptors ${way}`);
    t.same(inodes(got), inodes(given), `descriptors ${way}, in their order`);
    closeAll([...given, ...got]);
  }
  closeAll([client, server]);
  await floor.end(t);
});

t.test('as many descriptors as a message may have, in message after message', async t => {
  const floor = await Floor.start(t);
  const [client, server] = await floor.connect();
  const given = memories(MAX_FDS);
  for (let message = 0; message < 4; message++) await send(client, numbered(4, message), given);
  const batches: number[] = [];
  for (let message = 0; message < 4; message++) {
    const got: number[] = [];
    t.same(await receive(server, 4, got), numbered(4, message));
    t.same(inodes(got), inodes(given), 'all of one message with its first byte');
    batches.push(got.length);
    closeAll(got);
  }
  t.same(batches, [MAX_FDS, MAX_FDS, MAX_FDS, MAX_FDS]);
  closeAll([...given, client, server]);
  await floor.end(t);
});

// Bytes with a descriptor are taken whole or not at all, those without in part.
for (const [what, size, each] of [
  ['bytes', MUCH, 0],
  ['bytes with descriptors', 9000, 1],
] as const) {
  t.test(`a peer that does not read ${what} costs nothing but its own connection`, async t => {
    const floor = await Floor.start(t);
    const [client, server] = await floor.connect();
    const [other, otherServer] = await floor.connect();
    const given = memories(each);
    const bytes = numbered(MUCH);
    let sent = 0;
    let messages = 0;
    const fill = (): boolean => {
      const before = sent;
      while (sent < MUCH) {
        const now = native.send(client, bytes, sent, Math.min(size, MUCH - sent), given);
        if (now < 0) break;
        sent += now;
        messages++;
      }
      return sent > before;
    };
    await untilFull(fill);
    t.ok(sent < MUCH, `they are full with ${sent} bytes`);

    await send(other, numbered(100));
    t.same(await receive(otherServer, 100), numbered(100), 'another connection goes on');
    await send(server, numbered(100));
    t.same(await receive(client, 100), numbered(100), 'and so does the other way of this one');

    const got: number[] = [];
    const read = receive(server, MUCH, got);
    await eventually('all is sent', () => {
      fill();
      return sent === MUCH;
    });
    t.ok(Buffer.from(await read).equals(bytes), 'then all bytes come, in order');
    t.equal(got.length, each * messages, 'and all descriptors, once each');
    closeAll([...got, ...given, client, server, other, otherServer]);
    await floor.end(t);
  });
}

t.test('who leaves', async t => {
  const floor = await Floor.start(t);
  await t.test('a client: the server gets what it said last, then the end', async t => {
    const [client, server] = await floor.connect();
    await send(client, numbered(62_500));
    native.close(client);
    t.equal((await receive(server, 1 << 20)).length, 62_500);
    native.close(server);
  });
  await t.test('a server: the client gets its error, then the end', async t => {
    const [client, server] = await floor.connect();
    await send(server, numbered(30));
    native.close(server);
    t.same(await receive(client, 31), numbered(30));
    t.ok(await ended(client));
    native.close(client);
  });
  await t.test('a client with bytes and descriptors on their way to it', async () => {
    const [client, server] = await floor.connect();
    const memory = native.memfd('relay', 1, 0);
    await untilFull(() => native.send(server, numbered(9000), 0, 9000, [memory]) >= 0);
    closeAll([client, server, memory]);
  });
  await t.test('a server that was never there', async t => {
    const alone = await Floor.start(t);
    rmSync(alone.far);
    const client = native.connectUnix(alone.near);
    t.ok(await ended(client), 'the client is told by the end');
    native.close(client);
    await eventually('and we by a message', () => /connecting to .*far: No such file/.test(alone.errors));
    await alone.end(t);
  });
  await floor.end(t);
});

t.test('many connections at once, each with its own bytes', async t => {
  const floor = await Floor.start(t);
  const pairs: [number, number][] = [];
  for (let i = 0; i < 500; i++) {
    // One after another, so that it is known which is which.
    const [client, server] = await floor.connect();
    pairs.push([client, server]);
  }
  await Promise.all(pairs.map(([client], i) => send(client, numbered(1000, i))));
  const right = await Promise.all(
    pairs.map(async ([, server], i) => Buffer.from(await receive(server, 1000)).equals(numbered(1000, i))),
  );
  t.equal(right.filter(Boolean).length, 500, 'nothing is mixed up');
  for (const pair of pairs) closeAll(pair);
  await floor.end(t);
});

t.test('over and over, it holds no more than before', async t => {
  const floor = await Floor.start(t);
  const memory = native.memfd('relay', 1, 0);
  for (let i = 0; i < 300; i++) {
    const [client, server] = await floor.connect();
    await send(client, numbered(10), [memory]);
    const got: number[] = [];
    await receive(server, 10, got);
    closeAll([...got, client, server]);
  }
  native.close(memory);
  await floor.end(t);
});

t.test('descriptors that it has no room for end the connection, and are told', async t => {
  const floor = await Floor.start(t, ['prlimit', '--nofile=32']);
  const [client, server] = await floor.connect();
  const given = memories(60);
  await send(client, numbered(4), given);
  t.ok(await ended(server));
  await eventually('what it says', () => /fds were lost.*ulimit -n/.test(floor.errors));
  closeAll([...given, client, server]);
  await floor.end(t);
});

t.test('it says what is wrong with its arguments', t => {
  t.match(spawnSync(relay, ['one']), { status: 2 });
  t.match(spawnSync(relay, [join(root, 'none/near'), 'far']), { status: 1 });
  const long = join(root, 'x'.repeat(120));
  t.match(spawnSync(relay, [long, 'far'], { encoding: 'utf8' }).stderr, /listening at .*File name too long/);
  t.end();
});
