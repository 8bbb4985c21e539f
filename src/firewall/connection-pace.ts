/**
 * One connection's part of what its VM may take of the compositor (`pace.ts`): what it has passed on, and its questions
 * whether the compositor has got there.
 */
import type { Concern } from '../relay/chain.js';
import { ConnectionNote } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import { OwnEntry } from '../relay/pass-words.js';
import type { Ledger } from '../relay/pass-types.js';
import type { Pace, Relay } from '../relay/relay.js';
import type { Message } from '../wayland/interface.js';
import { costOf, costOfMessage } from './costs.js';
import type { VmPace } from './pace.js';

/** Of a connection. */
const paces = new ConnectionNote<ConnectionPace>();

/** The concern for all connections. */
export const paceConcern: Concern = {
  name: 'pace',
  shared: true,
  // Those that it makes a question of, the pass does not admit.
  ignoresSyncs: true,
  made: {
    wl_callback: (callback, { relay, message }) => {
      if (message.name === 'sync') paces.get(relay)?.takes(callback);
    },
  },
};

export class ConnectionPace implements Pace {
  readonly ledger: Ledger;
  #relay: Relay | undefined;
  /** Asked about. */
  #asked = 0;
  #questions = 0;
  /** How often it was forgiven: answers to older questions are no news. */
  #forgiven = 0;

  constructor(
    private readonly vm: VmPace,
    readonly number: number,
  ) {
    this.ledger = { vm: vm.shared, connection: Float64Array.of(0, number, 0, 0, 0), costOf: costOfMessage };
  }

  /** Passed on, and the compositor not asked about it yet. */
  get #unasked(): number {
    return this.ledger.connection[OwnEntry.Unasked]!;
  }

  set #unasked(cost: number) {
    this.ledger.connection[OwnEntry.Unasked] = cost;
  }

  /** Whether the VM looks at it when it asks. It may owe nothing any more. @internal */
  get owes(): boolean {
    return this.ledger.connection[OwnEntry.Owes] !== 0;
  }

  set owes(owes: boolean) {
    this.ledger.connection[OwnEntry.Owes] = owes ? 1 : 0;
  }

  /** The relay that asks; before its first request. */
  attach(relay: Relay): void {
    this.#relay = relay;
    paces.set(relay, this);
  }

  admit(): boolean {
    return this.vm.admit(this);
  }

  passed(object: RelayObject, message: Message): void {
    const { cost, own } = costOf(object, message);
    this.charge(cost, own);
  }

  /** What a handler has said to the compositor beyond the request itself. */
  charge(cost: number, own = cost): void {
    this.#unasked += cost;
    this.vm.spend(this, cost, own);
    const relay = this.#relay;
    // The question leaves with what it asks about.
    if (this.#unasked >= this.vm.askAfter && relay?.closed === false) relay.sync(this.#question());
  }

  /**
   * A client's own question, when it is nearly time to ask: its answer is as good. Before that it is only noted, where no
   * other VM is there: what an answer says of how much of the compositor this VM takes is nothing to anybody then.
   * @internal
   */
  takes(callback: RelayObject<'wl_callback'>): void {
    const unasked = this.#unasked;
    if (unasked === 0) return;
    const { connection } = this.ledger;
    if (this.vm.welcomes(unasked)) this.#relay!.asks(callback, this.#question());
    else if (this.vm.only && connection[OwnEntry.Noted] === 0) {
      connection[OwnEntry.Noted] = callback.serverId;
      connection[OwnEntry.NotedCost] = unasked;
    }
  }

  answered(serverId: number): void {
    const { connection } = this.ledger;
    if (serverId !== connection[OwnEntry.Noted]) return;
    const cost = connection[OwnEntry.NotedCost]!;
    connection[OwnEntry.Noted] = 0;
    this.#unasked -= cost;
    this.vm.settle(cost);
  }

  /** Asks on account of another connection. False: it owes nothing. @internal */
  ask(): boolean {
    const relay = this.#relay;
    if (this.#unasked === 0 || relay === undefined || relay.closed) return false;
    relay.sync(this.#question());
    // There may be no batch that it leaves with. Not later: an outbox that holds something has a buffer of its own.
    relay.flush();
    return true;
  }

  /** The compositor is asked about all that was passed on; to be called when it answers. */
  #question(): () => void {
    const cost = this.#unasked;
    const askedAt = this.vm.asks(cost);
    const forgiven = this.#forgiven;
    this.#questions += 1;
    this.#asked += cost;
    this.#owesNothing();
    return () => {
      if (forgiven !== this.#forgiven) return;
      this.#asked -= cost;
      this.#questions -= 1;
      this.vm.earn(cost, askedAt);
    };
  }

  /** @internal */
  go(): void {
    this.#relay?.resume('requests');
  }

  /** Whether its client does not read what it is told. @internal */
  get deaf(): boolean {
    return this.#relay?.toClient.backedUp === true;
  }

  /** What it has said does not count any more. @internal */
  forgive(): void {
    this.#forgiven += 1;
    this.vm.forgive(this, this.#asked, this.#unasked, this.#questions);
    this.#asked = this.#questions = 0;
    this.#owesNothing();
  }

  #owesNothing(): void {
    this.#unasked = 0;
    this.ledger.connection[OwnEntry.Noted] = 0;
  }

  /** The connection is over: nobody answers any more. */
  close(): void {
    this.forgive();
    this.vm.disconnect(this);
  }
}
