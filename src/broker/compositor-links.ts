/**
 * The compositor VM's connections to the broker, and how a client gets onto one of them.
 *
 * A client is offered on one link, and is the glue's once the glue has answered; until then the broker keeps its
 * descriptor, so that a glue that dies or hangs at that moment costs the client nothing but time. In mode handover the
 * offer carries the client's socket, and the link is free for the next one when it was taken. In mode relay the link is
 * a seat for one client, and from the answer on the broker carries the bytes.
 *
 * A VM has one glue. A connection that comes while there is a free link waits until that has been asked whether its glue is
 * alive: if so, it is turned away with the reason, so that two glues neither share clients nor throw each other out; a glue
 * that is gone or hangs loses to the one that replaces it.
 */
import { closeAll, OwnedFd } from '../system/fd.js';
import { native, POLL_DISCONNECT, type Poll } from '../system/native.js';
import { UnixSocket } from '../system/unix-socket.js';
import { ALIVE, encodeRecord, GO, Kind, Mode, moment, PROTOCOL_VERSION } from './protocol.js';
import { relaySockets } from './socket-relay.js';
import type { ArrivedClient } from './waiting-clients.js';

/** Seats in mode relay that are there at a time, all but one with an offer. The oldest goes when one more comes. */
export const MAX_SEATS = 64;

/** Connections that wait while a glue is asked whether it is alive. Further ones are closed. */
export const MAX_CANDIDATES = 8;

/** How long a glue may take to say that it is alive, in milliseconds: a guest in software emulation may be busy. */
export const DEFAULT_ALIVE_TIMEOUT_MS = 10_000;

/** Clients relayed at a time, two descriptors each: within the usual limit of 1,024 open files. */
export const DEFAULT_MAX_RELAYED = 256;

/** How long the glue may take to answer the offer of a client, in milliseconds: it does so before anything else. */
export const DEFAULT_GO_TIMEOUT_MS = 30_000;

export interface LinkOptions {
  /** Default: {@link DEFAULT_MAX_RELAYED}. */
  readonly maxRelayed?: number | undefined;
  /** Default: {@link DEFAULT_GO_TIMEOUT_MS}. */
  readonly goTimeoutMs?: number | undefined;
  /** Default: {@link DEFAULT_ALIVE_TIMEOUT_MS}. */
  readonly aliveTimeoutMs?: number | undefined;
}

/** What the links tell the broker. */
export interface LinkEvents {
  /** Some link has room (again). */
  ready(): void;
  /** There are links, or none, other than before. */
  changed(): void;
  /** A client that was offered was not taken: it waits again. The client is the callee's. */
  returned(client: ArrivedClient): void;
  log(line: string): void;
}

interface Offer {
  readonly client: ArrivedClient;
  /** In mode relay: tells when the client leaves before it is taken. Handed over, that is the glue's to see. */
  readonly poll: Poll | undefined;
  readonly timer: NodeJS.Timeout;
}

interface Link {
  readonly socket: UnixSocket;
  offer: Offer | undefined;
  readonly since: Date;
}

/** A link was asked whether its glue is alive. */
interface Question {
  readonly link: Link;
  readonly timer: NodeJS.Timeout;
}

export class CompositorLinks {
  /** Oldest first. */
  #links: Link[] = [];
  readonly #relayed = new Set<() => void>();
  readonly #maxRelayed: number;
  readonly #goTimeoutMs: number;
  readonly #aliveTimeoutMs: number;
  /** Connections that wait for the answer. */
  #candidates: UnixSocket[] = [];
  #question: Question | undefined;
  #closed = false;

  constructor(
    readonly mode: Mode,
    private readonly events: LinkEvents,
    options: LinkOptions = {},
  ) {
    this.#maxRelayed = options.maxRelayed ?? DEFAULT_MAX_RELAYED;
    this.#goTimeoutMs = options.goTimeoutMs ?? DEFAULT_GO_TIMEOUT_MS;
    this.#aliveTimeoutMs = options.aliveTimeoutMs ?? DEFAULT_ALIVE_TIMEOUT_MS;
  }

  get size(): number {
    return this.#links.length;
  }

  /** Whether a glue is there: in mode relay it has no free link for a moment between two clients. */
  get served(): boolean {
    return this.#links.length + this.#relayed.size > 0;
  }

  /** Clients whose bytes pass through here. */
  get relayed(): number {
    return this.#relayed.size;
  }

  /** A new connection of the compositor VM. Takes ownership. */
  add(fd: OwnedFd): void {
    const socket = new UnixSocket(fd);
    if (this.#candidates.length >= MAX_CANDIDATES) {
      this.events.log(`a compositor link was closed: ${MAX_CANDIDATES} wait already while the glue there is asked`);
      socket.close();
      return;
    }
    const leave = (): void => {
      this.#candidates = this.#candidates.filter(other => other !== socket);
      socket.close();
    };
    this.#candidates.push(socket);
    // It has nothing to say before it is greeted.
    socket.on('data', (_bytes, fds) => {
      closeAll(fds);
      this.events.log('a compositor link was closed: it spoke before it was greeted');
      leave();
    });
    socket.on('end', leave);
    socket.on('error', leave);
    socket.start();
    this.#decide();
  }

  /** Lets the next candidate in where no other glue can be there, else asks that one. */
  #decide(): void {
    while (this.#question === undefined && this.#candidates.length > 0) {
      // In mode relay a link with an offer may have been taken this moment, and the next connection be its glue's.
      const there = this.#links.find(link => this.mode === Mode.Handover || link.offer === undefined);
      if (there === undefined) {
        const socket = this.#candidates.shift()!;
        socket.removeAllListeners();
        this.#admit(socket);
        continue;
      }
      const timer = setTimeout(() => {
        this.events.log(`a compositor link was closed: its glue did not answer within ${this.#aliveTimeoutMs} ms`);
        this.#drop(there);
      }, this.#aliveTimeoutMs);
      this.#question = { link: there, timer };
      there.socket.send(encodeRecord({ kind: Kind.Ping, detail: 0, text: '' }));
    }
  }

  /** The glue of a link is alive: those that wait are others, and are told so. */
  #turnAway(link: Link): void {
    clearTimeout(this.#question?.timer);
    this.#question = undefined;
    const since = this.mode === Mode.Handover ? ` since ${moment(link.since)}` : '';
    const text = `another "virtwl compositor" has served the clients of this VM${since}: end that one first`;
    for (const socket of this.#candidates.splice(0)) {
      this.events.log(`a compositor link was refused: ${text}`);
      socket.removeAllListeners();
      socket.send(encodeRecord({ kind: Kind.Taken, detail: 0, text }));
      socket.closeWhenDrained();
    }
  }

  #admit(socket: UnixSocket): void {
    const link: Link = { socket, offer: undefined, since: new Date() };
    socket.on('data', (bytes, fds) => {
      if (bytes[0] === ALIVE && this.#question?.link === link) {
        this.#turnAway(link);
        bytes = bytes.subarray(1);
        if (bytes.length === 0 && fds.length === 0) return;
      }
      if (link.offer !== undefined && bytes[0] === GO) {
        if (this.mode === Mode.Relay) {
          this.#seat(link, link.offer, bytes.subarray(1), fds);
          return;
        }
        if (bytes.length === 1 && fds.length === 0) {
          this.#takeOffer(link)!.client.fd.close();
          this.events.ready();
          return;
        }
      }
      closeAll(fds);
      this.events.log('a compositor link was closed: it sent what the broker did not ask for');
      this.#drop(link);
    });
    socket.on('end', () => this.#drop(link));
    socket.on('error', error => {
      this.events.log(`a compositor link broke: ${error.message}`);
      this.#drop(link);
    });
    this.#links.push(link);
    this.events.changed();
    socket.send(encodeRecord({ kind: Kind.Welcome, detail: PROTOCOL_VERSION, text: '' }));
    if (this.#links.length > MAX_SEATS) this.#drop(this.#links[0]!);
    this.events.ready();
  }

  /** Whether {@link give} has somewhere to put a client. */
  get hasRoom(): boolean {
    return this.#pick() !== undefined;
  }

  /** Gives a client to the newest link with room, which must exist ({@link hasRoom}). Takes ownership. */
  give(client: ArrivedClient): void {
    const link = this.#pick();
    if (link === undefined) throw new Error('no compositor link has room');
    const record = encodeRecord({ kind: Kind.Client, detail: this.mode, text: client.vm });
    const timer = setTimeout(() => {
      this.events.log(`a compositor link was closed: it did not take its client within ${this.#goTimeoutMs} ms`);
      this.#drop(link);
    }, this.#goTimeoutMs);
    if (this.mode === Mode.Handover) {
      link.offer = { client, poll: undefined, timer };
      link.socket.send(record, [new OwnedFd(native.dup(client.fd.fd))]);
      return;
    }
    const poll = new native.Poll(client.fd.fd, () => {
      // The glue may be taking it this moment: the seat goes with the client.
      this.#takeOffer(link)?.client.fd.close();
      this.#drop(link);
    });
    link.offer = { client, poll, timer };
    poll.start(POLL_DISCONNECT);
    link.socket.send(record);
  }

  /** Closes all links; relayed clients go on, or end too with `relayed`. */
  close(relayed: boolean): void {
    this.#closed = true;
    for (const socket of this.#candidates.splice(0)) socket.close();
    for (const link of [...this.#links]) this.#drop(link);
    if (relayed) for (const end of [...this.#relayed]) end();
  }

  #pick(): Link | undefined {
    if (this.mode === Mode.Relay && this.#relayed.size >= this.#maxRelayed) return undefined;
    return this.#links.findLast(link => link.offer === undefined);
  }

  /** The glue took the client: from now on the link is the client's connection. `rest` came with its answer. */
  #seat(link: Link, offer: Offer, rest: Uint8Array, fds: OwnedFd[]): void {
    this.#takeOffer(link);
    this.#links = this.#links.filter(other => other !== link);
    this.#unask(link);
    const { socket } = link;
    socket.removeAllListeners();
    const client = new UnixSocket(offer.client.fd);
    const end = (): void => {
      socket.close();
      client.close();
      this.#relayed.delete(end);
    };
    this.#relayed.add(end);
    relaySockets(client, socket, error => {
      if (error) this.events.log(`the relay of a client of VM "${offer.client.vm}" broke: ${error.message}`);
      this.#relayed.delete(end);
      if (this.#closed) return;
      this.events.changed();
      this.events.ready();
    });
    if (rest.length > 0) client.send(rest, fds);
    else closeAll(fds);
  }

  #takeOffer(link: Link): Offer | undefined {
    const { offer } = link;
    if (offer === undefined) return undefined;
    clearTimeout(offer.timer);
    offer.poll?.close();
    link.offer = undefined;
    return offer;
  }

  #drop(link: Link): void {
    if (!this.#links.includes(link)) return;
    this.#links = this.#links.filter(other => other !== link);
    const offer = this.#takeOffer(link);
    link.socket.close();
    this.events.changed();
    if (offer !== undefined) this.events.returned(offer.client);
    this.#unask(link);
  }

  /** The link is none any more: if it was asked, another link has to be. */
  #unask(link: Link): void {
    if (this.#question?.link !== link) return;
    clearTimeout(this.#question.timer);
    this.#question = undefined;
    this.#decide();
  }
}
