/**
 * Two relays that are told the same: one passes natively what it can, the other is TypeScript alone. Whatever a client or
 * a compositor says, and wherever its bytes are cut, both must say the same on, carry the same fds, end for the same
 * reason, and know the same objects.
 */
import { closeAll, OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import { Relay, type RelayRules } from '../../../src/relay/relay.js';
import { MessageWriter } from '../../../src/wayland/message-writer.js';
import type { Random } from '../../wayland/random.js';
import { Talker } from './talk.js';

const MODES = ['typescript', 'native'] as const;
/** The fds of one write at most. */
const MOST_FDS = 20;
/** Turns in which nobody reads, when nobody does: sockets are full before. */
const DEAF_TURNS = 60;

/** What is different about a connection: its rules, made once for each of both relays. */
export interface Scene {
  readonly name: string;
  rules(): RelayRules;
  /** Once for each relay, before it starts. */
  attach?(relay: Relay, rules: RelayRules): void;
  /** Between turns, the same of both. */
  turn?(relay: Relay, rules: RelayRules, what: number): void;
  /** Whoever talks, where it is not the usual one. */
  talker?(role: 'client' | 'compositor', random: Random, breaking: number): Talker;
  /** What has to be the same beside the rest. */
  state?(rules: RelayRules): unknown;
}

/** What they did not do alike. */
export class Difference extends Error {}

/** What comes out at one end of a relay. */
class End {
  /** Bytes that came out and were not compared yet. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Fds that did, by the file. */
  readonly fds: string[] = [];

  constructor(readonly fd: OwnedFd) {}

  read(): void {
    const fds: number[] = [];
    for (;;) {
      let length: number;
      try {
        length = native.recv(this.fd.fd, buffer, fds);
      } catch {
        break; // it left what was said to it unread
      }
      if (length <= 0) break;
      this.bytes = Buffer.concat([this.bytes, buffer.subarray(0, length)]);
    }
    for (const fd of fds) {
      this.fds.push(String(native.info(fd).inode));
      native.close(fd);
    }
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0);
const buffer = new Uint8Array(256 * 1024);

class Contestant {
  readonly relay: Relay;
  readonly rules: RelayRules;
  readonly client: End;
  readonly compositor: End;
  end: { readonly reason: Error | undefined } | undefined;

  constructor(mode: (typeof MODES)[number], scene: Scene) {
    const [toClient, client] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    const [toServer, compositor] = native.socketpair().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
    this.client = new End(client);
    this.compositor = new End(compositor);
    this.rules = scene.rules();
    this.relay = new Relay(new UnixSocket(toClient), new UnixSocket(toServer), {
      ...this.rules,
      native: mode === 'native',
    });
    this.relay.on('close', reason => (this.end = { reason }));
    scene.attach?.(this.relay, this.rules);
    this.relay.start();
  }

  /** Everything that is known of the objects. Asking makes those of the pass TypeScript's. */
  objects(): unknown {
    const { relay } = this;
    const found: unknown[] = [relay.callbacks, relay.answers];
    for (let id = 1; id < 700; id++) {
      for (const object of [relay.clientObject(id), relay.serverObject(id)]) {
        const { interface: iface, version, clientId, serverId, destroyed, inert } = object ?? {};
        found.push(object && [id, iface!.name, version, clientId, serverId, destroyed, inert?.text]);
      }
    }
    return found;
  }

  close(): void {
    this.relay.close(undefined);
    this.client.fd.close();
    this.compositor.fd.close();
  }
}

export interface Counts {
  messages: number;
  connections: number;
  /** Batches that went through without TypeScript. */
  batches: number;
  /** Frames that did. */
  frames: number;
  /** Connections that a mistake has ended. */
  broken: number;
}

/** One connection, of `most` messages or until it breaks. */
export async function duel(scene: Scene, random: Random, most: number, counts: Counts): Promise<void> {
  const both = MODES.map(mode => new Contestant(mode, scene)) as [Contestant, Contestant];
  const breaking = random.pick([0, 0, 40, 400]);
  const side = (role: 'client' | 'compositor') => ({
    talker: scene.talker?.(role, random, breaking) ?? new Talker(role, random, breaking),
    pending: NO_BYTES,
    fds: [] as OwnedFd[],
  });
  const sides = { client: side('client'), compositor: side('compositor') };
  let deaf = 0;
  try {
    for (let said = 0; said < most && both[0].end === undefined;) {
      if (deaf > 0) deaf -= 1;
      else if (random.below(2_000) === 0) deaf = DEAF_TURNS;
      // While nobody reads, one side talks: else the two relays would stop reading at different messages.
      const name = deaf > 0 || random.below(2) === 0 ? 'client' : 'compositor';
      const side = sides[name];
      const writer = new MessageWriter();
      const quiet = random.below(5) > 0;
      for (let n = 1 + random.below(random.pick([1, 4, 24])); n > 0; n--, said++, counts.messages++) {
        if (side.fds.length + writer.fds.length < MOST_FDS) side.talker.say(writer, quiet, memory);
      }
      side.pending = Buffer.concat([side.pending, writer.bytes]);
      side.fds.push(...writer.fds);
      writer.reset();
      const cut = random.below(5) === 0 ? random.below(side.pending.length + 1) : side.pending.length;
      const what = random.below(1000);
      for (const contestant of both) {
        scene.turn?.(contestant.relay, contestant.rules, what);
        if (cut > 0) send(contestant[name], side.pending, cut, side.fds);
      }
      if (cut > 0) {
        side.pending = side.pending.slice(cut);
        closeAll(side.fds);
        side.fds = [];
      }
      await turn();
      if (deaf > 0) continue;
      const heard = compare(scene, both);
      sides.client.talker.hear(heard.client);
      sides.compositor.talker.hear(heard.compositor);
      if (random.below(200) === 0) compareTables(scene, both);
    }
    for (let i = 0; i < 8; i++) {
      await turn();
      compare(scene, both);
    }
    compareTables(scene, both);
  } finally {
    counts.connections += 1;
    counts.batches += both[1].relay.passedBatches;
    counts.frames += both[1].relay.passedFrames;
    if (both[0].end?.reason !== undefined) counts.broken += 1;
    for (const contestant of both) contestant.close();
    for (const side of Object.values(sides)) closeAll(side.fds);
  }
}

function send(end: End, bytes: Uint8Array, length: number, fds: readonly OwnedFd[]): void {
  const numbers = fds.map(fd => fd.fd);
  for (let at = 0; at < length;) {
    let sent: number;
    try {
      sent = native.send(end.fd.fd, bytes, at, length - at, at === 0 ? numbers : []);
    } catch {
      return; // it is gone
    }
    // A relay that does not read: what was said after that is lost, to both alike.
    if (sent <= 0) return;
    at += sent;
  }
}

function compare(
  scene: Scene,
  both: readonly [Contestant, Contestant],
): { client: Uint8Array; compositor: Uint8Array } {
  const [one, other] = both;
  const heard = { client: one.client.bytes, compositor: one.compositor.bytes };
  for (const name of ['client', 'compositor'] as const) {
    for (const contestant of both) contestant[name].read();
    const [a, b] = [one[name], other[name]];
    if (Buffer.compare(a.bytes, b.bytes) !== 0) same(`${scene.name}: bytes to the ${name}`, hex(a.bytes), hex(b.bytes));
    if (a.fds.length + b.fds.length > 0) same(`${scene.name}: fds to the ${name}`, a.fds, b.fds);
    heard[name] = a.bytes;
    a.bytes = b.bytes = new Uint8Array(0);
    a.fds.length = b.fds.length = 0;
  }
  if (one.end !== undefined || other.end !== undefined) {
    const reasons = both.map(({ end }) => end && [end.reason?.name, end.reason?.message]);
    same(`${scene.name}: the end`, reasons[0], reasons[1]);
  }
  return heard;
}

function compareTables(scene: Scene, [one, other]: readonly [Contestant, Contestant]): void {
  if (one.end === undefined) same(`${scene.name}: the objects`, one.objects(), other.objects());
  same(`${scene.name}: the frames`, one.relay.frames, other.relay.frames);
  same(`${scene.name}: the rest`, scene.state?.(one.rules), scene.state?.(other.rules));
}

function same(what: string, one: unknown, other: unknown): void {
  const [a, b] = [JSON.stringify(one), JSON.stringify(other)];
  if (a === b) return;
  let at = 0;
  while (a?.[at] === b?.[at]) at += 1;
  const shown = (text: string | undefined): string => String(text?.slice(Math.max(0, at - 100), at + 200));
  throw new Difference(`${what}: ${shown(a)}\n  natively: ${shown(b)}`);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** An fd that can be told from others. */
function memory(): OwnedFd {
  return new OwnedFd(native.memfd('fuzz', 0, 0));
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
