/**
 * The gpu device's state under any commands of a guest and anything that servers send: each command is answered once, in
 * the form of an answer; a ring is written only when a POLL is answered, with a message that makes sense; limits hold; at the
 * end nothing is mapped or open.
 */
import { Status } from '../../../src/allocator/protocol.js';
import { ChannelType, RING_BYTES } from '../../../src/host/gpu-device/cross-domain.js';
import { GpuState } from '../../../src/host/gpu-device/state.js';
import { Control, Response } from '../../../src/host/gpu-device/wire.js';
import { ReceivedBytes, type GuestHost } from '../../../src/host/guest/resources.js';
import { GuestFault } from '../../../src/host/vhost-user/guest-memory.js';
import { OwnedFd } from '../../../src/system/fd.js';
import { native } from '../../../src/system/native.js';
import { Draw } from '../draw.js';
import { WL_LIMITS } from '../draw-command.js';
import { drawGpuCommand, drawProgram, GPU_MEMORY_ADDRESS, GPU_MEMORY_BYTES } from '../draw-gpu.js';
import { turn, turnsUntil } from '../held.js';
import { FuzzServers } from '../servers.js';
import type { Target } from '../target.js';

const PAGE = 4096;
const POLL_LIMIT = 3;
const LIMITS = { ...WL_LIMITS, vfds: 10 };

export const gpuCommands: Target = {
  name: 'gpu-commands',
  maxBytes: 512,
  seeds: [
    // A program, what its server says, a POLL.
    Uint8Array.of(0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 9, 1, 0, 1, 2, 0, 0, 6),
    // Memory: an image, a blob of it, mapped, attached, sent, unmapped.
    Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 0, 10, 5, 8, 0, 0, 0, 1, 0, 10, 7, 0, 0, 1, 0, 10, 9, 0, 1, 0, 10, 8, 6, 1),
    // Two programs, and one is destroyed while it waits.
    Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 2, 1, 0, 0, 10, 1, 0, 6),
  ],
  async run(input) {
    const said = new Set<string>();
    const draw = new Draw(input);
    const servers = new FuzzServers();
    const mapped = new Map<number, number>();
    const memory = new Uint8Array(GPU_MEMORY_BYTES);
    let running = true;
    let granted = 0;
    /** Rings may be written: a command is being handled, or something came. */
    let writes = 0;
    const host: GuestHost = {
      defaultServer: draw.oneIn(4) ? undefined : 'plain',
      received: new ReceivedBytes(LIMITS.receivedBytes),
      connect: name => servers.connect(name),
      allocate(bytes) {
        if (granted + bytes > LIMITS.allocBytes) return { status: Status.OverBudget, reason: 'over' };
        granted += bytes;
        const rounded = Math.ceil(bytes / PAGE) * PAGE;
        return { status: Status.Ok, memory: new OwnedFd(native.memfd('fuzz', rounded, 0)), bytes: rounded };
      },
      log: line => void said.add(line.replace(/0x[\da-f]+|\d+|"[^"]*"/g, '').slice(0, 60)),
    };
    const sharedMemory = {
      async map(fd: OwnedFd, bytes: number, _writable: boolean, at?: number): Promise<number | undefined> {
        if (fd.closed) throw new Error('memory that is closed was to be mapped');
        if (at === undefined) throw new Error('the device has chosen a place');
        if (bytes % PAGE !== 0 || fd.info().size < bytes)
          throw new Error(`${bytes} bytes of ${fd.info().size} to be mapped`);
        if (draw.oneIn(4)) await turn();
        if (fd.closed) throw new Error('memory was closed while it was mapped');
        const overlaps = [...mapped].some(([place, length]) => place < at + bytes && at < place + length);
        if (draw.oneIn(8) || mapped.size >= LIMITS.mappings || overlaps || at % PAGE !== 0) return undefined;
        mapped.set(at, bytes);
        return at;
      },
      unmap(offset: number): void {
        if (!mapped.delete(offset)) throw new Error(`nothing is mapped at ${offset}`);
      },
    };
    const state = new GpuState(host, {
      limits: LIMITS,
      sharedMemory,
      pollLimit: POLL_LIMIT,
      memory: () =>
        running
          ? {
              *segments(address: number, length: number): Generator<Uint8Array> {
                const at = address - GPU_MEMORY_ADDRESS;
                if (length === 0) return;
                if (at < 0 || at + length > memory.length) throw new GuestFault('no guest memory');
                writes++;
                if (length > RING_BYTES) throw new Error(`${length} bytes are written into a ring`);
                yield memory.subarray(at, at + length);
              },
            }
          : undefined,
      ready: () => undefined,
    });
    let due = 0;
    let polls = 0;
    const submit = ({ bytes, mayWait }: { bytes: Uint8Array; mayWait: boolean }): void => {
      if (!mayWait) due++;
      let mine = 0;
      const lent = bytes.slice();
      const type = bytes.length >= 4 ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) : 0;
      state.handle(lent, answer => {
        if (!mayWait) due--;
        if (++mine > 1) throw new Error('a command was answered twice');
        if (mayWait) polls++;
        const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
        const response = view.getUint32(0, true);
        if (!Object.values(Response).includes(response as Response)) throw new Error(`an answer of type ${response}`);
        if (answer.length < 24) throw new Error(`an answer of ${answer.length} bytes`);
        if (bytes.length >= 24) {
          const asked = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
          const same = view.getBigUint64(8, true) === asked.getBigUint64(8, true);
          if (!same || view.getUint32(4, true) !== (asked.getUint32(4, true) & 3))
            throw new Error('another fence is answered');
        }
        said.add(`${Object.values<number>(Control).includes(type) ? type : 'other'} gives ${response}`);
      });
      lent.fill(0xee);
    };
    const check = (): void => {
      const { contexts, resources, connections, pipes, polls: waiting } = state.counts;
      const over =
        resources > LIMITS.vfds || connections > LIMITS.connections || pipes > LIMITS.pipes || waiting > 2 * POLL_LIMIT;
      if (over) throw new Error(`over a limit: ${JSON.stringify(state.counts)}`);
      if (waiting > 2 * contexts || Math.min(contexts, resources, connections, pipes, state.counts.queuedBytes) < 0)
        throw new Error(`these cannot be: ${JSON.stringify(state.counts)}`);
      for (const at of Array.from({ length: GPU_MEMORY_BYTES / PAGE }, (_, i) => i * PAGE)) {
        const first = new DataView(memory.buffer, at, 4).getUint32(0, true);
        if (first !== 0) said.add(`a ring begins with ${Math.min(first, 0x42)}`);
      }
    };
    submit({ bytes: new Uint8Array(0), mayWait: false });
    while (!draw.done) {
      switch (draw.below(8)) {
        case 0:
          for (const bytes of drawProgram(draw)) submit({ bytes, mayWait: true });
          break;
        case 5:
          servers.act(draw);
          break;
        case 6:
          await turn();
          break;
        case 7:
          if (draw.oneIn(3)) {
            running = !running;
            if (running) state.deliver();
          }
          break;
        default:
          submit(drawGpuCommand(draw));
      }
      check();
    }
    running = true;
    state.deliver();
    await turnsUntil(() => {
      servers.readAll();
      return due === 0;
    });
    if (due !== 0) throw new Error(`${due} answers are due`);
    said.add(`${Math.min(writes, 3)} writes, ${Math.min(polls, 3)} answers, default ${ChannelType.Wayland}`);
    state.close();
    servers.close();
    await turn();
    await turn();
    await turn();
    if (mapped.size > 0) throw new Error(`${mapped.size} mappings are left after the end`);
    const { contexts, connections, pipes, polls: waiting, queuedBytes, receivedBytes } = state.counts;
    if (connections + pipes + waiting + queuedBytes + receivedBytes > 0 || contexts < 0)
      throw new Error(`left after the end: ${JSON.stringify(state.counts)}`);
    return [...said];
  },
};
