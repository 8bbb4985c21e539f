/**
 * The glue: serves the Wayland clients of other VMs on the compositor of this one. Clients arrive by the broker, each
 * with the name of its VM; memory comes from the host's allocator, which only this VM may ask.
 */
import { EventEmitter } from 'eventemitter3';
import { AllocatorClient, type Loan } from '../src/allocator/client.js';
import { SharedFirewall } from '../src/firewall/firewall.js';
import type { PaceClock } from '../src/firewall/pace.js';
import type { Channel } from '../src/system/channel.js';
import { UnixSocket } from '../src/system/unix-socket.js';
import type { Device } from '../src/virtwl/device.js';
import type { TraceOutput } from '../src/relay/trace.js';
import { ReaderPipes, Transfers } from '../src/relay/transfers.js';
import { messageNamed } from '../src/wayland/interface.js';
import { Outbox } from '../src/wayland/outbox.js';
import { interfaces } from '../src/wayland/protocols/index.js';
import { WlDisplayError } from '../src/wayland/protocols/wayland.js';
import type { DenialReport, VmReport } from '../src/observe/status-report.js';
import type { CompositorLiveness } from './compositor-liveness.js';
import { Denials } from './denials.js';
import type { OutputLayout } from './output-layout.js';
import { Policies } from './policy.js';
import { RemoteClient } from './remote-client.js';
import type { SecurityContext, SecurityContexts } from './security-context.js';
import type { SparePointers } from './spare-pointer.js';
import { VmAccount } from './vm-account.js';
import { framesByVm, vmReports, type Admitted } from './vm-reports.js';

/**
 * VMs that have something on an account at a time: as many as a broker serves. Their names are the host's word, but each
 * costs an account and an entrance to the compositor.
 */
export const MAX_VMS = 256;

/** What makes entrances to the compositor, and knows what is hidden from those who come in by them. */
export type Entrances = Pick<SecurityContexts, 'create' | 'outputs'>;

export interface GlueOptions {
  /** The way to the host. Lent. */
  readonly device: Device;
  /** The compositor's Wayland socket. */
  readonly display: string;
  /** What each VM's clients may do. Default: the default policy for all. */
  readonly policies?: Policies;
  /** Where the compositor has security contexts: each VM's clients come in by one of their own. Lent. */
  readonly contexts?: Entrances | undefined;
  /** What keeps a pointer on each seat, of a compositor that was started anew as well. Lent. Default: nothing does. */
  readonly spares?: Pick<SparePointers, 'ensure'> | undefined;
  /** Asks the compositor as long as clients say something. Lent. Default: nobody does. */
  readonly liveness?: Pick<CompositorLiveness, 'hear'> | undefined;
  /** Is told every message of every client. */
  readonly trace?: TraceOutput | undefined;
  /** By which a VM is made to pause: a test's own. */
  readonly clock?: PaceClock | undefined;
}

export interface GlueEvents {
  /** `client` is its number, from 1 on. */
  arrived: (vm: string, client: number) => void;
  /** `reason` where it did not just leave; `client` is undefined for one that was never let in. */
  left: (vm: string, reason: Error | undefined, client: number | undefined) => void;
  /** A client was refused memory, and goes on. */
  refused: (vm: string, reason: string, client: number) => void;
  /** A VM was denied something, for the first time by that setting of its policy. */
  denied: (vm: string, denial: DenialReport) => void;
}

export class Glue extends EventEmitter<GlueEvents> {
  readonly #options: GlueOptions;
  readonly #policies: Policies;
  /** Each VM's own entrance to the compositor, where there are such. */
  readonly #entrances = new Map<string, Promise<SecurityContext>>();
  readonly #accounts = new Map<string, VmAccount>();
  readonly #clients = new Map<RemoteClient, Admitted>();
  readonly #denials = new Denials((vm, denial) => this.emit('denied', vm, denial));
  readonly #firewall: SharedFirewall;
  readonly #readerPipes = new ReaderPipes();
  #closed = false;
  /** Clients let in so far. */
  #admitted = 0;

  constructor(options: GlueOptions) {
    super();
    this.#options = options;
    this.#policies = options.policies ?? Policies.uniform();
    this.#firewall = new SharedFirewall(options.clock);
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  /** Places for objects that the clients of a VM take. */
  objectsOf(vm: string): number {
    return this.#accounts.get(vm)?.objects ?? 0;
  }

  /** Bytes on the account of a client VM. */
  bytesOf(vm: string): number {
    return this.#accounts.get(vm)?.bytes ?? 0;
  }

  /** The same of every VM that has clients, by name. */
  bytesByVm(): Record<string, number> {
    return Object.fromEntries([...this.#accounts.values()].map(account => [account.name, account.bytes]));
  }

  /** Slabs on their accounts. */
  slabsByVm(): Record<string, number> {
    return Object.fromEntries([...this.#accounts.values()].map(account => [account.name, account.slabs]));
  }

  /** Frames that went on to the compositor, of every VM that has an account. */
  framesByVm(): Record<string, number> {
    return Object.fromEntries(framesByVm(this.#accounts.values(), this.#clients));
  }

  /** How often each VM was denied something. */
  denialsByVm(): Record<string, number> {
    return this.#denials.counts;
  }

  /** The VMs that have something here, or were denied something. */
  report(): VmReport[] {
    return vmReports(this.#accounts.values(), this.#clients, this.#denials);
  }

  /** Serves a client that arrived from `vm`. Takes ownership of `link`, not yet started. */
  serve(vm: string, link: Channel): void {
    if (!this.#accounts.has(vm) && this.#accounts.size >= MAX_VMS) {
      turnAway(link, `${MAX_VMS} other VMs have clients`);
      this.emit('left', vm, new Error(`refused: ${MAX_VMS} other VMs have clients`), undefined);
      return;
    }
    const account = this.#account(vm);
    const { clients: limit, capture } = this.#policies.of(vm);
    if (account.clients >= limit) {
      account.deny('clients', `a client was turned away: it has ${limit} already`);
      const why = `VM "${vm}" has ${limit} ${limit === 1 ? 'client' : 'clients'} already`;
      turnAway(link, `${why}, and its policy lets it have no more: close one, or raise "clients" there`);
      this.emit('left', vm, new Error(`refused: ${why}`), undefined);
      return;
    }
    account.clients += 1;
    const { contexts, display } = this.#options;
    // From clients in a security context a compositor hides its capture.
    if (!contexts || capture) {
      this.#admit(account, link, display, undefined);
      return;
    }
    this.#entrance(vm, contexts).then(
      ({ path }) => this.#admit(account, link, path, contexts.outputs),
      (error: Error) => this.#refuse(account, link, error),
    );
  }

  #admit(account: VmAccount, link: Channel, display: string, outputs: OutputLayout | undefined): void {
    if (this.#closed) {
      this.#refuse(account, link, new Error('the glue was closed'));
      return;
    }
    const vm = account.name;
    let compositor: UnixSocket;
    try {
      compositor = UnixSocket.connect(display);
    } catch (error) {
      this.#refuse(account, link, error as Error);
      return;
    }
    // Where the compositor is another one than at the start. What is wrong with it, the client finds as well.
    this.#options.spares?.ensure().catch(() => undefined);
    const number = ++this.#admitted;
    const client = new RemoteClient(link, compositor, {
      account,
      policy: this.#policies.of(vm),
      shared: this.#firewall,
      device: this.#options.device,
      outputs,
      allocate: bytes => this.#allocate(account, bytes),
      refused: reason => this.emit('refused', vm, reason, number),
      deny: account.deny,
      trace: this.#options.trace?.connection(vm, number),
    });
    this.#clients.set(client, { account, number, since: performance.now() });
    this.#options.liveness?.hear(client.relay);
    this.emit('arrived', vm, number);
    client.relay.on('close', reason => {
      this.#clients.delete(client);
      account.framesOfThoseLeft += client.relay.frames;
      account.clients -= 1;
      if (account.clients === 0) account.forgetKeymaps();
      this.#forgetIdleAccounts();
      this.emit('left', vm, reason, number);
    });
  }

  #refuse(account: VmAccount, link: Channel, error: Error): void {
    // Why not is this VM's own business.
    turnAway(link, 'the compositor cannot be reached');
    account.clients -= 1;
    this.#forgetIdleAccounts();
    this.emit('left', account.name, error, undefined);
  }

  /** Made for a VM's first client; one that could not be made is tried again for the next. */
  #entrance(vm: string, contexts: Entrances): Promise<SecurityContext> {
    let entrance = this.#entrances.get(vm);
    if (entrance === undefined) {
      entrance = contexts.create(vm);
      this.#entrances.set(vm, entrance);
      entrance.catch(() => this.#entrances.delete(vm));
    }
    return entrance;
  }

  /** Disconnects every client. */
  close(): void {
    this.#closed = true;
    for (const vm of [...this.#entrances.keys()]) this.#closeEntrance(vm);
    for (const client of [...this.#clients.keys()]) client.relay.close(undefined);
    for (const account of this.#accounts.values()) account.close();
    this.#accounts.clear();
    this.#readerPipes.close();
  }

  #account(vm: string): VmAccount {
    let account = this.#accounts.get(vm);
    if (account === undefined) {
      const policy = this.#policies.of(vm);
      const { memory, objects, limits, timeShare } = policy;
      const transfers = new Transfers(this.#options.device, { readerPipes: this.#readerPipes });
      account = new VmAccount(vm, memory, transfers, objects, limits, policy, timeShare);
      account.whenIdle = () => this.#forgetIdleAccounts();
      account.deny = (setting, text) => this.#denials.add(vm, setting, policy.origins.get(setting), text);
      this.#accounts.set(vm, account);
    }
    return account;
  }

  /** A VM without clients keeps its account while memory for them is on its way, or a transfer still runs. */
  #forgetIdleAccounts(): void {
    for (const account of this.#accounts.values()) {
      if (!account.idle) continue;
      this.#accounts.delete(account.name);
      account.close();
      this.#closeEntrance(account.name);
    }
  }

  #closeEntrance(vm: string): void {
    this.#entrances.get(vm)?.then(
      ({ close }) => close(),
      () => {},
    );
    this.#entrances.delete(vm);
  }

  /** A VM's connection to the allocator is made when it is needed, and again after it was lost. */
  async #allocate(account: VmAccount, bytes: number): Promise<Loan> {
    if (account.allocator === undefined || account.allocator.closed) {
      account.allocator = new AllocatorClient(this.#options.device.connect('allocator'), { notices: true });
    }
    return account.allocator.lend(bytes);
  }
}

/** Tells a client that is not served why, in a sentence, and closes its link. */
function turnAway(link: Channel, why: string): void {
  const out = new Outbox(link);
  const error = messageNamed(interfaces.get('wl_display')!.events, 'error')!;
  out.write(1, error, [1, WlDisplayError.no_memory, `virtwl: ${why}`]);
  out.flush();
  link.closeWhenDrained();
}
