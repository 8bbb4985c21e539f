/**
 * The wl device's state under any commands of a guest and anything that servers send: each command is answered once, in
 * the form of an answer; a vfd is announced before it is named; limits hold; at the end nothing is mapped or open.
 */
import { OwnedFd } from '../../../src/system/fd.js';
import { Status } from '../../../src/allocator/protocol.js';
import { WlState } from '../../../src/host/wl-device/state.js';
import { Command, DEVICE_ID, Response } from '../../../src/host/wl-device/wire.js';
import { ReceivedBytes, type GuestHost } from '../../../src/host/guest/resources.js';
import { native } from '../../../src/system/native.js';
import { Draw } from '../draw.js';
import { SERVER_NAMES, WL_LIMITS } from '../draw-command.js';
import { drawFd } from '../draw-fd.js';
import { turn, turnsUntil } from '../held.js';
import type { Target } from '../target.js';

/** A buffer of the driver. */
const BUFFER = 4096;

const buffer = new Uint8Array(8192);
function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

export const wlCommands: Target = {
  name: 'wl-commands',
  maxBytes: 512,
  seeds: [
    Uint8Array.of(2, 1, 0, 0, 4, 1, 0, 5, 8, 8, 5, 6),
    Uint8Array.of(0, 1, 0, 16, 1, 2, 1, 2, 3, 0, 0, 4, 3, 2, 1, 2, 9, 8, 6, 5, 8, 6),
    Uint8Array.of(2, 1, 0, 0, 8, 7, 0, 2, 3, 1, 8, 5, 8, 4, 1, 0, 3, 3, 8, 6),
  ],
  async run(input) {
    const said = new Set<string>();
    const draw = new Draw(input);
    const servers: OwnedFd[] = [];
    const mapped = new Map<number, number>();
    let nextOffset = 0;
    let granted = 0;
    const host: GuestHost = {
      defaultServer: SERVER_NAMES[0],
      received: new ReceivedBytes(WL_LIMITS.receivedBytes),
      connect(name) {
        if (name !== 'plain')
          throw Object.assign(new Error('no such server'), { code: name === 'gone' ? 'ECONNREFUSED' : 'ENOENT' });
        const [ours, theirs] = native.socketpair();
        servers.push(new OwnedFd(theirs));
        return new OwnedFd(ours);
      },
      allocate(bytes) {
        if (granted + bytes > WL_LIMITS.allocBytes) return { status: Status.OverBudget, reason: 'over' };
        granted += bytes;
        const rounded = Math.ceil(bytes / BUFFER) * BUFFER;
        return { status: Status.Ok, memory: new OwnedFd(native.memfd('fuzz', rounded, 0)), bytes: rounded };
      },
      log: () => undefined,
    };
    const sharedMemory = {
      async map(memory: OwnedFd, bytes: number): Promise<number | undefined> {
        if (memory.closed) throw new Error('memory that is closed was to be mapped');
        if (draw.oneIn(4)) await turn();
        if (draw.oneIn(8) || mapped.size >= WL_LIMITS.mappings) return undefined;
        const offset = nextOffset;
        nextOffset += Math.ceil(bytes / BUFFER) * BUFFER;
        mapped.set(offset, bytes);
        return offset;
      },
      unmap(offset: number): void {
        if (!mapped.delete(offset)) throw new Error(`nothing is mapped at ${offset}`);
      },
    };
    const state = new WlState(host, {
      limits: WL_LIMITS,
      transitionFlags: !draw.oneIn(4),
      sharedMemory: draw.oneIn(8) ? undefined : sharedMemory,
      wake: () => undefined,
      ready: () => undefined,
    });
    let asked = 0;
    let answered = 0;
    const known = new Set<number>();
    const command = (bytes: Uint8Array): void => {
      // A send may wait as long as nobody reads: the pipe's other end may be the guest's own.
      const maySend = bytes.length >= 2 && (bytes[0] === 2 || bytes[0] === 9) && bytes[1] === 1;
      if (!maySend) asked += 1;
      let mine = 0;
      const lent = bytes.slice();
      state.handle(lent, response => {
        if (!maySend) answered += 1;
        if (++mine > 1) throw new Error('a command was answered twice');
        const view = new DataView(response.buffer, response.byteOffset);
        const type = view.getUint32(0, true);
        if (!Object.values(Response).includes(type as Response)) throw new Error(`an answer of type ${type}`);
        if (response.length !== (type === Response.VfdNew ? 32 : 8))
          throw new Error(`an answer of ${response.length} bytes`);
        if (type === Response.VfdNew) known.add(view.getUint32(8, true));
        said.add(
          `${bytes.length >= 4 ? Math.min(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true), 0x10b) >> 0 : 'short'} gives ${type}`,
        );
      });
      lent.fill(0xee);
    };
    const take = (room: number): void => {
      for (let taken = state.queue.take(room); taken !== undefined; taken = state.queue.take(room)) {
        for (const message of taken.messages) {
          if (message.length > BUFFER) throw new Error(`a message of ${message.length} bytes`);
          const view = new DataView(message.buffer, message.byteOffset);
          const [type, id] = [view.getUint32(0, true), view.getUint32(8, true)];
          said.add(`message ${type}`);
          if (type === Command.New) {
            if ((id & DEVICE_ID) === 0) throw new Error(`the device made the id ${id}`);
            known.add(id);
          } else if (type === Command.Recv) {
            const count = view.getUint32(12, true);
            for (const named of [id, ...Array.from({ length: count }, (_, i) => view.getUint32(16 + 4 * i, true))]) {
              if (!known.has(named)) throw new Error(`vfd ${named} was never announced`);
            }
          } else if (type !== Command.Hup) {
            throw new Error(`a message of type ${type}`);
          }
        }
        if (taken.from !== undefined) state.queue.returned(taken.from);
      }
    };
    const id = (): number => {
      const ids = [...known];
      return draw.oneIn(8) || ids.length === 0
        ? draw.pick([0, 1, 2, 3, 4, 5, 6, 0x3fffffff, DEVICE_ID, 0xffffffff])
        : draw.pick(ids);
    };
    const newId = (): number => (draw.oneIn(8) ? id() : 1 + draw.below(30));
    while (!draw.done) {
      switch (draw.below(10)) {
        case 0:
          command(
            words(
              Command.New,
              0,
              newId(),
              draw.oneIn(4) ? draw.byte() : 0,
              0,
              0,
              draw.pick([4096, 1, 0, 65536, 1 << 20, 0xffffffff]),
              0,
            ),
          );
          break;
        case 1:
          command(words(Command.NewPipe, 0, newId(), draw.pick([1, 2, 1, 2, 0, 3]), 0, 0, 0, 0));
          break;
        case 2: {
          const bytes = new Uint8Array(64);
          bytes.set(words(draw.oneIn(8) ? Command.NewCtx : Command.NewCtxNamed, 0, newId()));
          bytes.set(Buffer.from(draw.pick(SERVER_NAMES)).subarray(0, 32), 28);
          command(bytes);
          break;
        }
        case 3: {
          const foreign = draw.oneIn(6);
          const ids = Array.from({ length: draw.oneIn(6) ? draw.below(40) : draw.below(3) }, id);
          const list = foreign ? ids.flatMap(each => [draw.below(2), each]) : ids;
          const count = draw.oneIn(12) ? draw.word() : ids.length;
          const data = new Uint8Array(draw.pick([0, 1, 10, 4000, 100_000]));
          command(
            Buffer.concat([words(foreign ? Command.SendForeignId : Command.Send, 0, id(), count, ...list), data]),
          );
          break;
        }
        case 4:
          command(words(Command.Close, 0, id()));
          break;
        case 5:
          take(draw.pick([1, 2, 30, 256]));
          break;
        case 6:
          await turn();
          break;
        case 7: {
          const server = servers[draw.below(servers.length)];
          if (server === undefined || server.closed) break;
          if (draw.oneIn(5)) {
            server.close();
            break;
          }
          const fds = Array.from({ length: draw.below(4) }, () => drawFd(draw));
          try {
            native.send(
              server.fd,
              buffer,
              0,
              1 + draw.below(8000),
              fds.map(({ fd }) => fd),
            );
          } catch {
            // It is full, or nobody is there any more.
          }
          for (const fd of fds) fd.close();
          break;
        }
        case 8: {
          const server = servers[draw.below(servers.length)];
          if (server === undefined || server.closed) break;
          const fds: number[] = [];
          try {
            native.recv(server.fd, buffer, fds);
          } catch {
            // It was left with something unread.
          }
          for (const fd of fds) native.close(fd);
          break;
        }
        default:
          command(draw.take(draw.byte()));
      }
      const counts = state.counts;
      if (
        counts.vfds > WL_LIMITS.vfds ||
        counts.connections > WL_LIMITS.connections ||
        counts.pipes > WL_LIMITS.pipes
      ) {
        throw new Error(`over a limit: ${JSON.stringify(counts)}`);
      }
    }
    // A server that reads: what held an answer back goes away.
    await turnsUntil(() => {
      take(256);
      for (const server of servers) {
        if (server.closed) continue;
        const fds: number[] = [];
        try {
          while (native.recv(server.fd, buffer, fds) > 0);
        } catch {
          // As above.
        }
        for (const fd of fds) native.close(fd);
      }
      return answered === asked;
    });
    if (answered !== asked) throw new Error(`${answered} answers to ${asked} commands`);
    state.close();
    for (const server of servers) server.close();
    await turn();
    await turn();
    if (mapped.size > 0) throw new Error(`${mapped.size} mappings are left after the end`);
    return [...said];
  },
};
