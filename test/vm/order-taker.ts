/**
 * A program in a guest that takes orders, a line each, and answers each with a line: `greedy.c`. In: orders. Out: the
 * answers. Each start has a directory of its own for its pipe and its output, so what is read there is the answer of this
 * program and never that of one before it.
 */
import { GuestProgram } from '../../src/vm/guest-program.js';
import type { Machine } from '../../src/vm/machine.js';

/** How long a program may take to be ready, in milliseconds. */
const READY_MS = 60_000;

export class OrderTaker {
  private constructor(private readonly program: GuestProgram) {}

  /** Starts it, and resolves when it has said `ready`. */
  static async start(machine: Machine, name: string, path: string): Promise<OrderTaker> {
    // It holds its pipe open for writing as well, so its orders do not end when another writer comes and goes.
    const program = await GuestProgram.start(machine, name, `mkfifo orders && exec ${path} <> orders`);
    const { output } = await program.until('word of being ready', state => state.output.includes('\n'), READY_MS);
    if (output !== 'ready\n') throw new Error(`${name} cannot begin: ${output}`);
    return new OrderTaker(program);
  }

  /** Gives it an order; its answer. Throws when it ends instead. */
  async tell(order: string): Promise<string> {
    const { machine, directory } = this.program;
    const { output } = await machine.run(`
      cd ${directory}; count=$(wc -l < output)
      echo ${order} 1<> orders
      until [ $(wc -l < output) -gt $count ] || [ -e status ]; do sleep 0.05; done
      [ $(wc -l < output) -gt $count ] && tail -n 1 output`);
    if (output !== '') return output.trim();
    const { status, errors } = await this.program.state();
    throw new Error(`${this.program.name} has ended with status ${status} and not answered "${order}": ${errors}`);
  }

  /** Ends it and what it has started, by SIGKILL. */
  async kill(): Promise<void> {
    await this.program.signal('KILL');
  }
}
