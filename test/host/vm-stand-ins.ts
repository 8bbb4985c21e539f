/**
 * Host, guests and glue of a broker test, all in one process: a directory for the broker, one for each VM, and everything
 * closed with the test.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { BrokerLink } from '../../src/broker/glue-link.js';
import { Backoff } from '../../src/system/backoff.js';
import { Broker, type BrokerOptions } from '../../src/broker/broker.js';
import { VmHost, type VmHostOptions } from '../../src/host/host.js';
import { openDevice, type Context, type Device } from '../../src/virtwl/device.js';
import { eventually } from '../eventually.js';
import { logTo } from '../log-lines.js';

export class House {
  readonly directory = mkdtempSync(join(tmpdir(), 'virtwl-test-'));
  readonly brokerDirectory = join(this.directory, 'broker');
  /** What host processes and broker logged. */
  readonly lines: string[] = [];
  readonly #closers: (() => void)[] = [];

  constructor(t: Test) {
    t.teardown(() => {
      for (const close of this.#closers.splice(0).reverse()) close();
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  /** Is closed with the test. */
  keep<T extends { close(): void }>(it: T): T {
    this.#closers.push(() => it.close());
    return it;
  }

  broker(options: Partial<BrokerOptions> = {}): Broker {
    return this.keep(new Broker({ directory: this.brokerDirectory, log: logTo(this.lines), ...options }));
  }

  loopback(vm: string): string {
    return join(this.directory, vm);
  }

  host(vm: string, options: Partial<VmHostOptions>): VmHost {
    return this.keep(
      new VmHost({
        vm,
        loopback: this.loopback(vm),
        broker: this.brokerDirectory,
        log: logTo(this.lines),
        ...options,
      }),
    );
  }

  device(vm: string): Device {
    return this.keep(openDevice({ loopback: this.loopback(vm) }));
  }

  /** A client of this VM, connected and started. */
  client(vm: string): Conversation {
    return this.keep(new Conversation(this.device(vm).connect('wayland')));
  }

  glue(vm = 'compositor'): GlueStandIn {
    return this.keep(new GlueStandIn(this.device(vm)));
  }

  /** Waits until a line that was logged contains `text`. */
  async logged(text: string): Promise<void> {
    await eventually(`a log line with ${JSON.stringify(text)}`, () => this.lines.some(line => line.includes(text)));
  }
}

/** One end of a connection, with all that came. */
export class Conversation {
  text = '';
  ended = false;

  constructor(readonly context: Context) {
    context.on('data', (bytes, fds) => {
      this.text += Buffer.from(bytes).toString();
      for (const fd of fds) fd.close();
    });
    context.on('end', () => (this.ended = true));
    context.on('error', () => (this.ended = true));
    context.start();
  }

  say(text: string): void {
    this.context.send(Buffer.from(text));
  }

  async receives(text: string): Promise<void> {
    await eventually(`${JSON.stringify(text)}; there is ${JSON.stringify(this.text)}`, () => this.text.includes(text));
  }

  async ends(): Promise<void> {
    await eventually('the end of a connection', () => this.ended);
  }

  close(): void {
    this.context.close();
  }
}

/** What the compositor VM's glue does with the broker: takes clients, and answers each with its VM's name. */
export class GlueStandIn {
  readonly clients: { vm: string; conversation: Conversation }[] = [];
  readonly downs: string[] = [];
  /** Why it was turned away. */
  readonly taken: string[] = [];
  readonly link: BrokerLink;

  constructor(device: Device) {
    this.link = new BrokerLink(device, { backoff: new Backoff(10, 50) });
    this.link.on('client', (vm, context) => {
      this.clients.push({ vm, conversation: new Conversation(context) });
      context.send(Buffer.from(`hello ${vm}`));
    });
    this.link.on('taken', reason => this.taken.push(reason.message));
    this.link.on('down', reason => this.downs.push(reason.message));
    this.link.start();
  }

  async up(): Promise<this> {
    await eventually('the link to the broker to be up', () => this.link.up);
    return this;
  }

  async has(count: number): Promise<void> {
    await eventually(
      `${count} clients at the glue, which has ${this.clients.length}`,
      () => this.clients.length >= count,
    );
  }

  /** As a compositor VM that dies: the link and all its clients go. */
  close(): void {
    this.link.close();
    for (const { conversation } of this.clients) conversation.close();
  }
}
