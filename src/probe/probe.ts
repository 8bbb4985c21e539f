/**
 * `virtwl probe`: proves, step by step, that memory of the host's allocator is shared for real.
 *
 * It asks the allocator for a piece, maps it, writes a pattern, and sends the memory over another context to the host's
 * `probe` server, which checks the pattern through its own mapping and writes another one, which is checked here. A step
 * that fails ends the probe and says what to do.
 */
import { AllocationRefused, AllocatorClient } from '../allocator/client.js';
import { Status } from '../allocator/protocol.js';
import {
  decodeProbeReply,
  encodeProbeRequest,
  fillPattern,
  findMismatch,
  PROBE_REPLY_BYTES,
  Verdict,
  type ProbeReply,
} from './protocol.js';
import { closeAll } from '../system/fd.js';
import { native, type Mapping } from '../system/native.js';
import {
  describeDevice,
  MAX_FDS,
  openDevice,
  type Context,
  type Device,
  type DeviceOptions,
  type Memory,
} from '../virtwl/device.js';

/** Bytes that are asked for unless told otherwise: enough pages that a wrong one shows, quick even in an emulated VM. */
export const DEFAULT_PROBE_BYTES = 1024 * 1024;

/** How long the host may take to answer, in milliseconds. */
export const DEFAULT_PROBE_TIMEOUT_MS = 30_000;

export interface ProbeOptions extends DeviceOptions {
  /** Bytes to ask for, rounded up to pages. Default: {@link DEFAULT_PROBE_BYTES}. */
  readonly bytes?: number | undefined;
  /** Default: {@link DEFAULT_PROBE_TIMEOUT_MS}. */
  readonly timeoutMs?: number | undefined;
  /** Called with each step as it ends. */
  readonly step?: ((step: ProbeStep) => void) | undefined;
}

export interface ProbeStep {
  readonly name: string;
  readonly ok: boolean;
  readonly milliseconds: number;
  /** What was found; for a failed step, what did not work. */
  readonly detail: string;
  /** For a failed step: what to do about it. */
  readonly advice?: string;
}

export interface ProbeResult {
  readonly ok: boolean;
  readonly device: string | undefined;
  readonly bytes: number;
  readonly steps: readonly ProbeStep[];
}

/** A failure with what to do about it. */
class ProbeFailure extends Error {
  constructor(
    message: string,
    readonly advice: string,
  ) {
    super(message);
  }
}

/** Runs the probe. Never throws for what it finds; everything it opened is closed when it returns. */
export async function probe(options: ProbeOptions = {}): Promise<ProbeResult> {
  const bytes = Math.ceil((options.bytes ?? DEFAULT_PROBE_BYTES) / native.pageSize) * native.pageSize;
  const timeoutMs = options.timeoutMs ?? DEFAULT_PROBE_TIMEOUT_MS;
  const seed = (Math.random() * 0x1_0000_0000) >>> 0;
  const steps: ProbeStep[] = [];
  let device: Device | undefined;
  let allocator: AllocatorClient | undefined;
  let memory: Memory | undefined;
  let mapping: Mapping | undefined;
  let context: Context | undefined;

  /** Runs one step and notes how it went. Throws on to end the probe. */
  async function step<T>(name: string, advice: string, run: () => Promise<[T, string]> | [T, string]): Promise<T> {
    const started = performance.now();
    const note = (ok: boolean, detail: string, what?: string): void => {
      const milliseconds = performance.now() - started;
      const done = { name, ok, milliseconds, detail, ...(what === undefined ? {} : { advice: what }) };
      steps.push(done);
      options.step?.(done);
    };
    try {
      const [value, detail] = await run();
      note(true, detail);
      return value;
    } catch (error) {
      let what = error instanceof ProbeFailure ? error.advice : advice;
      if ((error as NodeJS.ErrnoException).code === 'ENOTTY') what = 'name the right device (--device, VIRTWL_DEVICE)';
      note(false, (error as Error).message, what);
      throw error;
    }
  }

  try {
    const opened = await step(
      'open the device',
      'as the message says; --self tries everything on this machine without a VM',
      () => {
        const it = openDevice(options);
        return [it, describeDevice(it)];
      },
    );
    device = opened;
    const noAllocator =
      'start this VM\'s host process with --allocator=BUDGET, for example "virtwl host --allocator=512M"';
    const asking = await step('connect to the allocator', noAllocator, () => {
      const it = new AllocatorClient(opened.connect('allocator'), { replyTimeoutMs: timeoutMs });
      return [it, 'connected'];
    });
    allocator = asking;
    const granted = await step('ask for memory', noAllocator, async () => {
      try {
        return [await asking.allocate(bytes), `${bytes} bytes`];
      } catch (error) {
        if (!(error instanceof AllocationRefused)) throw error;
        throw new ProbeFailure(error.message, adviceFor(error.status));
      }
    });
    memory = granted;
    const mapped = await step(
      'map it',
      'the memory arrived but cannot be mapped: look into the log of the host process and of the guest kernel (dmesg)',
      () => [granted.map(bytes, true), 'readable and writable'],
    );
    mapping = mapped;
    await step(
      'write a pattern',
      'the mapping does not hold what is written: the memory is not shared properly',
      () => {
        fillPattern(mapped.buffer, seed);
        const wrong = findMismatch(mapped.buffer, seed);
        if (wrong >= 0 || mapped.faulted) throw new Error(`what was written reads back differently at byte ${wrong}`);
        return [undefined, `seed ${seed}`];
      },
    );
    const noProbe = "start this VM's host process with --probe";
    const host = await step('connect to the probe server', noProbe, () => [opened.connect('probe'), 'connected']);
    context = host;
    await step('have the host check it', noProbe, async () => {
      const reply = await ask(host, granted.share(), bytes, seed, timeoutMs);
      if (reply.verdict !== Verdict.Match) throw verdictFailure(reply);
      return [undefined, `the host's own mapping shows the pattern in all ${reply.offset} bytes`];
    });
    await step(
      "read the host's answer in the memory",
      'the host sees what the guest writes but not the other way: the mapping is a private copy or is cached wrongly',
      () => {
        const wrong = findMismatch(mapped.buffer, ~seed >>> 0);
        if (wrong >= 0) throw new Error(`what the host wrote does not show here, from byte ${wrong} on`);
        return [undefined, 'what the host wrote shows here'];
      },
    );
  } catch {
    // Noted as a failed step.
  } finally {
    context?.close();
    mapping?.unmap();
    memory?.close();
    allocator?.close();
    device?.close();
  }
  return { ok: steps.every(({ ok }) => ok), device: device?.path, bytes, steps };
}

/** Sends the request and waits for the reply. Takes ownership of `memory`; `context` is lent, and started here. */
function ask(context: Context, memory: Memory, size: number, seed: number, timeoutMs: number): Promise<ProbeReply> {
  return new Promise((resolve, reject) => {
    const fail = (message: string): void => {
      clearTimeout(timer);
      reject(new Error(message));
    };
    const timer = setTimeout(() => fail(`the probe server did not answer within ${timeoutMs} ms`), timeoutMs);
    let received = Buffer.alloc(0);
    context.on('data', (bytes, fds) => {
      closeAll(fds);
      received = Buffer.concat([received, bytes]);
      if (received.length < PROBE_REPLY_BYTES) return;
      clearTimeout(timer);
      resolve(decodeProbeReply(received));
    });
    context.on('end', () => fail('the probe server hung up without an answer: see the log of the host process'));
    context.on('error', error => fail(error.message));
    context.start();
    context.send(encodeProbeRequest({ size, seed }), [memory]);
  });
}

function adviceFor(status: number): string {
  if (status === Status.OverBudget) return 'give the VM a larger budget (--allocator=BUDGET), or end what holds it';
  if (status === Status.OverRequestLimit)
    return 'ask for less with --size, or raise the limit with --allocator-request';
  if (status === Status.HostOutOfMemory) return 'free memory on the host; its log tells what is missing';
  return 'choose another --size';
}

function verdictFailure({ verdict, offset }: ProbeReply): ProbeFailure {
  switch (verdict) {
    case Verdict.Mismatch:
      return new ProbeFailure(
        `the host's own mapping does not show the pattern, from byte ${offset} on`,
        'guest and host do not look at the same memory, or the guest maps it uncached: see /proc/mtrr and dmesg',
      );
    case Verdict.BadSize:
      return new ProbeFailure('the probe server does not check memory of this size', 'choose a smaller --size');
    case Verdict.NoMemory:
      return new ProbeFailure(
        'the memory did not arrive with the request',
        `the front-end does not carry descriptors: check that it passes up to ${MAX_FDS} a transaction`,
      );
    case Verdict.CannotMap:
      return new ProbeFailure(
        `the host cannot map what arrived (${offset} bytes there)`,
        'another memory than the one that was sent arrived: see the log of the host process',
      );
    default:
      return new ProbeFailure(
        `the probe server answered ${verdict}, which means nothing here`,
        'update host and guest',
      );
  }
}
