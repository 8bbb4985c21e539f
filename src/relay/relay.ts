/**
 * The relay: a Wayland connection's way through one of our processes. On one side stands a client (an application, or
 * the client proxy of another VM), on the other a compositor (or the glue on the way to it). Every message is checked
 * against its interface, its ids are translated, its fds are carried, and it goes on; what the owner of the relay wants
 * to see or to answer itself is said by concerns (`chain.ts`).
 *
 * One `data` event of a channel is one batch: all its messages are parsed straight from the receive buffer and leave in
 * one send. Only a message that is cut off at the end of a batch, or held back by a handler (stall), is copied.
 *
 * A client's mistake is answered by `wl_display.error` and costs that client its connection, nobody else anything. When
 * either side goes, what was said is delivered to the other and then it is closed too.
 */
import { EventEmitter } from 'eventemitter3';
import type { Channel } from '../system/channel.js';
import { Flow } from '../wayland/flow.js';
import { messageNamed, type Arg } from '../wayland/interface.js';
import type { EventArgs, EventName, InterfaceName, RequestArgs, RequestName } from '../wayland/message-types.js';
import { Outbox } from '../wayland/outbox.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import { WireError, type WireValue } from '../wayland/wire.js';
import { invalidObject, ProtocolError, type Call } from './call.js';
import { Chains } from './chain.js';
import { Events, Question } from './events.js';
import type { Inert, RelayObject } from './object-map.js';
import { Objects } from './objects.js';
import { passOf, type Pass } from './pass.js';
import { Word } from './pass-words.js';
import { Requests } from './requests.js';
import { positional, type SendValues } from './sent-values.js';
import type { Steady } from './steady.js';
import type { RelayRules } from './rules.js';

export type { Hold, Pace, RelayRules } from './rules.js';

/** How long the compositor has for reading what is said to it last, in milliseconds: it takes a few, unless it is very busy. */
const READING_MS = 1_000;

export interface RelayEvents {
  /** Both sides are closed. `reason` is undefined when the client left in an orderly way. */
  close: (reason: Error | undefined) => void;
}

/** Relays one client. Owns both channels. */
export class Relay extends EventEmitter<RelayEvents> {
  readonly toClient: Outbox;
  readonly toServer: Outbox;
  readonly #rules: RelayRules;
  readonly #objects: Objects;
  readonly #requests: Requests;
  readonly #requestFlow: Flow;
  readonly #eventFlow: Flow;
  readonly #pass: Pass | undefined;
  #closed = false;
  /** What is known of it: see {@link ConnectionNote}. @internal */
  notes: unknown[] | undefined;
  /** Is to be told of the client's next request. */
  #spoken: (() => void) | undefined;
  /** Frames that {@link frameSeen} was told of. */
  #framesSeen = 0;

  /** @throws Error for rules that contradict each other, see {@link Chains} */
  constructor(client: Channel, server: Channel, rules: RelayRules) {
    super();
    this.#rules = rules;
    this.toClient = new Outbox(client);
    this.toServer = new Outbox(server);
    const ordered = (): void => this.resume('requests');
    const objectRules = { relay: this, account: rules.objects, order: rules.order, ordered };
    const chains = new Chains(rules.concerns, rules.set);
    this.#pass = passOf(rules, chains);
    this.#objects = new Objects(chains, objectRules, this.toClient, this.toServer, this.#pass);
    const requests = new Requests(this, rules, this.#objects, this.toServer);
    const events = new Events(this, rules, this.#objects, this.toClient);
    this.#requests = requests;
    this.#requestFlow = new Flow(
      client,
      this.toServer,
      {
        dispatch: (bytes, offset, size, fds) => {
          if (this.#spoken !== undefined) this.#tellSpoken();
          return requests.dispatch(bytes, offset, size, fds);
        },
        batchDone: () => this.flush(),
        end: () => this.close(undefined),
        error: error => this.close(error),
        broken: error => this.#blame(error),
      },
      this.toClient,
    );
    this.#eventFlow = new Flow(server, this.toClient, {
      dispatch: (bytes, offset, size, fds) => events.dispatch(bytes, offset, size, fds),
      batchDone: () => this.flush(),
      end: () => this.close(new Error('the compositor closed the connection')),
      error: error => this.close(error),
      broken: error => (error instanceof ProtocolError ? this.fail(error) : this.close(error)),
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** wl_display: id 1 on both sides. */
  get display(): RelayObject<'wl_display'> {
    return this.#objects.display;
  }

  /** Begins to relay both ways. */
  start(): void {
    const pass = this.#pass;
    if (pass !== undefined) {
      const { words } = pass;
      this.toServer.watch(words, Word.ToServerHolds);
      this.toClient.watch(words, Word.ToClientHolds);
      this.#requestFlow.passBy({ words, held: Word.RequestFlow, passed: Word.RequestPassed });
      this.#eventFlow.passBy({ words, held: Word.EventFlow, passed: Word.EventPassed });
      pass.connect(this.toClient.channel, this.toServer.channel);
    }
    this.#eventFlow.start();
    this.#requestFlow.start();
  }

  /** Lets a flow go on that a handler had stalled. Harmless when none was. */
  resume(flow: 'requests' | 'events'): void {
    if (this.#closed) return;
    (flow === 'requests' ? this.#requestFlow : this.#eventFlow).resume();
  }

  /** Counts what a handler says to the compositor beyond the request itself, in requests, for the {@link Pace}. */
  charge(cost: number): void {
    this.#rules.pace?.charge?.(cost);
  }

  /** Sends what handlers wrote outside of a batch. */
  flush(): void {
    if (this.#closed) return;
    this.toServer.flush();
    this.#rules.batchEnds?.(!this.toClient.empty);
    this.toClient.flush();
    if (this.#pass !== undefined) this.#pass.words[Word.Holding] = this.#rules.hold?.holding === true ? 1 : 0;
  }

  /** How many callbacks the client waits for. */
  get callbacks(): number {
    return this.#objects.callbacks;
  }

  /** The surfaces whose frames pass natively; undefined where none does. */
  get steady(): Steady | undefined {
    return this.#objects.steady;
  }

  /** How many frames have passed natively. */
  get passedFrames(): number {
    return this.#pass?.words[Word.Frames] ?? 0;
  }

  /** How many commits went on to the compositor that brought a buffer, natively or as a concern has told. */
  get frames(): number {
    return this.#framesSeen + ((this.#pass?.words[Word.Pictures] ?? 0) >>> 0);
  }

  /** From a frame's commit until its buffer's release: of some of the last that passed natively, in milliseconds. */
  get releaseTimes(): readonly number[] {
    return this.#pass?.releaseTimes ?? [];
  }

  /** A concern has seen a commit that brings a buffer and goes on. */
  frameSeen(): void {
    this.#framesSeen += 1;
  }

  /** Calls `told` once, before the client's next request is dealt with. Costs nothing until then, nor afterwards. */
  whenSpoken(told: () => void): void {
    this.#spoken = told;
    if (this.#pass !== undefined) this.#pass.words[Word.Awaited] = 1;
  }

  #tellSpoken(): void {
    const told = this.#spoken!;
    this.#spoken = undefined;
    if (this.#pass !== undefined) this.#pass.words[Word.Awaited] = 0;
    told();
  }

  /** How many batches have passed natively: for tests. @internal */
  get passedBatches(): number {
    return this.#pass?.words[Word.Batches] ?? 0;
  }

  /** How often the compositor has called one. */
  get answers(): number {
    return this.#objects.answers;
  }

  /** What passes natively, where anything does: for who lends it surfaces (`client/lent-frames.ts`). @internal */
  get pass(): Pass | undefined {
    return this.#pass;
  }

  /** The object that the client calls `id`. */
  clientObject(id: number): RelayObject | undefined {
    return this.#objects.byClient.get(id);
  }

  /** The object that the compositor calls `id`. */
  serverObject(id: number): RelayObject | undefined {
    return this.#objects.byServer.get(id);
  }

  /** An object of the relay's own on the compositor's side. The caller sends the request that makes it. */
  inject<N extends InterfaceName>(name: N, version: number, data?: unknown): RelayObject<N> {
    const object = this.#objects.inject(name, version);
    object.data = data;
    return object;
  }

  /**
   * Asks the compositor to say when it has read everything up to here, and calls `answered` then. The question leaves with
   * the batch, or the next {@link flush}.
   */
  sync(answered: () => void): void {
    const callback = this.inject('wl_callback', 1);
    this.request(this.display, 'sync', { callback });
    this.asks(callback, answered);
  }

  /** Calls `answered` when the compositor answers `callback`, which may be the client's: it is told as well. */
  asks(callback: RelayObject<'wl_callback'>, answered: () => void): void {
    callback.data = new Question(answered);
  }

  /**
   * Makes the object that the client's current request calls `clientId`. A local one is answered for by handlers alone;
   * otherwise the caller sends the request that makes it on the compositor's side.
   */
  adopt<N extends InterfaceName>(
    name: N,
    version: number,
    clientId: number,
    local: boolean,
    data?: unknown,
  ): RelayObject<N> {
    return this.#objects.adopt(name, version, clientId, local, data, this.#requests.current);
  }

  /**
   * The request at hand is kept back. The objects that it makes have their ids from now on, and nothing behind them: what
   * is said to them has to be kept as well.
   */
  reserve(call: Call): RelayObject[] {
    if (this.#pass !== undefined) this.#pass.words[Word.Holding] = 1;
    return this.#objects.reserve(call);
  }

  /**
   * Deals with a request that was kept back, as if it came now. Not while another request is dealt with.
   * @param bytes the whole message, which had no fds
   * @param reserved what {@link reserve} has made for it
   * @returns false: a handler stalls it, and it is to be said again
   */
  again(bytes: Uint8Array, reserved: readonly RelayObject[]): boolean {
    if (this.#closed) return true;
    for (const { clientId } of reserved) this.#objects.byClient.delete(clientId, false);
    try {
      if (this.#requests.dispatch(bytes, 0, bytes.length, [])) return true;
      for (const object of reserved) this.#objects.byClient.set(object.clientId, object);
      return false;
    } catch (error) {
      this.#blame(error as Error);
      return true;
    }
  }

  /**
   * An object that the compositor has made, and whose making a handler kept from the client (`Verdict.Drop`), is the
   * client's from now on. The caller sends the event that makes it, on the client's side.
   */
  introduce(object: RelayObject): void {
    this.#objects.introduce(object);
  }

  /**
   * Takes an object away from the compositor, which destroys it, and leaves the client's as it is, inert. What the client
   * says to it from now on ends here.
   */
  detach(object: RelayObject, inert: Inert): void {
    this.#objects.detach(object, inert);
  }

  /**
   * The compositor keeps an object that the client is about to destroy, until the connection ends: what it is told of it
   * ends here. The caller drops the destructor.
   */
  keep(object: RelayObject): void {
    this.#objects.keep(object);
  }

  /**
   * The client's current request has destroyed `object`, and is no destructor of it: `wl_fixes.destroy_registry`. The
   * caller passes it on.
   */
  destroyed(object: RelayObject): void {
    this.#objects.destroyedByClient(object);
  }

  /**
   * Sends a request of the relay's own. Takes ownership of the fds among the arguments. Once the relay is closed,
   * nothing is sent.
   */
  request<N extends InterfaceName, M extends RequestName<N>>(
    object: RelayObject<N>,
    name: M,
    args: SendValues<RequestArgs<N, M>>,
  ): void {
    const message = messageNamed(object.interface.requests, name)!;
    const values = positional(message, args, 'serverId');
    this.#rules.trace?.own('=>', object.interface.name, object.serverId, message, values);
    this.toServer.write(object.serverId, message, values);
    if (!message.destructor) return;
    object.destroyed = true;
    if (object.clientId === 0) this.#objects.injectedIsGone(object.serverId);
  }

  /** The same for an event of the relay's own to the client. */
  emitEvent<N extends InterfaceName, M extends EventName<N>>(
    object: RelayObject<N>,
    name: M,
    args: SendValues<EventArgs<N, M>>,
  ): void {
    const message = messageNamed(object.interface.events, name)!;
    const values = positional(message, args, 'clientId');
    this.#rules.trace?.own('<=', object.interface.name, object.clientId, message, values);
    this.toClient.write(object.clientId, message, values);
  }

  /**
   * The object that an argument of the client's current request names.
   * @throws ProtocolError where there is none, or it is not of the interface that the message wants
   */
  argument(call: Call, arg: Arg, id: number): RelayObject {
    const object = this.#objects.byClient.get(id);
    const fits = arg.interface === undefined || object?.interface.name === arg.interface;
    if (object !== undefined && !object.destroyed && fits) return object;
    throw invalidObject(`invalid object ${id} for ${arg.name} of ${String(call.object)}.${call.message.name}`);
  }

  /** All objects of the client's side: for owners that release what their handlers hold. */
  objects(): IterableIterator<RelayObject> {
    return this.#objects.byClient.objects();
  }

  /** Tells the client what it did wrong and disconnects it. */
  fail(error: ProtocolError): void {
    if (this.#closed) return;
    const { objectId, code, message } = error;
    const told = messageNamed(this.display.interface.events, 'error')!;
    const tell = (args: readonly WireValue[]): void => {
      this.#rules.trace?.own('<=', 'wl_display', 1, told, args);
      this.toClient.write(1, told, args);
    };
    try {
      tell([objectId, code, message]);
    } catch {
      tell([1, code, 'error too long to be told']);
    }
    this.close(error);
  }

  /** Closes both sides, delivering what was written. Idempotent. */
  close(reason: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    let read = false;
    try {
      read = this.#rules.leaving?.(this) === true;
    } catch {
      // The compositor gets rid of what is left when the connection ends; why it ends is known already.
    }
    for (const out of [this.toServer, this.toClient]) {
      try {
        out.flush();
      } catch {
        // What cannot be sent at the end is lost; the reason for the end is known already.
      }
      out.close();
    }
    this.#requestFlow.close();
    this.#eventFlow.close();
    this.#objects.close();
    this.#pass?.close();
    this.toClient.channel.closeWhenDrained();
    if (read) this.#closeWhenRead();
    else this.toServer.channel.closeWhenDrained();
    this.emit('close', reason);
  }

  /** A compositor that finds a connection closed does not read what was said on it last. */
  #closeWhenRead(): void {
    const { channel } = this.toServer;
    // What it says meanwhile is dropped.
    channel.resume();
    setTimeout(() => channel.closeWhenDrained(), READING_MS).unref();
  }

  #blame(error: Error): void {
    if (error instanceof ProtocolError) this.fail(error);
    else if (error instanceof WireError) {
      this.fail(new ProtocolError(1, WlDisplayError.invalid_method, error.message));
    } else this.fail(new ProtocolError(1, WlDisplayError.implementation, `virtwl: ${error.message}`));
  }
}
