/**
 * Those in client VMs who want to know whether a compositor is there: connections to a VM's `wayland-status` server. They
 * are told the state when they come and when it has changed, and are not listened to.
 */
import { closeAll, type OwnedFd } from '../system/fd.js';
import { UnixSocket } from '../system/unix-socket.js';
import { encodeRecord, Kind, type CompositorState } from './protocol.js';

/** Connections of one VM: each `virtwl run` in it has one. Further ones are closed, and know as much as before. */
export const MAX_WATCHERS_PER_VM = 64;

/** Connections of all VMs. Each is a descriptor of the broker. */
export const MAX_WATCHERS = 512;

/** How often a change is told at most, in milliseconds: a compositor VM may not make work of all others. */
const TELL_MS = 100;

interface Watcher {
  readonly vm: string;
  readonly socket: UnixSocket;
  told: CompositorState | undefined;
}

export class StateWatchers {
  readonly #watchers = new Set<Watcher>();
  #timer: NodeJS.Timeout | undefined;
  #last: CompositorState | undefined;
  /** Since when the state holds, of `performance.now()`. */
  since = performance.now();

  /** `state` is what holds now. */
  constructor(private readonly state: () => CompositorState) {}

  /** A new connection from a VM. Takes ownership. */
  add(vm: string, fd: OwnedFd): void {
    const ofVm = [...this.#watchers].filter(watcher => watcher.vm === vm).length;
    if (ofVm >= MAX_WATCHERS_PER_VM || this.#watchers.size >= MAX_WATCHERS) {
      fd.close();
      return;
    }
    const watcher: Watcher = { vm, socket: new UnixSocket(fd), told: undefined };
    this.#watchers.add(watcher);
    const { socket } = watcher;
    // It has nothing to say.
    socket.on('data', (_bytes, fds) => {
      closeAll(fds);
      this.#drop(watcher);
    });
    socket.on('end', () => this.#drop(watcher));
    socket.on('error', () => this.#drop(watcher));
    socket.start();
    this.#tell(watcher);
  }

  /** The state may be another one. */
  changed(): void {
    const state = this.state();
    if (state !== this.#last) this.since = performance.now();
    this.#last = state;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const watcher of [...this.#watchers]) this.#tell(watcher);
    }, TELL_MS);
  }

  /** Closes those of one VM. */
  dropAll(vm: string): void {
    for (const watcher of [...this.#watchers]) if (watcher.vm === vm) this.#drop(watcher);
  }

  /** Closes all, and tells nothing any more. */
  close(): void {
    clearTimeout(this.#timer);
    for (const watcher of [...this.#watchers]) this.#drop(watcher);
  }

  #tell(watcher: Watcher): void {
    const state = this.state();
    if (state === watcher.told) return;
    watcher.told = state;
    watcher.socket.send(encodeRecord({ kind: Kind.State, detail: state, text: '' }));
    // The kernel takes thousands of these: who has not read them does not want to know.
    if (watcher.socket.queuedBytes > 0) this.#drop(watcher);
  }

  #drop(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    watcher.socket.close();
  }
}
