/**
 * The broker among host processes, clients and glues that do anything, all over real sockets. A peer that registers
 * with one whole record has one answer; numbers keep within their limits; when all are gone the broker holds nothing of
 * them, and the next host process is served.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OwnedFd } from '../../../src/system/fd.js';
import { Broker } from '../../../src/broker/broker.js';
import { encodeRecord, GO, Kind, RecordReader, Role } from '../../../src/broker/protocol.js';
import { native } from '../../../src/system/native.js';
import { Draw } from '../draw.js';
import { drawFd } from '../draw-fd.js';
import { turn, turnsUntil } from '../held.js';
import type { Target } from '../target.js';
import { EVERY_LINE, logTo } from '../../log-lines.js';

const LIMITS = { maxRegistrations: 4, maxWaitingPerVm: 3, maxWaiting: 5, maxRelayed: 2 };
const NAMES = ['a', 'a', 'b', 'b', 'c', '', 'x'.repeat(65), 'a b', '\n', '../a'];
const MOST_CONNECTIONS = 6;
const LISTENING = 4;

const buffer = new Uint8Array(65536);

/** The broker, and the sockets that host processes register: made once, since each input leaves both as they were. */
class House {
  readonly directory = mkdtempSync(join(tmpdir(), 'virtwl-fuzz-'));
  readonly words = new Set<string>();
  readonly broker = new Broker({
    directory: join(this.directory, 'broker'),
    ...LIMITS,
    log: logTo({ push: line => this.words.add(line.replace(/"[^"]*"|vm=\S+|\d+/g, '').slice(0, 70)) }, EVERY_LINE),
  });
  readonly paths = Array.from({ length: LISTENING }, (_, i) => join(this.directory, `s${i}`));
  readonly listening = this.paths.map(path => new OwnedFd(native.listenUnix(path, 8)));

  /** Takes out of the sockets who waits in them. */
  drain(): void {
    for (const { fd } of this.listening) {
      native.setNonblocking(fd);
      for (let taken = native.accept(fd); taken >= 0; taken = native.accept(fd)) native.close(taken);
    }
  }

  close(): void {
    this.broker.close();
    for (const fd of this.listening) fd.close();
    rmSync(this.directory, { recursive: true });
  }
}

/** A host process's connection. */
class HostProcess {
  readonly socket: OwnedFd;
  readonly #reader = new RecordReader();
  /** Whole records sent, and answers that came. */
  records = 0;
  accepted = 0;
  refused = 0;
  /** It has said what is no record: nothing is owed to it. */
  broken = false;
  /** What is left of a record that was cut. */
  rest: Uint8Array | undefined;
  ended = false;

  constructor(path: string) {
    this.socket = new OwnedFd(native.connectUnix(path));
  }

  say(bytes: Uint8Array, fds: readonly OwnedFd[]): void {
    send(this.socket, bytes, fds);
  }

  listen(): void {
    const bytes = receive(this.socket);
    if (bytes === undefined) {
      this.ended = true;
      return;
    }
    for (const { kind } of this.#reader.push(bytes)) {
      if (kind === Kind.Accepted) this.accepted += 1;
      else if (kind === Kind.Refused || kind === Kind.Taken) this.refused += 1;
      else throw new Error(`a host process was sent a record of kind ${kind}`);
    }
    if (this.accepted + this.refused > this.records && !this.broken) {
      throw new Error(`${this.accepted + this.refused} answers to ${this.records} registrations`);
    }
  }
}

let house: House | undefined;

export const brokerControl: Target = {
  name: 'broker-control',
  maxBytes: 512,
  seeds: [
    Uint8Array.of(0, 1, 0, 0, 0, 0, 7, 6, 4, 1, 5, 0, 7),
    Uint8Array.of(0, 0, 1, 0, 2, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 7, 4, 0, 4, 1, 7, 7, 5, 0, 0, 0, 7, 7, 6, 6),
    Uint8Array.of(0, 1, 0, 1, 0, 0, 0, 7, 4, 0, 7, 1, 0, 0, 1, 2, 0, 7, 4, 1, 7, 5, 1, 0, 7, 3, 0, 7),
  ],
  async run(input) {
    house ??= new House();
    const { broker, paths, listening, words } = house;
    words.clear();
    const draw = new Draw(input);
    const hosts: HostProcess[] = [];
    const guests: OwnedFd[] = [];
    const some = <T>(items: readonly T[]): T | undefined => items[draw.below(items.length)];
    const fdsFor = (honest: boolean): OwnedFd[] => {
      if (honest) return [new OwnedFd(native.dup(draw.pick(listening).fd))];
      return Array.from({ length: draw.below(4) }, () => drawFd(draw));
    };
    try {
      while (!draw.done) {
        switch (draw.below(9)) {
          case 0:
            if (hosts.length < MOST_CONNECTIONS) hosts.push(new HostProcess(broker.path));
            break;
          case 1:
          case 2: {
            const host = some(hosts);
            if (host === undefined) break;
            const odd = draw.oneIn(6);
            const role = odd
              ? draw.byte()
              : draw.pick([Role.Compositor, Role.CompositorRelay, Role.Wayland, Role.Wayland, Role.WaylandStatus]);
            const kind = odd && draw.oneIn(2) ? draw.pick(Object.values(Kind)) : Kind.Register;
            const record = encodeRecord({ kind, detail: role, text: draw.pick(NAMES) });
            const fds = fdsFor(!odd || draw.oneIn(2));
            if (fds.length !== 1 || host.rest !== undefined) host.broken = true;
            const cut = draw.oneIn(6) ? 1 + draw.below(record.length - 1) : record.length;
            host.records += 1;
            host.say(record.subarray(0, cut), fds);
            host.rest = cut < record.length ? record.subarray(cut) : undefined;
            if (host.rest !== undefined && draw.oneIn(2)) {
              await turn();
              host.say(host.rest, []);
              host.rest = undefined;
            }
            break;
          }
          case 3: {
            const host = some(hosts);
            if (host === undefined) break;
            if (draw.oneIn(2)) {
              host.socket.close();
              hosts.splice(hosts.indexOf(host), 1);
            } else {
              host.broken = true;
              host.say(draw.take(1 + draw.below(24)), draw.oneIn(2) ? fdsFor(draw.oneIn(2)) : []);
            }
            break;
          }
          case 4:
            try {
              if (guests.length < 4 * MOST_CONNECTIONS) guests.push(new OwnedFd(native.connectUnix(draw.pick(paths))));
            } catch {
              // Too many wait to be accepted.
            }
            break;
          case 5: {
            const guest = some(guests);
            if (guest === undefined) break;
            if (draw.oneIn(4)) {
              guest.close();
              guests.splice(guests.indexOf(guest), 1);
              break;
            }
            receive(guest);
            const bytes = draw.oneIn(3) ? draw.take(1 + draw.below(16)) : Uint8Array.of(GO);
            send(guest, bytes, draw.oneIn(6) ? fdsFor(false) : []);
            break;
          }
          case 6:
            for (const host of hosts) host.listen();
            break;
          default:
            await turn();
        }
        const relayed = broker.relayed;
        if (broker.vms.length > LIMITS.maxRegistrations || broker.waiting > LIMITS.maxWaiting) {
          throw new Error(
            `${broker.vms.length} registrations, ${broker.waiting} clients that wait, ${relayed} relayed`,
          );
        }
      }
      // A peer that has said only whole records with a descriptor each, and is still there, has all its answers.
      const settled = (): boolean =>
        hosts.every(
          host => host.broken || host.ended || host.rest !== undefined || host.accepted + host.refused === host.records,
        );
      await turnsUntil(() => {
        for (const host of hosts) host.listen();
        return settled();
      });
      if (!settled()) throw new Error('a registration has no answer');
      await leave(house, hosts, guests);
      await proveServes(house);
      return [...words];
    } finally {
      await leave(house, hosts, guests);
    }
  },
  close() {
    house?.close();
    house = undefined;
  },
};

/** All go; the broker is as it was. */
async function leave(house: House, hosts: HostProcess[], guests: OwnedFd[]): Promise<void> {
  const { broker } = house;
  for (const { socket } of hosts.splice(0)) socket.close();
  for (const guest of guests.splice(0)) guest.close();
  // Accepted, read, and read to the end: what was just said takes a turn for each before it shows.
  for (let turns = 0; turns < 4; turns++) await turn();
  const empty = (): boolean => broker.vms.length + broker.waiting + broker.links + broker.relayed === 0;
  await turnsUntil(() => {
    house.drain();
    return empty();
  });
  house.drain();
  if (!empty())
    throw new Error(
      `left: ${broker.vms.length} VMs, ${broker.waiting} clients, ${broker.links} links, ${broker.relayed} relayed`,
    );
}

/** A host process that does all right is accepted. */
async function proveServes(house: House): Promise<void> {
  const host = new HostProcess(house.broker.path);
  try {
    host.records += 1;
    host.say(encodeRecord({ kind: Kind.Register, detail: Role.Wayland, text: 'honest' }), [
      new OwnedFd(native.dup(house.listening[0]!.fd)),
    ]);
    await turnsUntil(() => {
      host.listen();
      return host.accepted > 0;
    });
    if (host.accepted !== 1) throw new Error(`an honest host process was not accepted (${host.refused} refusals)`);
  } finally {
    await leave(house, [host], []);
  }
}

/** Sends what fits, and gives the descriptors away. */
function send(socket: OwnedFd, bytes: Uint8Array, fds: readonly OwnedFd[]): void {
  try {
    if (bytes.length > 0)
      native.send(
        socket.fd,
        bytes,
        0,
        bytes.length,
        fds.map(({ fd }) => fd),
      );
  } catch {
    // Nobody is there any more.
  }
  for (const fd of fds) fd.close();
}

/** What has come, without its descriptors; undefined at the end. */
function receive(socket: OwnedFd): Uint8Array | undefined {
  const fds: number[] = [];
  try {
    const length = native.recv(socket.fd, buffer, fds);
    return length === 0 ? undefined : buffer.slice(0, Math.max(0, length));
  } catch {
    return undefined; // it left with something unread
  } finally {
    for (const fd of fds) native.close(fd);
  }
}
