/** A device with servers to connect to, and VMMs that come to it: what these tests and those of the gpu device share. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { OwnedFd } from '../../../src/system/fd.js';
import type { DeviceServerOptions } from '../../../src/host/guest/device-server.js';
import { WlDeviceServer } from '../../../src/host/wl-device/server.js';
import type { GuestLimits } from '../../../src/host/guest/limits.js';
import { native } from '../../../src/system/native.js';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import { UnixListener } from '../../../src/system/unix-listener.js';
import { Holdings } from '../../holdings.js';
import { TestFrontEnd } from './front-end.js';
import { GuestDriver, type DriverOptions } from './guest-driver.js';

/** A test with such a house, after which nothing of it may be left. */
export function withHouse(
  t: Test,
  name: string,
  limits: Partial<GuestLimits>,
  body: (t: Test, house: House) => Promise<void>,
  defaultServer?: string,
): void {
  t.test(name, async t => {
    const house = new House(limits, defaultServer, options => new WlDeviceServer(options));
    try {
      await body(t, house);
    } finally {
      house.close();
    }
    await house.holdings.assertSame(t);
  });
}

export class House<S extends { close(): void } = WlDeviceServer> {
  readonly directory = mkdtempSync(join(tmpdir(), 'virtwl-wl-'));
  readonly lines: string[] = [];
  readonly server: S;
  readonly holdings: Holdings;
  /** What servers were connected to, and the connections, oldest first. */
  readonly connections: { name: string; socket: UnixSocket; data: Buffer; fds: OwnedFd[]; ended: boolean }[] = [];
  readonly #listeners: UnixListener[];
  readonly #frontEnds: TestFrontEnd[] = [];
  readonly path: string;

  /** `make`: the server of the device. */
  constructor(
    limits: Partial<GuestLimits>,
    defaultServer: string | undefined,
    make: (options: DeviceServerOptions) => S,
  ) {
    // Made at first use, and kept by the process.
    native.close(native.createTmpfs(4096));
    this.holdings = new Holdings();
    this.path = join(this.directory, 'vhost-user');
    this.#listeners = ['plain', 'other'].map(name => {
      const listener = UnixListener.listen(join(this.directory, name));
      listener.on('connection', socket => {
        const connection = { name, socket, data: Buffer.alloc(0), fds: [] as OwnedFd[], ended: false };
        this.connections.push(connection);
        socket.on('data', (bytes, fds) => {
          connection.data = Buffer.concat([connection.data, bytes]);
          connection.fds.push(...fds);
        });
        socket.on('end', () => (connection.ended = true));
        socket.start();
      });
      return listener;
    });
    this.server = make({
      socket: new OwnedFd(native.listenUnix(this.path, 8)),
      directory: this.directory,
      servers: new Set(['plain', 'gone']),
      defaultServer,
      limits: { allocBytes: 2 ** 20, ...limits },
      log: line => this.lines.push(line),
    });
  }

  frontEnd(): TestFrontEnd {
    const frontEnd = new TestFrontEnd(new OwnedFd(native.connectUnix(this.path)));
    this.#frontEnds.push(frontEnd);
    return frontEnd;
  }

  /** A VM whose driver runs. */
  async guest(options: DriverOptions = {}): Promise<GuestDriver> {
    const frontEnd = this.frontEnd();
    const driver = new GuestDriver(frontEnd, options);
    await frontEnd.negotiate(driver.features);
    driver.start();
    return driver;
  }

  logged(text: string | RegExp): boolean {
    return this.lines.some(line => (typeof text === 'string' ? line.includes(text) : text.test(line)));
  }

  close(): void {
    for (const frontEnd of this.#frontEnds) frontEnd.close();
    this.server.close();
    for (const { socket, fds } of this.connections) {
      socket.close();
      for (const fd of fds) fd.close();
    }
    for (const listener of this.#listeners) listener.close();
    rmSync(this.directory, { recursive: true });
  }
}
