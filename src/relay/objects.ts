/**
 * Both tables of objects of a relay, the client's and the compositor's, and what happens when an object comes or goes:
 * its place is counted, the concerns that asked for it are told, and each side's ids become free when that side may use
 * them again.
 */
import { messageNamed, type Interface } from '../wayland/interface.js';
import type { InterfaceName } from '../wayland/message-types.js';
import type { Outbox } from '../wayland/outbox.js';
import { interfaces } from '../wayland/protocols/index.js';
import { WlDisplayError } from '../wayland/protocols/wayland.js';
import { findObjects, MAX_OBJECT_ARGS, readUint } from '../wayland/wire.js';
import { invalidObject, ProtocolError, type Call } from './call.js';
import type { Chains } from './chain.js';
import { ObjectMap, RelayObject, SERVER_ID_START, type Inert, type ObjectAccount, type PassIds } from './object-map.js';
import type { Order } from './order.js';
import type { Pass } from './pass.js';
import type { Relay } from './relay.js';
import { Word, WORDS } from './pass-words.js';
import { Steady } from './steady.js';

const DELETE_ID = messageNamed(interfaces.get('wl_display')!.events, 'delete_id')!;
const CALLBACK = interfaces.get('wl_callback')!;
const SYNC = messageNamed(interfaces.get('wl_display')!.requests, 'sync')!;

/** What decides on the objects of a connection, beside the chains. */
export interface ObjectRules {
  /** Whose they are: concerns are told. */
  readonly relay: Relay;
  readonly account: ObjectAccount | undefined;
  readonly order: Order | undefined;
  /** Dependents may be made now: requests that {@link Objects.admits} refused may come again. */
  readonly ordered: () => void;
}

/** The objects of one relayed connection. */
export class Objects {
  readonly byClient: ObjectMap;
  readonly byServer: ObjectMap;
  /** wl_display: id 1 on both sides. */
  readonly display: RelayObject<'wl_display'>;
  /** Where frames may pass natively. */
  readonly steady: Steady | undefined;
  readonly #chains: Chains;
  readonly #relay: Relay;
  readonly #account: ObjectAccount | undefined;
  readonly #order: Order | undefined;
  readonly #pass: Pass | undefined;
  /** Numbers that the pass counts in as well, where there is one. */
  readonly #words: Int32Array;
  readonly #ordered: () => void;
  /** In the place of each id of the block that was not used for anything yet. */
  readonly #holder = new RelayObject(interfaces.get('wl_callback')!, 1, 0, 0, undefined, undefined);
  /** Ids of the block that have that holder. */
  #held = 0;
  /** Requests need not be asked about ({@link admits}): there is no order, or its ids are there. */
  settled: boolean;
  readonly #toClient: Outbox;
  readonly #toServer: Outbox;
  /** Places taken from the account. */
  #taken = 0;
  #closed = false;

  constructor(chains: Chains, rules: ObjectRules, toClient: Outbox, toServer: Outbox, pass?: Pass) {
    this.#chains = chains;
    this.#relay = rules.relay;
    this.#pass = pass;
    this.steady = pass?.passesFrames === true ? new Steady() : undefined;
    this.#words = pass?.words ?? new Int32Array(WORDS);
    this.byClient = new ObjectMap('client', pass && this.#clientIds(pass));
    this.byServer = new ObjectMap('server', pass && this.#serverIds(pass), pass?.free);
    this.#account = rules.account;
    this.#order = rules.order;
    this.#ordered = rules.ordered;
    this.settled = rules.order === undefined;
    this.#toClient = toClient;
    this.#toServer = toServer;
    // The id after wl_display's is the first that may be given out, on either side.
    this.display = this.#enter('wl_display', 1, this.byClient.allocate(), this.byServer.allocate());
  }

  #clientIds({ client, words }: Pass): PassIds {
    return {
      rows: client,
      grew: ids => (words[Word.ClientLength] = ids),
      made: (id, other, version) => this.#madeByPass(id, other, version),
    };
  }

  #serverIds({ server }: Pass): PassIds {
    return { rows: server, made: (id, other, version) => this.#madeByPass(other, id, version) };
  }

  /**
   * Whether a request that makes objects may be dealt with now. It has to wait where it makes a dependent, for which there
   * is no id yet. What may be needed is made behind the block, in the same batch.
   */
  admits(makes: readonly string[]): boolean {
    const order = this.#order!;
    const dependent = makes.some(name => order.isDependent(name));
    if (!dependent && !makes.some(name => order.isNeeded(name))) return true;
    if (this.byServer.block === undefined) this.#askForBlock(order);
    return !dependent || this.settled;
  }

  /** Whether an id is used for nothing but to be free later: nobody wants to hear of it. */
  isHeld(serverId: number): boolean {
    return this.#held > 0 && this.byServer.get(serverId) === this.#holder;
  }

  /** An object of the relay's own on the compositor's side. */
  inject<N extends InterfaceName>(name: N, version: number): RelayObject<N> {
    return this.#enter(name, version, 0, this.#serverId());
  }

  /** The object that the client's current request calls `clientId`. `call` is that request. */
  adopt<N extends InterfaceName>(
    name: N,
    version: number,
    clientId: number,
    local: boolean,
    data: unknown,
    call: Call,
  ): RelayObject<N> {
    this.checkNewId(clientId);
    this.#takePlace(this.byClient, clientId);
    const object = this.#enter(name, version, clientId, local ? 0 : this.#orderedId(name, call));
    object.data = data;
    this.#tellMade(object, call);
    return object;
  }

  /** The object that the compositor's current event calls `serverId`. `call` is that event. */
  madeByServer(name: InterfaceName, version: number, serverId: number, call: Call): RelayObject {
    if (serverId < SERVER_ID_START || !this.byServer.accepts(serverId)) {
      throw new Error(`the compositor made an object with the id ${serverId}`);
    }
    this.#takePlace(this.byServer, serverId);
    // The id may be in use again: the old entry waited only for late events.
    const object = this.#enter(name, version, serverId, serverId);
    this.#tellMade(object, call);
    return object;
  }

  /** See `Relay.reserve`. */
  reserve({ object, message, bytes, offset }: Call): RelayObject[] {
    const reserved: RelayObject[] = [];
    const places = new Int32Array(MAX_OBJECT_ARGS);
    const count = findObjects(message, bytes, offset, places);
    for (let i = 0; i < count; i++) {
      const arg = message.objectArgs[i]!;
      if (arg.kind !== 'new_id') continue;
      const id = readUint(bytes, places[i]!);
      this.checkNewId(id);
      this.#takePlace(this.byClient, id);
      const made = new RelayObject(interfaces.get(arg.interface!)!, object.version, id, 0, undefined, undefined);
      this.byClient.set(id, made);
      reserved.push(made);
    }
    return reserved;
  }

  /** See `Relay.introduce`. */
  introduce(object: RelayObject): void {
    object.destroyed = false;
    this.byClient.set(object.clientId, object);
  }

  /** @throws ProtocolError for an id that the client may not give to a new object */
  checkNewId(id: number): void {
    if (id >= SERVER_ID_START || !this.byClient.accepts(id)) throw invalidObject(`invalid id ${id} for a new object`);
  }

  /**
   * What the client calls an object that the compositor names: 0 for null, for objects of the relay's own, and for those
   * that are gone. The client's libraries know a destroyed object by its id until that is confirmed, but only where they
   * chose the id themselves.
   */
  clientIdOf(serverId: number): number {
    const object = this.byServer.get(serverId);
    if (object === undefined || (object.destroyed && serverId >= SERVER_ID_START)) return 0;
    return object.clientId;
  }

  /** The client's destructor has gone through. */
  destroyedByClient(object: RelayObject): void {
    this.#tellGone(object);
    if (object.serverId >= SERVER_ID_START) {
      // The compositor confirms nothing for its own ids, it just uses them again. The entry on its side stays, for
      // events that are on their way, until then.
      this.byClient.delete(object.clientId, false);
    } else if (object.serverId === 0) {
      this.byClient.delete(object.clientId, false);
      if (object.clientId < SERVER_ID_START) this.#confirm(object.clientId);
    }
  }

  /** The compositor confirms that an object is gone. */
  confirmedByServer(id: number): void {
    const object = this.byServer.get(id);
    if (object === undefined || object === this.display || id >= SERVER_ID_START) return;
    this.byServer.delete(id, true);
    if (object === this.#holder) this.#releaseOne();
    if (object.clientId === 0) return;
    // The compositor has ended what has no destructor: a callback, answered or not.
    if (!object.destroyed) this.#tellGone(object);
    this.byClient.delete(object.clientId, false);
    this.#confirm(object.clientId);
  }

  /** The relay has sent the destructor of an object of its own: an id of the compositor's choice is free at once. */
  injectedIsGone(serverId: number): void {
    if (serverId >= SERVER_ID_START) this.byServer.delete(serverId, false);
  }

  /** See `Relay.detach`. */
  detach(object: RelayObject, inert: Inert): void {
    object.inert = inert;
    const { serverId, interface: iface, version } = object;
    // What the client has destroyed is on its way out already: a second destructor would be a mistake of ours.
    if (serverId === 0 || object.destroyed) return;
    const destructor = iface.requests.find(message => message.destructor && message.args.length === 0);
    if (destructor === undefined) throw new Error(`${iface.name} has no destructor`);
    // Of an old version it has none yet: it is the compositor's until the client leaves, and nobody speaks of it.
    if (destructor.since <= version) this.#toServer.write(serverId, destructor, []);
    this.keep(object);
  }

  /** See `Relay.keep`. */
  keep(object: RelayObject): void {
    const { serverId, interface: iface, version } = object;
    // Late events of it find an object that nobody knows and no handler is asked about (it would take it for one of the
    // relay's own), and the compositor's confirmation is not the client's business.
    const late = new RelayObject(iface, version, 0, serverId, undefined, undefined);
    late.destroyed = true;
    this.byServer.set(serverId, late);
    object.serverId = 0;
  }

  /** The connection is over: its places are free. */
  close(): void {
    this.#closed = true;
    this.#account?.givePlaces(this.#taken);
    this.#taken = 0;
  }

  #confirm(clientId: number): void {
    this.#toClient.write(1, DELETE_ID, [clientId]);
  }

  #askForBlock(order: Order): void {
    const { first, count } = this.byServer.keepBlock(order.places, this.#holder);
    this.#held = count;
    for (let id = first; id < first + count; id++) this.#toServer.write(1, SYNC, [id]);
    order.asked?.();
  }

  #releaseOne(): void {
    this.#held -= 1;
    if (this.#held > 0) return;
    this.settled = true;
    this.#ordered();
  }

  /** An id for an object of the client's: below all that it needs, where it needs anything. */
  #orderedId(name: InterfaceName, call: Call): number {
    const order = this.#order;
    if (order?.isDependent(name) !== true) return this.#serverId();
    const { block } = this.byServer;
    if (block === undefined) throw new Error(`a ${name} is made before there are ids for it`);
    let bound = SERVER_ID_START;
    for (const need of order.needsOf(name, call)) if (need.serverId !== 0) bound = Math.min(bound, need.serverId);
    const id = order.isNeeded(name) ? block.takeHighest(bound) : block.takeLowest(bound);
    if (id !== 0) return id;
    throw new ProtocolError(
      1,
      WlDisplayError.no_memory,
      `virtwl: no room for another ${name}: a client has at most ${order.places} objects that belong to other objects`,
    );
  }

  #serverId(): number {
    const id = this.byServer.allocate();
    if (id === 0) throw new ProtocolError(1, WlDisplayError.no_memory, 'too many objects');
    return id;
  }

  /** Counts the place of a peer's new object, `id` in its own numbers. Places of the relay's own objects are few. */
  #takePlace(table: ObjectMap, id: number): void {
    if (this.#account === undefined || this.#closed || !table.grows(id)) return;
    if (!this.#account.takePlace()) {
      throw new ProtocolError(1, WlDisplayError.no_memory, 'too many objects of all clients together');
    }
    this.#taken += 1;
  }

  /** How many callbacks the client waits for. */
  get callbacks(): number {
    return this.#words[Word.Callbacks]!;
  }

  /** How often the compositor has called one. */
  get answers(): number {
    return this.#words[Word.Answers]!;
  }

  /** The compositor says something of `object`. Returns whether it calls a callback. */
  answered(object: RelayObject): boolean {
    if (object.interface.name !== 'wl_callback') return false;
    this.#words[Word.Answers]! += 1;
    return true;
  }

  #tellGone(object: RelayObject): void {
    object.destroyed = true;
    if (object.interface.name === 'wl_callback') this.#words[Word.Callbacks]! -= 1;
    for (const gone of this.#chains.of(object.interface).gone) gone(object, this.#relay);
  }

  #tellMade(object: RelayObject, call: Call): void {
    if (object.interface.name === 'wl_callback') this.#words[Word.Callbacks]! += 1;
    for (const made of this.#chains.of(object.interface).made) made(object, call);
  }

  #enter<N extends InterfaceName>(name: N, version: number, clientId: number, serverId: number): RelayObject<N> {
    const iface: Interface | undefined = interfaces.get(name);
    if (iface === undefined) throw new Error(`no table for the interface ${name}`);
    const { requests, events } = this.#chains.of(iface);
    const object = new RelayObject<N>(iface, version, clientId, serverId, requests, events);
    const type = this.#typeOf(iface, version, clientId, serverId);
    if (type !== 0) object.enterPass(this.#pass!);
    if (clientId !== 0) this.byClient.set(clientId, object, type);
    if (serverId !== 0) this.byServer.set(serverId, object, type);
    return object;
  }

  /** What the pass knows the object by; 0: it is not for it. Of callbacks it knows its own: others may be questions. */
  #typeOf(iface: Interface, version: number, clientId: number, serverId: number): number {
    if (this.#pass === undefined || clientId === 0 || serverId === 0 || iface === CALLBACK) return 0;
    return this.#pass.type(iface, version);
  }

  /** The pass has made a callback, and it is asked for here: it is TypeScript's from now on. */
  #madeByPass(clientId: number, serverId: number, version: number): RelayObject {
    const { requests, events } = this.#chains.of(CALLBACK);
    const object = new RelayObject(CALLBACK, version, clientId, serverId, requests, events);
    this.byClient.set(clientId, object);
    this.byServer.set(serverId, object);
    return object;
  }
}
