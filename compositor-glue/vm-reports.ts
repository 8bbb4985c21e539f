/**
 * What the glue tells of each client VM for a status. In: accounts, clients, denials. Out: the numbers of the glue's own
 * account, and beside them, below `says`, what clients say of themselves.
 */
import { isoTime } from '../src/observe/clock-time.js';
import { latencyReport } from '../src/observe/latencies.js';
import { MOST_CLIENTS_TOLD, type ClientReport, type StateReport, type VmReport } from '../src/observe/status-report.js';
import { windowsOf } from './client-windows.js';
import type { Denials } from './denials.js';
import type { RemoteClient } from './remote-client.js';
import type { VmAccount } from './vm-account.js';

/** A client that was let in. */
export interface Admitted {
  readonly account: VmAccount;
  /** From 1 on. */
  readonly number: number;
  /** When, of `performance.now()`. */
  readonly since: number;
}

type Clients = ReadonlyMap<RemoteClient, Admitted>;

/** Frames of all clients that an account had and has. */
export function framesByVm(accounts: Iterable<VmAccount>, clients: Clients): Map<string, number> {
  const frames = new Map([...accounts].map(({ name, framesOfThoseLeft }) => [name, framesOfThoseLeft]));
  for (const [{ relay }, { account }] of clients)
    frames.set(account.name, (frames.get(account.name) ?? 0) + relay.frames);
  return frames;
}

/** Of every VM that has an account, or was denied something. */
export function vmReports(accounts: Iterable<VmAccount>, clients: Clients, denials: Denials): VmReport[] {
  const byName = new Map([...accounts].map(account => [account.name, account]));
  const frames = framesByVm(byName.values(), clients);
  const told = new Map<string, ClientReport[]>();
  const short = new Map<string, number>();
  const times = new Map<string, number[]>();
  let count = 0;
  for (const [client, { account, number, since }] of clients) {
    const { shortSince } = client;
    if (shortSince !== undefined) short.set(account.name, Math.min(shortSince, short.get(account.name) ?? Infinity));
    const { relay } = client;
    const ofVm = times.get(account.name) ?? [];
    times.set(account.name, ofVm);
    ofVm.push(...relay.releaseTimes);
    if (++count > MOST_CLIENTS_TOLD) continue;
    const list = told.get(account.name) ?? [];
    told.set(account.name, list);
    const windows = windowsOf(relay);
    list.push({
      client: number,
      since: isoTime(since),
      windows: windows.count,
      frames: relay.frames,
      says: windows.says,
    });
  }
  return [...new Set([...byName.keys(), ...denials.vms])].map(vm => {
    const account = byName.get(vm);
    const { clients: clientCount = 0, bytes = 0, share = 0, slabs = 0 } = account ?? {};
    const latency = latencyReport(times.get(vm) ?? []);
    return {
      vm,
      state: stateOf(clientCount, short.get(vm)),
      clientCount,
      clients: told.get(vm) ?? [],
      memory: { bytes, share, slabs },
      frames: frames.get(vm) ?? 0,
      ...(latency !== undefined && { latency }),
      denials: denials.of(vm),
    };
  });
}

function stateOf(clients: number, shortSince: number | undefined): StateReport {
  if (clients === 0) return { is: 'idle' };
  if (shortSince === undefined) return { is: 'served' };
  const text =
    'its programs are refused host memory: close windows of it, or let it have more ("memory" in its policy)';
  return { is: 'waiting', for: 'memory', since: isoTime(shortSince), text };
}
