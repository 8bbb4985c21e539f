/**
 * The state of a gpu device: what each command of the guest's driver does to its contexts and blobs, and with what it is
 * answered. It knows no virtqueue: commands come as bytes and are answered with bytes, now or later.
 *
 * A guest's mistake is a response code, and a line in the log, since programs of a guest are not told. Nothing that a guest
 * sends throws.
 */
import { roundUpToPages } from '../../allocator/budget.js';
import type { GuestState } from '../guest/device.js';
import { isExhausted } from '../guest/exhausted.js';
import type { GuestLimits } from '../guest/limits.js';
import type { GuestHost } from '../guest/resources.js';
import { GuestFault, type GuestMemory } from '../vhost-user/guest-memory.js';
import type { SharedMemory } from '../vhost-user/shared-memory.js';
import { BlobTable } from './blobs.js';
import { GpuContext, type Answer, type Surroundings } from './context.js';
import { ChannelType } from './cross-domain.js';
import { imageBytes } from './images.js';
import { MAX_RING_ENTRIES } from './limits.js';
import { Backlog } from './mailbox.js';
import { Streams } from './streams.js';
import { Untaken } from './untaken.js';
import { Refused, Usage } from './usage.js';
import {
  CAPSET_INFO,
  DISPLAYS,
  encodeCapset,
  encodeResponse,
  MAP_CACHED,
  parseControl,
  Response,
  type ControlCommand,
} from './wire.js';

export interface GpuStateOptions {
  readonly limits: GuestLimits;
  /** Where blobs are shown to the guest. */
  readonly sharedMemory: Pick<SharedMemory, 'map' | 'unmap'>;
  /** The guest's memory, while the device runs. */
  readonly memory: () => Pick<GuestMemory, 'segments'> | undefined;
  /** POLLs that may wait at a time, and channels. */
  readonly pollLimit: number;
  /** {@link GpuState.busy} may be over. */
  readonly ready: () => void;
}

export interface GpuCounts {
  readonly contexts: number;
  readonly resources: number;
  readonly connections: number;
  readonly pipes: number;
  /** POLLs that wait. */
  readonly polls: number;
  readonly queuedBytes: number;
  readonly receivedBytes: number;
}

/** Answers with a response and what belongs to it. */
type Respond = (response: Response, body?: Uint8Array) => void;

export class GpuState implements GuestState {
  readonly #contexts = new Map<number, GpuContext>();
  readonly #all: Surroundings;
  #busy = false;
  #closed = false;

  constructor(
    private readonly host: GuestHost,
    options: GpuStateOptions,
  ) {
    const { limits, sharedMemory, memory, pollLimit, ready } = options;
    const usage = new Usage(limits);
    this.#all = {
      host,
      usage,
      memory,
      blobs: new BlobTable(usage, sharedMemory),
      streams: new Streams(usage, () => {
        if (this.#busy && !this.#closed && !this.busy) ready();
      }),
      untaken: new Untaken(usage),
      backlog: new Backlog(limits.queuedBytes, pollLimit),
    };
  }

  /** What there is. */
  get counts(): GpuCounts {
    const { usage, backlog, host } = this.#all;
    return {
      contexts: usage.of('context'),
      resources: usage.of('resource'),
      connections: usage.of('connection'),
      pipes: usage.of('pipe'),
      polls: backlog.polls,
      queuedBytes: backlog.bytes,
      receivedBytes: host.received.used,
    };
  }

  get busy(): boolean {
    this.#busy = this.#all.streams.unsent.over;
    return this.#busy;
  }

  /** Gives the guest what waited for the device to run. */
  deliver(): void {
    for (const context of [...this.#contexts.values()]) context.deliver();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const context of this.#contexts.values()) context.close();
    this.#contexts.clear();
    this.#all.streams.endAll();
    this.#all.untaken.drop();
    this.#all.blobs.close();
  }

  handle(command: Uint8Array, respond: (answer: Uint8Array) => void): void {
    if (this.#closed) return;
    // The command is gone when a late answer comes.
    const beginning = command.slice(0, 24);
    const answer: Respond = (response, body) => {
      if (!this.#closed) respond(encodeResponse(beginning, response, body));
    };
    const refuse = (error: unknown): void => answer(this.#refusal(error));
    const parsed = parseControl(command, MAX_RING_ENTRIES);
    try {
      const later = this.#handle(parsed, answer);
      if (later !== undefined) later.catch(refuse);
    } catch (error) {
      refuse(error);
    }
  }

  /** Answers, or returns what answers or rejects later. */
  #handle(command: ControlCommand, answer: Respond): Promise<void> | undefined {
    const { blobs } = this.#all;
    switch (command.type) {
      case 'refused':
        throw new Refused(command.response, command.why);
      case 'displays':
        answer(Response.DisplayInfo, DISPLAYS);
        return;
      case 'capset-info':
        answer(Response.CapsetInfo, CAPSET_INFO);
        return;
      case 'capset': {
        const wayland = this.host.defaultServer === undefined ? [] : [ChannelType.Wayland];
        answer(Response.Capset, encodeCapset([...wayland, ChannelType.Named]));
        return;
      }
      case 'map':
        return blobs
          .getHost(command.resource)
          .map(command.offset)
          .then(() => answer(Response.MapInfo, MAP_CACHED));
      case 'unmap':
        return blobs
          .getHost(command.resource)
          .unmap()
          .then(() => answer(Response.Ok));
      case 'submit':
        this.#submit(command, answer);
        return;
      case 'create-context':
        this.#createContext(command.context);
        break;
      case 'destroy-context':
        this.#destroyContext(command.context);
        break;
      case 'attach':
        this.#context(command.context);
        blobs.attach(command.resource, command.context);
        break;
      case 'detach':
        blobs.detach(command.resource, command.context);
        break;
      case 'guest-blob':
        blobs.addGuest(command.resource, command.entries);
        break;
      case 'host-blob':
        this.#createHostBlob(command);
        break;
      case 'unref':
        blobs.unref(command.resource);
        break;
    }
    answer(Response.Ok);
    return;
  }

  #submit({ context, commands, fenced }: Extract<ControlCommand, { type: 'submit' }>, answer: Respond): void {
    const once: Answer = response => answer(response);
    this.#context(context).submit(commands, fenced, once);
  }

  #context(id: number): GpuContext {
    const context = this.#contexts.get(id);
    if (context === undefined) throw new Refused(Response.InvalidContext, `there is no context ${id}`);
    return context;
  }

  #createContext(id: number): void {
    if (id === 0 || this.#contexts.has(id)) {
      throw new Refused(Response.InvalidContext, `a context cannot have the id ${id}`);
    }
    this.#all.usage.take('context');
    this.#contexts.set(id, new GpuContext(id, this.#all));
  }

  #destroyContext(id: number): void {
    const context = this.#context(id);
    this.#contexts.delete(id);
    this.#all.usage.give('context');
    this.#all.blobs.detachAll(id);
    context.close();
  }

  #createHostBlob({ context, resource, blob, bytes }: Extract<ControlCommand, { type: 'host-blob' }>): void {
    const { incoming } = this.#context(context);
    const { blobs } = this.#all;
    const most = imageBytes(blob) ?? incoming.memoryBytes(blob);
    if (most === undefined) throw new Refused(Response.InvalidParameter, `there is no memory of the id ${blob}`);
    if (bytes === 0 || bytes > most) {
      throw new Refused(Response.InvalidParameter, `a blob of ${bytes} bytes of memory of ${most}`);
    }
    blobs.checkNew(resource);
    const received = incoming.takeMemory(blob);
    if (received !== undefined) {
      // The rest of it is never seen.
      blobs.addHost(resource, { ...received, bytes: roundUpToPages(bytes) });
      return;
    }
    this.#all.usage.check('resource');
    const grant = this.host.allocate(bytes);
    if (grant.status !== 0) throw new Refused(Response.OutOfMemory, `memory of ${bytes} bytes: ${grant.reason}`);
    blobs.addHost(resource, { fd: grant.memory, bytes: grant.bytes, writable: true });
  }

  #refusal(error: unknown): Response {
    if (error instanceof Refused) {
      this.host.log(`refused: ${error.message}`);
      return error.response;
    }
    this.host.log(`a command failed: ${(error as Error).message}`);
    if (error instanceof GuestFault) return Response.InvalidParameter;
    return isExhausted(error) ? Response.OutOfMemory : Response.Unspecified;
  }
}
