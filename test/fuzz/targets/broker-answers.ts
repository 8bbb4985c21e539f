/**
 * A host process's side of the broker's control socket, with a broker that answers anything: it counts as registered
 * exactly when all its servers were accepted and nothing else was said, and lets go of everything in the end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OwnedFd } from '../../../src/system/fd.js';
import { CONTROL_SOCKET } from '../../../src/broker/broker.js';
import { decodeRegistrant, encodeRecord, Kind, RecordReader, Role } from '../../../src/broker/protocol.js';
import { BrokerRegistration } from '../../../src/broker/registration.js';
import { native } from '../../../src/system/native.js';
import { Draw } from '../draw.js';
import { drawFd } from '../draw-fd.js';
import { turn, turnsUntil } from '../held.js';
import type { Target } from '../target.js';
import { EVERY_LINE, logTo } from '../../log-lines.js';

const buffer = new Uint8Array(65536);

/** Where a broker listens, and the servers of a VM: made once. */
class House {
  readonly directory = mkdtempSync(join(tmpdir(), 'virtwl-fuzz-'));
  readonly control = new OwnedFd(native.listenUnix(join(this.directory, CONTROL_SOCKET), 8));
  readonly servers = [
    { role: Role.Compositor, socket: new OwnedFd(native.listenUnix(join(this.directory, 'compositor'), 8)) },
    { role: Role.Wayland, socket: new OwnedFd(native.listenUnix(join(this.directory, 'wayland'), 8)) },
  ];

  accept(): OwnedFd | undefined {
    const fd = native.accept(this.control.fd);
    return fd < 0 ? undefined : new OwnedFd(fd);
  }

  close(): void {
    this.control.close();
    for (const { socket } of this.servers) socket.close();
    rmSync(this.directory, { recursive: true });
  }
}

let house: House | undefined;

export const brokerAnswers: Target = {
  name: 'broker-answers',
  maxBytes: 256,
  seeds: [
    Uint8Array.of(1, 0, 0, 0, 0, 4),
    Uint8Array.of(1, 0, 0, 1, 4, 0),
    Uint8Array.of(0, 2, 5, 2, 0, 4, 2, 3, 0, 0, 1, 4),
  ],
  dictionary: [Kind.Accepted, Kind.Refused, Kind.Taken].map(kind => encodeRecord({ kind, detail: 1, text: 'vm' })),
  async run(input) {
    house ??= new House();
    const draw = new Draw(input);
    const servers = house.servers.slice(0, 1 + draw.below(2));
    const words = new Set<string>();
    const registration = new BrokerRegistration(
      house.directory,
      'vm',
      servers,
      logTo({ push: line => words.add(line.replace(/\d+|\/\S+/g, '').slice(0, 70)) }, EVERY_LINE),
    );
    let broker = house.accept();
    const leave = (): void => {
      registration.close();
      broker?.close();
      for (let late = house!.accept(); late !== undefined; late = house!.accept()) late.close();
    };
    try {
      if (broker === undefined) throw new Error('it does not connect');
      registrationsOf(broker, servers.length);
      // The broker's own reader of what was said: whole records only, until one that it may not say.
      const reader = new RecordReader();
      let accepted = 0;
      let lost = false;
      const say = (bytes: Uint8Array): void => {
        if (lost) return;
        try {
          for (const { kind } of reader.push(bytes)) {
            if (kind === Kind.Accepted) accepted += 1;
            else lost = true;
          }
        } catch {
          lost = true;
        }
      };
      while (!draw.done && broker !== undefined) {
        switch (draw.below(6)) {
          case 0:
          case 1: {
            const kind = draw.oneIn(8) ? draw.pick(Object.values(Kind)) : Kind.Accepted;
            const record = encodeRecord({ kind, detail: draw.below(4), text: draw.pick(['vm', '', 'x'.repeat(1024)]) });
            const cut = draw.oneIn(4) ? draw.below(record.length + 1) : record.length;
            for (const part of [record.subarray(0, cut), record.subarray(cut)]) {
              send(broker, part, draw.oneIn(12) ? [drawFd(draw)] : []);
              say(part);
              if (draw.oneIn(3)) await turn();
            }
            break;
          }
          case 2:
            await turn();
            break;
          case 3: {
            const bytes = draw.take(1 + draw.below(20));
            send(broker, bytes, draw.oneIn(4) ? [drawFd(draw)] : []);
            say(bytes);
            break;
          }
          case 4:
            await turnsUntil(() => registration.registered === (!lost && accepted === servers.length));
            if (registration.registered !== (!lost && accepted === servers.length)) {
              throw new Error(
                `registered: ${registration.registered}, after ${accepted} of ${servers.length} answers${lost ? ' and a wrong one' : ''}`,
              );
            }
            break;
          default:
            if (!draw.oneIn(4)) break;
            broker.close();
            broker = undefined;
            lost = true;
            await turn();
            await turn();
        }
      }
      await turnsUntil(() => registration.registered === (!lost && accepted === servers.length));
      if (registration.registered !== (!lost && accepted === servers.length))
        throw new Error(`registered: ${registration.registered}`);
      return [...words, `registered ${registration.registered}`];
    } finally {
      leave();
      await turn();
    }
  },
  close() {
    house?.close();
    house = undefined;
  },
};

/** Reads the registrations, whose sockets are let go. */
function registrationsOf(broker: OwnedFd, count: number): void {
  const reader = new RecordReader();
  let records = 0;
  for (let reads = 0; reads < 8 && records < count; reads++) {
    const fds: number[] = [];
    const length = native.recv(broker.fd, buffer, fds);
    for (const fd of fds) native.close(fd);
    if (length <= 0) break;
    records += reader
      .push(buffer.subarray(0, length))
      .filter(({ kind, text }) => kind === Kind.Register && decodeRegistrant(text).vm === 'vm').length;
  }
  if (records !== count) throw new Error(`${records} registrations of ${count}`);
}

/** Sends what fits; the descriptors are given away. */
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
    // The host process has left.
  }
  for (const fd of fds) fd.close();
}
