/** A compositor that does only what a test tells it, at the other end of a socket pair. */
import type { Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native } from '../../src/system/native.js';
import { UnixSocket } from '../../src/system/unix-socket.js';
import { Display } from '../../src/wayland-client/display.js';
import { Flow } from '../../src/wayland/flow.js';
import { Outbox } from '../../src/wayland/outbox.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { checkMessage, readArgs, readOpcode, readUint, type WireValue } from '../../src/wayland/wire.js';

export interface Received {
  readonly id: number;
  readonly request: string;
  readonly args: WireValue[];
}

/**
 * Knows the types of objects from the requests that make them, and answers get_registry and sync by itself. Everything
 * else is `received`, and the test's to answer.
 */
export class FakeCompositor {
  readonly received: Received[] = [];
  readonly types = new Map<number, string>([[1, 'wl_display']]);
  readonly socket: UnixSocket;
  readonly #out: Outbox;
  #serial = 0;
  /** Whether `sync` is answered at once. */
  answering = true;
  /** Runs for every request that is not answered here; what it says leaves with the batch. */
  answer: (call: Received) => void = () => undefined;

  constructor(
    fd: OwnedFd,
    readonly globals: readonly (readonly [string, number])[],
  ) {
    this.socket = new UnixSocket(fd);
    this.#out = new Outbox(this.socket);
    new Flow(this.socket, this.#out, {
      dispatch: (bytes, offset, size, fds) => {
        const id = readUint(bytes, offset);
        const type = interfaces.get(this.types.get(id)!)!;
        const message = type.requests[readOpcode(bytes, offset)]!;
        checkMessage(message, bytes, offset, size);
        const args = readArgs(message, bytes, offset, fds);
        message.args.forEach((arg, i) => {
          if (arg.kind === 'new_id') this.types.set(args[i] as number, arg.interface!);
          if (arg.kind === 'bind') {
            const bind = args[i] as { id: number; interface: string };
            this.types.set(bind.id, bind.interface);
          }
        });
        this.#handle({ id, request: `${type.name}.${message.name}`, args });
        return true;
      },
      batchDone: () => this.#out.flush(),
      end: () => undefined,
      error: () => undefined,
      broken: error => {
        throw error;
      },
    }).start();
  }

  #handle(call: Received): void {
    if (call.request === 'wl_display.get_registry') {
      this.globals.forEach(([name, version], i) =>
        this.event(call.args[0] as number, 'global', [i + 1, name, version]),
      );
    } else if (call.request === 'wl_display.sync' && this.answering) {
      const callback = call.args[0] as number;
      this.event(callback, 'done', [this.#serial++]);
      this.event(1, 'delete_id', [callback]);
    } else {
      this.received.push(call);
      this.answer(call);
    }
  }

  /** Sends an event; it leaves with the answers to the batch under way, or with `flush`. */
  event(id: number, name: string, args: readonly WireValue[] = []): void {
    const message = interfaces.get(this.types.get(id)!)!.events.find(item => item.name === name)!;
    this.#out.write(id, message, args);
  }

  flush(): void {
    this.#out.flush();
  }

  /** Sends bytes as they are. */
  raw(words: readonly number[]): void {
    this.socket.send(new Uint8Array(Uint32Array.from(words).buffer));
  }
}

/** A display that talks to a fake compositor. */
export async function connectFake(
  t: Test,
  globals: readonly (readonly [string, number])[],
): Promise<{ display: Display; compositor: FakeCompositor }> {
  const [a, b] = native.socketpair();
  const compositor = new FakeCompositor(new OwnedFd(a), globals);
  const display = await Display.connect(new UnixSocket(new OwnedFd(b)));
  t.teardown(() => {
    display.close();
    compositor.socket.close();
  });
  return { display, compositor };
}
