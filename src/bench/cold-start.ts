/**
 * From cold to the first verified frame: what takes how long when the whole stack is started. The host's side is told by
 * what its processes print, the compositor's side by when its processes and its socket came to be, which its VM knows,
 * and the first frame by `virtwl frames`. Several things go on at the same time, so each has a beginning and an end.
 */
import type { VmStack } from '../demo/vm-stack.js';
import type { ReportJson } from '../frames/report.js';

/** A stage: when it began and ended, in seconds since the beginning of all. */
export interface Stage {
  readonly what: string;
  readonly from: number;
  readonly to: number;
}

/** Notes what a starting stack prints. */
export class ColdStart {
  readonly #began = performance.now();
  readonly #seen = new Map<string, number>();

  /** To be given to the stack as its `log`. */
  readonly log = (part: string, line: string): void => {
    const what = /^ready: |front-end has connected|driver runs|virtwl guest: ready/.exec(line)?.[0];
    if (what !== undefined && !this.#seen.has(`${part}: ${what}`)) this.#seen.set(`${part}: ${what}`, this.now());
  };

  /** Seconds since the beginning. */
  now(): number {
    return (performance.now() - this.#began) / 1000;
  }

  #at(what: string): number {
    const time = this.#seen.get(what);
    if (time === undefined) throw new Error(`the stack never said "${what}"`);
    return time;
  }

  /** The stages of a stack that is up now, until it serves. `client` is its client VM. */
  async stages(stack: VmStack, client: string): Promise<Stage[]> {
    const hosts = Math.max(this.#at('compositor-host: ready: '), this.#at(`${client}-host: ready: `));
    const boot = (vm: string): Stage[] => {
      const connected = this.#at(`${vm}-host: front-end has connected`);
      const ready = this.#at(`${vm} console: virtwl guest: ready`);
      return [{ what: `VM "${vm}": QEMU, firmware, kernel, init`, from: connected, to: ready }];
    };
    return [
      { what: 'broker and host processes', from: 0, to: hosts },
      ...boot('compositor'),
      ...boot(client),
      ...(await this.#compositor(stack)),
    ];
  }

  async #compositor(stack: VmStack): Promise<Stage[]> {
    // Ticks since the boot for processes, seconds of the guest's clock for files; both from one moment of that clock.
    const script = `
      glue=$(pgrep -f '^node .*main.js compositor') sway=$(pgrep -x sway)
      echo $(cut -d' ' -f1 /proc/uptime) $(date +%s.%N)
      for pid in $glue $sway; do sed 's/.*) //' /proc/$pid/stat | cut -d' ' -f20; done
      stat -c %.9Y ${stack.display} ${stack.compositor.directory}/output`;
    const { output } = await stack.machine('compositor').run(script);
    const now = this.now();
    const [uptime = NaN, clock = NaN, glue = NaN, sway = NaN, socket = NaN, serves = NaN] = output
      .trim()
      .split(/\s+/)
      .map(Number);
    if (Number.isNaN(serves)) throw new Error(`the compositor VM does not tell how it started: ${output}`);
    const atTick = (ticks: number): number => now - (uptime - ticks / 100);
    const atClock = (seconds: number): number => now - (clock - seconds);
    return [
      { what: 'Node.js with "virtwl compositor", until it starts sway', from: atTick(glue), to: atTick(sway) },
      { what: 'sway, until its socket is there', from: atTick(sway), to: atClock(socket) },
      { what: 'glue, until clients can come', from: atClock(socket), to: atClock(serves) },
    ];
  }

  /** One frame of a client in the client VM, pixel for pixel. */
  async firstFrame(stack: VmStack, client: string): Promise<Stage[]> {
    const from = this.now();
    const command = ['/virtwl/virtwl', 'frames', '--frames', '1', '--size', '203x117', '--timeout', '60000', '--json'];
    const { status, output } = await stack.run(client, command);
    if (status !== 0) throw new Error(`the first frame was not shown as drawn: ${output}`);
    const to = this.now();
    const { captured } = (JSON.parse(output) as ReportJson).latency;
    const committed = to - captured!.max / 1000;
    return [
      { what: 'client: Node.js, the connection, a window', from, to: committed },
      { what: 'first frame: shown, captured, every pixel compared', from: committed, to },
    ];
  }
}
