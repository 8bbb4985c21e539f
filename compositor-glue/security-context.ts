/**
 * Telling the compositor itself whose clients are sandboxed: `wp_security_context_v1`, which wlroots has from 0.17 on.
 * For each client VM the glue makes a socket that the compositor accepts connections on, tagged with the VM's name; the
 * clients of that VM come in there. The compositor then hides its privileged globals from them by its own rules too, and
 * shows the tag to whoever asks. Where the compositor does not know the protocol, its ordinary socket serves.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { OwnedFd } from '../src/fd.js';
import { native } from '../src/native.js';
import { makeRuntimeFolder } from '../src/runtime-folder.js';
import { UnixSocket } from '../src/unix-socket.js';
import { Display } from '../src/wayland/client.js';
import type { WaylandObject } from '../src/wayland/wayland-object.js';

/** The sandbox engine's name in the protocol: a reverse domain of the project. */
export const SANDBOX_ENGINE = 'org.virtwl';

/** Connections that may wait on a context's socket: as many as a VM may have clients arriving at once. */
const BACKLOG = 128;

/** A VM's own entrance to the compositor. */
export interface SecurityContext {
  /** The socket that clients of the VM connect to. */
  readonly path: string;
  /** Ends it: no further client can come in; those that are in stay. Idempotent. */
  close(): void;
}

/** The glue's connection to the compositor for making security contexts. */
export class SecurityContexts {
  readonly #path: string;
  #display: Display;
  #manager: WaylandObject;
  readonly #folder = makeRuntimeFolder('contexts');
  #count = 0;

  private constructor(path: string, display: Display) {
    this.#path = path;
    this.#display = display;
    this.#manager = display.bind('wp_security_context_manager_v1', 1);
  }

  /** Null where the compositor does not have the protocol. */
  static async connect(path: string): Promise<SecurityContexts | null> {
    const display = await Display.connect(UnixSocket.connect(path));
    if (display.find('wp_security_context_manager_v1') === undefined) {
      display.close();
      return null;
    }
    return new SecurityContexts(path, display);
  }

  /** Whether the compositor is still there. */
  get closed(): boolean {
    return this.#display.ended !== undefined;
  }

  /** A compositor that was started anew at the same place is connected to anew. */
  async #reconnect(): Promise<void> {
    const display = await Display.connect(UnixSocket.connect(this.#path));
    this.#display = display;
    this.#manager = display.bind('wp_security_context_manager_v1', 1);
  }

  /** An entrance for the clients of `vm`. Requests are in order: a client that connects afterwards is in it. */
  async create(vm: string): Promise<SecurityContext> {
    if (this.closed) await this.#reconnect();
    const path = join(this.#folder, String(this.#count++));
    const listening = new OwnedFd(native.listenUnix(path, BACKLOG));
    let alive: OwnedFd | undefined;
    try {
      const [read, write] = native.pipe();
      // The compositor watches the read end: when the write end is closed, the context is over.
      alive = new OwnedFd(write);
      const context = this.#manager.create('create_listener', listening, new OwnedFd(read));
      context.request('set_sandbox_engine', SANDBOX_ENGINE);
      context.request('set_app_id', vm);
      context.request('set_instance_id', `${vm}-${process.pid}`);
      context.request('commit');
      context.request('destroy');
      await this.#display.roundtrip();
    } catch (error) {
      if (alive === undefined) listening.close();
      alive?.close();
      rmSync(path, { force: true });
      throw error;
    }
    const open = alive;
    return {
      path,
      close: () => {
        open.close();
        rmSync(path, { force: true });
      },
    };
  }

  close(): void {
    this.#display.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
