/**
 * One context of the guest: what a program of the guest has that opened the device. It becomes a channel to one server by
 * INIT, and then says in cross-domain's commands what is to be sent; what the server sends goes to its mailbox.
 *
 * A guest's mistake is {@link Refused}. What a server does wrong ends the channel.
 */
import { constants } from 'node:os';
import { closeAll, OwnedFd } from '../../system/fd.js';
import { native } from '../../system/native.js';
import { checkName } from '../../virtwl/limits.js';
import type { HostConnection } from '../guest/connection.js';
import type { GuestHost } from '../guest/resources.js';
import type { HostStream, SendResult } from '../guest/stream.js';
import type { GuestMemory } from '../vhost-user/guest-memory.js';
import type { BlobTable, GuestBlob } from './blobs.js';
import {
  ChannelType,
  encodeConnected,
  encodeRequirements,
  IdType,
  MAX_IDS,
  parseCrossDomain,
  type CrossDomainCommand,
  type Identifier,
  type Target,
} from './cross-domain.js';
import { imageOf } from './images.js';
import { Incoming } from './incoming.js';
import { MAX_COMMANDS_PER_SUBMIT, MAX_HELD_ANSWERS, MAX_STREAM_UNSENT_BYTES } from './limits.js';
import { Mailbox, type Backlog } from './mailbox.js';
import { Pipes } from './pipes.js';
import type { Streams } from './streams.js';
import type { Untaken } from './untaken.js';
import { Refused, type Usage } from './usage.js';
import { Response } from './wire.js';

/** What all contexts of a guest have in common. */
export interface Surroundings {
  readonly host: GuestHost;
  readonly blobs: BlobTable;
  readonly streams: Streams;
  readonly untaken: Untaken;
  readonly usage: Usage;
  readonly backlog: Backlog;
  /** The guest's memory, while the device runs. */
  readonly memory: () => Pick<GuestMemory, 'segments'> | undefined;
}

/** Answers a command, once. */
export type Answer = (response: Response) => void;

type Command<T extends CrossDomainCommand['type']> = Extract<CrossDomainCommand, { type: T }>;

export class GpuContext {
  /** What came from its server. */
  readonly incoming: Incoming;
  readonly #mailbox: Mailbox;
  readonly #pipes: Pipes;
  #queryRing: GuestBlob | undefined;
  #channelRing: GuestBlob | undefined;
  #connection: HostConnection | undefined;
  /** INIT has named a channel. */
  #channel: number | undefined;
  #heldAnswers = 0;

  constructor(
    readonly id: number,
    private readonly all: Surroundings,
  ) {
    this.#mailbox = new Mailbox({
      backlog: all.backlog,
      write: message => {
        const memory = all.memory();
        if (memory !== undefined) this.#channelRing!.write(memory, message);
        return memory !== undefined;
      },
      overPolled: () => overPolled(all),
      broken: why => {
        all.host.log(`a channel has ended: ${why}`);
        this.#connection?.end();
      },
    });
    this.#pipes = new Pipes(all, this.#mailbox);
    this.incoming = new Incoming(id, all, this.#mailbox, this.#pipes);
  }

  /** Gives the guest what can be given now. */
  deliver(): void {
    this.#mailbox.deliver();
  }

  /**
   * Handles what was submitted. `fenced`: the driver waits for the answer. `commands` is valid during the call only.
   *
   * @throws Refused, or as the system says
   */
  submit(commands: Uint8Array, fenced: boolean, answer: Answer): void {
    let rest = commands;
    for (let count = 1; rest.length > 0; count++) {
      if (count > MAX_COMMANDS_PER_SUBMIT) {
        throw new Refused(Response.InvalidParameter, `more than ${MAX_COMMANDS_PER_SUBMIT} commands in one submission`);
      }
      const { command, size } = parseCrossDomain(rest);
      rest = rest.subarray(size);
      // Only the last one's answer is that of the submission: it may take its time.
      const last = rest.length === 0;
      if (this.#handle(command, fenced, last ? answer : undefined)) return;
    }
    answer(Response.Ok);
  }

  /** The guest has destroyed it: what it sent is still delivered. */
  close(): void {
    this.all.untaken.drop(this.id);
    this.#mailbox.close(Response.Ok);
    this.incoming.close();
    this.#pipes.close();
    this.#connection?.close();
    if (this.#channel !== undefined) this.all.usage.give('channel');
  }

  /** Whether the command answers the submission itself. */
  #handle(command: CrossDomainCommand, fenced: boolean, answer: Answer | undefined): boolean {
    switch (command.type) {
      case 'refused':
        throw new Refused(Response.InvalidParameter, command.why);
      case 'init':
        this.#init(command);
        return false;
      case 'image':
        this.#image(command);
        return false;
      case 'poll':
        if (answer === undefined) throw new Refused(Response.InvalidParameter, 'a POLL with a command behind it');
        if (!fenced) throw new Refused(Response.InvalidParameter, 'a POLL without a fence');
        if (this.#channel === undefined) throw new Refused(Response.InvalidParameter, 'a POLL without a channel');
        this.#mailbox.poll(answer);
        return true;
      case 'close':
        if (this.#channel !== ChannelType.Named)
          throw new Refused(Response.InvalidParameter, 'a CLOSE of no named channel');
        this.all.untaken.drop(this.id);
        this.#connection?.close();
        return false;
      case 'send':
        return this.#send(command, answer);
      case 'write':
        return this.#write(command, answer);
    }
  }

  #init({ queryRing, channelRing, channel, target }: Command<'init'>): void {
    if (this.#queryRing !== undefined) throw new Refused(Response.InvalidParameter, 'a second INIT');
    if (channel !== ChannelType.None && channel !== ChannelType.Wayland && channel !== ChannelType.Named) {
      throw new Refused(Response.InvalidParameter, `a channel of type ${channel}, which is not here`);
    }
    const rings = [queryRing, channelRing].map(id => this.#ring(id)) as [GuestBlob, GuestBlob];
    [this.#queryRing, this.#channelRing] = rings;
    if (channel === ChannelType.None) return;
    this.#channel = channel;
    this.all.usage.take('channel');
    const named = channel === ChannelType.Named;
    this.incoming.named = named;
    let errno = 0;
    try {
      this.#connection = this.incoming.listen(this.#open(target));
    } catch (error) {
      errno = errnoOf(error);
      this.all.host.log(`no connection to ${describe(target)}: ${(error as Error).message}`);
    }
    if (named) this.#mailbox.push(encodeConnected(errno));
    else if (errno !== 0) this.incoming.end();
    this.#connection?.start();
  }

  #ring(id: number): GuestBlob {
    const blob = this.all.blobs.get(id);
    if (blob.kind !== 'guest' || !blob.isRing || !blob.contexts.has(this.id)) {
      throw new Refused(Response.InvalidResource, `resource ${id} is no ring of this context`);
    }
    return blob;
  }

  /** The connection that INIT asks for, the caller's. Throws as connect(2) does. */
  #open(target: Target | undefined): OwnedFd {
    const { host, untaken, backlog } = this.all;
    if (overPolled(this.all)) {
      throw new Refused(Response.OutOfMemory, `${backlog.pollLimit} channels are there, as many as may wait at a time`);
    }
    if (target !== undefined && 'connection' in target) {
      const fd = untaken.take(target.connection);
      if (fd === undefined) throw Object.assign(new Error('nobody waits there'), { code: 'ENOENT' });
      return fd;
    }
    const name = target?.name ?? host.defaultServer;
    if (name === undefined) throw Object.assign(new Error('this VM has no default server'), { code: 'ENOENT' });
    checkName(name);
    return host.connect(name);
  }

  #image({ width, height, format }: Command<'image'>): void {
    const ring = this.#queryRing;
    const memory = this.all.memory();
    if (ring === undefined || memory === undefined)
      throw new Refused(Response.InvalidParameter, 'an image without INIT');
    const image = imageOf(width, height, format);
    // Zeros where there can be none: the blob's creation then fails, too, and the guest is told.
    ring.write(memory, encodeRequirements(image?.stride ?? 0, image?.bytes ?? 0, image?.id ?? 0));
    if (image !== undefined) return;
    throw new Refused(
      Response.InvalidParameter,
      `no image of ${width} x ${height} pixels of format 0x${format.toString(16)}`,
    );
  }

  #send({ ids, room, data }: Command<'send'>, answer: Answer | undefined): boolean {
    const connection = this.#connection;
    if (connection === undefined) throw new Refused(Response.InvalidParameter, 'a SEND without a connection');
    if (this.incoming.ended) throw new Refused(Response.Unspecified, 'a SEND to a server that is gone');
    if (this.#channel !== ChannelType.Named) this.incoming.room = room;
    else if (room !== MAX_IDS) throw new Refused(Response.InvalidParameter, `a SEND with room for ${room} identifiers`);
    if (data.length === 0) {
      if (ids.length === 0) return false;
      throw new Refused(Response.InvalidParameter, `${ids.length} descriptors without a byte to carry them`);
    }
    const fds = this.#descriptorsOf(ids);
    const became = this.#sending(connection, answer, done => connection.send(data, fds, done));
    if (became === 'gone') throw new Refused(Response.Unspecified, 'a SEND to a server that is gone');
    if (connection.unsentBytes > MAX_STREAM_UNSENT_BYTES) {
      this.all.host.log(`a channel has ended: ${connection.unsentBytes} bytes wait for its server`);
      connection.end();
      this.incoming.end();
    }
    return became === 'held';
  }

  /** Of a pipe that the guest reads, only its end can be said. What is written to a pipe that nobody reads is dropped. */
  #write({ id, hangUp, data }: Command<'write'>, answer: Answer | undefined): boolean {
    const pipe = this.#pipes.written(id);
    if (pipe === undefined) {
      if (this.#pipes.drop(id, hangUp)) return false;
      throw new Refused(Response.InvalidParameter, `there is no pipe 0x${id.toString(16)} to write to`);
    }
    const became = data.length === 0 ? 'taken' : this.#sending(pipe, answer, done => pipe.send(data, done));
    const overrun = pipe.unsentBytes > MAX_STREAM_UNSENT_BYTES;
    if (overrun) this.all.host.log(`a pipe was hung up: ${pipe.unsentBytes} bytes wait for who reads it`);
    if (hangUp || overrun) this.#pipes.drop(id, true);
    if (overrun) pipe.end();
    return became === 'held';
  }

  /** What goes out for identifiers, in their order: all of it, or nothing was changed and it throws. */
  #descriptorsOf(ids: readonly Identifier[]): OwnedFd[] {
    const { blobs } = this.all;
    const fds: OwnedFd[] = [];
    const made: number[] = [];
    try {
      for (const { id, type } of ids) {
        if (type === IdType.Blob) {
          const blob = blobs.getHost(id);
          if (!blob.contexts.has(this.id))
            throw new Refused(Response.InvalidResource, `resource ${id} is not attached`);
          fds.push(new OwnedFd(native.dup(blob.fd.fd)));
        } else if (type === IdType.ReadPipe || type === IdType.WritePipe) {
          fds.push(this.#pipes.make(id, type === IdType.ReadPipe ? 'read' : 'write'));
          made.push(id);
        } else {
          throw new Refused(Response.InvalidParameter, `an identifier of type ${type} was sent`);
        }
      }
      return fds;
    } catch (error) {
      closeAll(fds);
      for (const id of made) this.#pipes.drop(id, true);
      throw error;
    }
  }

  /** Sends. `held`: it answers itself when little enough waits; not so where many answers wait for that already. */
  #sending(
    stream: HostStream,
    answer: Answer | undefined,
    send: (done: (result: SendResult) => void) => void,
  ): SendResult | 'held' {
    let result: SendResult | undefined;
    let held = false;
    this.all.streams.unsent.mayWait(stream);
    send(given => {
      result = given;
      if (!held) return;
      this.#heldAnswers--;
      answer?.(given === 'taken' ? Response.Ok : Response.Unspecified);
    });
    if (result !== undefined) return result;
    if (answer === undefined || this.#heldAnswers >= MAX_HELD_ANSWERS) return 'taken';
    held = true;
    this.#heldAnswers++;
    return 'held';
  }
}

/** Whether all channels, each with a POLL, and what some have beside, hold more of the queue than they may. */
function overPolled({ usage, backlog }: Surroundings): boolean {
  return usage.of('channel') + backlog.further > backlog.pollLimit;
}

function describe(target: Target | undefined): string {
  if (target === undefined) return 'the default server';
  return 'name' in target
    ? `the server ${JSON.stringify(target.name)}`
    : `the connection ${target.connection}, which was to be taken`;
}

/** As Linux numbers it; EIO for what has no number. */
function errnoOf(error: unknown): number {
  if (error instanceof Refused) return constants.errno.ENOMEM;
  const { code } = error as NodeJS.ErrnoException;
  return (constants.errno as Partial<Record<string, number>>)[code ?? ''] ?? constants.errno.EIO;
}
