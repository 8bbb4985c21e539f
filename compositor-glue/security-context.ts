/**
 * Telling the compositor itself whose clients are sandboxed: `wp_security_context_v1`, which wlroots has from 0.17 on.
 * For each client VM the glue makes a socket that the compositor accepts connections on, tagged with the VM's name; the
 * clients of that VM come in there. The compositor then hides its privileged globals from them by its own rules too,
 * and shows the tag to programs that ask for it. Where the compositor does not know the protocol, its ordinary socket
 * serves.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { connectDisplay } from '../src/wayland-client/connect.js';
import { OwnedFd } from '../src/system/fd.js';
import { native } from '../src/system/native.js';
import { makeRuntimeDirectory } from '../src/system/runtime-directory.js';
import { UnixSocket } from '../src/system/unix-socket.js';
import type { WaylandObject } from '../src/wayland-client/wayland-object.js';
import { OutputLayout } from './output-layout.js';

/** The sandbox engine's name in the protocol: a reverse domain of the project. */
export const SANDBOX_ENGINE = 'org.virtwl';

const MANAGER = 'wp_security_context_manager_v1';

/** Connections that may wait on a context's socket: as many as a VM may have clients arriving at once. */
const BACKLOG = 128;

/** How long the compositor may take to answer, in milliseconds: it runs on this machine. */
export const ANSWER_TIMEOUT_MS = 60_000;

/** A VM's own entrance to the compositor. */
export interface SecurityContext {
  /** The socket that clients of the VM connect to. */
  readonly path: string;
  /** Ends it: no further client can come in; those that are in stay. Idempotent. */
  close(): void;
}

/** The glue's connection to the compositor for making security contexts. */
export class SecurityContexts {
  readonly #directory = makeRuntimeDirectory('contexts');
  #count = 0;
  #outputs: OutputLayout | undefined;

  private constructor(
    private readonly path: string,
    private readonly timeoutMs: number,
    private manager: WaylandObject<'wp_security_context_manager_v1'>,
  ) {
    this.#outputs = OutputLayout.of(manager.display);
  }

  /** Undefined where the compositor does not have the protocol. It may take `timeoutMs` for each answer. */
  static async connect(path: string, timeoutMs = ANSWER_TIMEOUT_MS): Promise<SecurityContexts | undefined> {
    const manager = await bindManager(path, timeoutMs);
    return manager === undefined ? undefined : new SecurityContexts(path, timeoutMs, manager);
  }

  /** Whether the compositor is still there. */
  get closed(): boolean {
    return this.manager.display.ended !== undefined;
  }

  /** Where outputs are, which a compositor may hide inside of a context. Undefined where it does not tell anybody. */
  get outputs(): OutputLayout | undefined {
    return this.#outputs;
  }

  /**
   * An entrance for the clients of `vm`. Requests are in order: a client that connects afterwards is in it. A compositor
   * that was started anew at the same place is connected to anew.
   */
  async create(vm: string): Promise<SecurityContext> {
    if (this.closed) {
      const manager = await bindManager(this.path, this.timeoutMs);
      if (manager === undefined)
        throw new Error(`the compositor at ${this.path} is another one: it has no security contexts`);
      this.manager = manager;
      this.#outputs = OutputLayout.of(manager.display);
    }
    const path = join(this.#directory, String(this.#count++));
    const listening = new OwnedFd(native.listenUnix(path, BACKLOG));
    let alive: OwnedFd | undefined;
    try {
      const [read, write] = native.pipe();
      // The compositor watches the read end: when the write end is closed, the context is over.
      alive = new OwnedFd(write);
      const context = this.manager.create('create_listener', listening, new OwnedFd(read));
      context.request('set_sandbox_engine', SANDBOX_ENGINE);
      context.request('set_app_id', vm);
      context.request('set_instance_id', `${vm}-${process.pid}`);
      context.request('commit');
      context.request('destroy');
      await this.#answered();
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

  /** A compositor that does not answer is given up: the next entrance is asked for on a new connection. */
  async #answered(): Promise<void> {
    const { display } = this.manager;
    let silent = false;
    const timer = setTimeout(() => {
      silent = true;
      display.close();
    }, this.timeoutMs);
    try {
      await display.roundtrip();
    } catch (error) {
      throw silent ? new Error(`the compositor at ${this.path} did not answer within ${this.timeoutMs} ms`) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.manager.display.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** The manager, on a connection of its own, which is the caller's to close; undefined where there is none. */
async function bindManager(
  path: string,
  timeoutMs: number,
): Promise<WaylandObject<'wp_security_context_manager_v1'> | undefined> {
  const display = await connectDisplay(UnixSocket.connect(path), timeoutMs);
  if (display.find(MANAGER) !== undefined) return display.bind(MANAGER, 1);
  display.close();
  return undefined;
}
