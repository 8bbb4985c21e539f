/**
 * `virtwl vm up`: a compositor VM and client VMs that stay up, with all that they need on this host, and the socket on which
 * `vm run`, `vm console`, `vm list` and `vm down` ask for what is to be done with them (`vm-session.ts`).
 */
import { rmdirSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { swayConfig } from '../demo/demo-desktop.js';
import { HostParts } from '../demo/host-parts.js';
import { VmStack } from '../demo/vm-stack.js';
import { processLog } from '../observe/process-log.js';
import { printable } from '../observe/printable.js';
import { PrintedLines } from '../vm/guest-program.js';
import type { Machine } from '../vm/machine.js';
import { consoleLine } from './console-line.js';
import { untilSignal } from './until-signal.js';
import {
  beginSession,
  endSession,
  MAX_REQUEST_BYTES,
  sessionSocket,
  type VmAnswer,
  type VmRequest,
} from './vm-session.js';

/** The Wayland socket of each client VM, which its programs find by WAYLAND_DISPLAY. */
const DISPLAY = 'wayland-0';
/** How long that may take to be there, in milliseconds: an emulated guest takes ten seconds to start Node.js. */
const PROXY_TIMEOUT_MS = 120_000;
/** How long a VM may take to end in order, in milliseconds, before it is ended. */
const POWER_OFF_MS = 10_000;
/** How often a program in a guest is looked at, in milliseconds. */
const LOOK_INTERVAL_MS = 300;
/** Last lines of a console that are shown first. */
const SHOWN_LINES = 40;

const say = (line: string): void => processLog.log('vm').info(line);

export interface UpOptions {
  /** The compositor VM first. */
  readonly names: readonly string[];
  /** More packages of Debian's for the client VMs. */
  readonly packages: readonly string[];
  /** Whether the consoles are not shown. */
  readonly quiet: boolean;
}

/** Brings them up and serves until a signal comes or they are taken down. */
export async function bringUp({ names, packages, quiet }: UpOptions): Promise<void> {
  const [compositor, ...clients] = names as [string, ...string[]];
  const directory = HostParts.makeDirectory();
  try {
    await beginSession(directory);
  } catch (error) {
    rmdirSync(directory);
    throw error;
  }
  try {
    say(`the compositor VM is "${compositor}", the client VMs are ${clients.map(name => `"${name}"`).join(', ')}`);
    const stack = await VmStack.start({
      ...{ directory, compositor, clients, packages, swayConfig: swayConfig(), say },
      log: (part, line) => {
        if (!quiet) consoleLine(part, line);
      },
    });
    const session = new Session(stack);
    try {
      await Promise.all(clients.map(vm => session.serveDisplay(vm)));
      await session.serve();
    } finally {
      await session.close();
    }
  } finally {
    endSession();
  }
}

class Session {
  readonly #connections = new Set<Socket>();
  readonly #server = createServer(socket => this.#connected(socket));
  /** Those that are taken down at the moment. */
  readonly #ending = new Set<string>();
  #over!: () => void;
  readonly #ended = new Promise<void>(resolve => (this.#over = resolve));

  constructor(private readonly stack: VmStack) {
    for (const [name, machine] of stack.machines) this.#watch(name, machine);
  }

  /** Starts the proxy for all programs of a client VM. */
  async serveDisplay(vm: string): Promise<void> {
    const proxy = await this.stack.virtwl(vm, ['run', '--socket', DISPLAY]);
    await proxy.until('socket', ({ output }) => output.includes('WAYLAND_DISPLAY='), PROXY_TIMEOUT_MS);
    say(`VM "${vm}" is up: virtwl vm run ${vm} -- foot`);
  }

  async serve(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(sessionSocket(), resolve);
    });
    say('all VMs are up, until "virtwl vm down" or Ctrl-C');
    await untilSignal(this.#ended);
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const name of this.stack.machines.keys()) this.#ending.add(name);
    await Promise.all([...this.stack.machines.values()].map(powerOff));
    await this.stack.stop();
    for (const socket of this.#connections) socket.end();
  }

  /** One that ends by itself is told, with the end of its console. */
  #watch(name: string, machine: Machine): void {
    void machine.ended().then(how => {
      if (this.#ending.has(name)) return;
      const lines = machine.console.last(SHOWN_LINES).map(line => `  | ${printable(line)}`);
      say(`the VM "${name}" has ended by itself: ${how}. Its console, at the end:\n${lines.join('\n')}`);
    });
  }

  #connected(socket: Socket): void {
    this.#connections.add(socket);
    socket.once('close', () => this.#connections.delete(socket));
    socket.on('error', () => socket.destroy());
    let text = '';
    socket.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      const end = text.indexOf('\n');
      if (end < 0) {
        if (text.length > MAX_REQUEST_BYTES) socket.destroy();
        return;
      }
      socket.removeAllListeners('data').resume();
      const answer = (line: VmAnswer): void => void (socket.writable && socket.write(`${JSON.stringify(line)}\n`));
      // What is no JSON is a mistake of the one that asks, and ends nothing else.
      Promise.resolve()
        .then(() => this.#handle(JSON.parse(text.slice(0, end)) as VmRequest, answer, socket))
        .then(
          status => answer({ status }),
          (error: Error) => answer({ failed: error.message }),
        )
        .finally(() => socket.end());
    });
  }

  async #handle(request: VmRequest, answer: (line: VmAnswer) => void, socket: Socket): Promise<number> {
    switch (request.do) {
      case 'list':
        answer({
          vms: [...this.stack.machines].map(([name, machine]) => ({
            name,
            role: name === this.stack.compositorVm ? 'compositor' : 'client',
            state: machine.running ? 'up' : 'ended',
          })),
        });
        return 0;
      case 'run':
        return this.#run(this.#machine(request.vm).options.name, request.command, answer, socket);
      case 'console':
        return follow(this.#machine(request.vm), answer, socket);
      case 'down':
        await this.#down(request.vms);
        return 0;
    }
  }

  #machine(name: string): Machine {
    const machine = this.stack.machines.get(name);
    if (machine !== undefined) return machine;
    const there = [...this.stack.machines.keys()].map(each => `"${each}"`).join(', ');
    throw new Error(`there is no VM "${name}": up are ${there}`);
  }

  async #run(
    vm: string,
    command: readonly string[],
    answer: (line: VmAnswer) => void,
    socket: Socket,
  ): Promise<number> {
    const display = vm === this.stack.compositorVm ? this.stack.display : DISPLAY;
    const program = await this.stack.program(vm, command[0]!, command, { WAYLAND_DISPLAY: display });
    const lines = new PrintedLines();
    for (;;) {
      const state = await program.state();
      const { output, errors } = lines.since(state);
      if (output !== '') answer({ output });
      if (errors !== '') answer({ errors });
      if (state.status !== undefined) return state.status;
      if (socket.destroyed || !socket.writable) {
        // Who asked for it has gone.
        await program.signal('TERM');
        return 130;
      }
      await pause(LOOK_INTERVAL_MS);
    }
  }

  async #down(names: readonly string[]): Promise<void> {
    const machines = names.map(name => [name, this.#machine(name)] as const);
    if (names.length === 0 || names.length === this.stack.machines.size) {
      this.#over();
      return;
    }
    await Promise.all(
      machines.map(async ([name, machine]) => {
        this.#ending.add(name);
        await powerOff(machine);
        this.stack.machines.delete(name);
        await this.stack.kill(`${name}-host`);
        say(`VM "${name}" is down`);
      }),
    );
  }
}

/** Lets a VM end in order, and ends it where that takes too long. */
async function powerOff(machine: Machine): Promise<void> {
  if (!machine.running) return;
  // The kernel does it: the guest's init is not its system's.
  void machine.run('sync; sleep 0.1; echo o > /proc/sysrq-trigger; sleep 60', POWER_OFF_MS).catch(() => undefined);
  await Promise.race([machine.ended(), pause(POWER_OFF_MS, undefined, { ref: false })]);
  await machine.stop();
}

/** The last lines of a console, and those that come, until somebody hangs up. */
function follow(machine: Machine, answer: (line: VmAnswer) => void, socket: Socket): Promise<number> {
  for (const line of machine.console.last(SHOWN_LINES)) answer({ line: printable(line) });
  return new Promise(resolve => {
    const line = (text: string): void => answer({ line: printable(text) });
    const over = (): void => {
      machine.console.off('line', line);
      resolve(0);
    };
    machine.console.on('line', line);
    socket.once('close', over);
    void machine.ended().then(over);
  });
}
