/**
 * The hostile VM: a process that floods as it is told by its parent. It has a low priority on this machine, since it stands in
 * for a machine of its own: what it takes from its victim it takes by what it says.
 */
import { setPriority } from 'node:os';
import { UnixSocket } from '../../../src/system/unix-socket.js';
import { kinds, type Kind, type Turn } from './kinds.js';
import { Props } from './props.js';

/** Bytes of requests that wait in a connection of ours before it says no more. */
const AHEAD_BYTES = 64 * 1024;
/** Objects that a connection has at most, those included whose end the compositor has not confirmed. */
const MOST_OBJECTS = 400;

export interface Order {
  readonly kind: string;
  readonly connections: number;
  readonly path: string;
}

/** What is told to the parent: once it floods, when it is asked, and at its end. */
export interface Told {
  readonly state: 'floods' | 'so far' | 'over';
  /** Requests that were sent. */
  readonly requests: number;
  /** Why a connection ended, where one did; or that there is nothing to flood with. */
  readonly ended?: string;
  readonly offered: boolean;
}

let stopped = false;
let requests = 0;
let ended: string | undefined;
let offered = false;

async function flood(kind: Kind, path: string): Promise<(() => Promise<void>) | undefined> {
  const socket = UnixSocket.connect(path, { highWaterBytes: AHEAD_BYTES });
  const props = await Props.open(socket, path);
  props.display.on('end', reason => (ended ??= reason.message));
  let turn: Turn | undefined;
  try {
    turn = await kind.begin(props);
  } catch (error) {
    ended ??= (error as Error).message;
  }
  if (turn === undefined) {
    props.close();
    return undefined;
  }
  const go = turn;
  return async () => {
    try {
      while (!stopped && props.display.ended === undefined) await once(props, socket, go);
    } catch (error) {
      ended ??= (error as Error).message;
    }
    props.close();
  };
}

/** One turn, when there is room for it. */
async function once(props: Props, socket: UnixSocket, turn: Turn): Promise<void> {
  if (socket.queuedBytes > AHEAD_BYTES || props.display.objectCount > MOST_OBJECTS) {
    await new Promise<void>(resolve => setTimeout(resolve, 1));
    return;
  }
  if (typeof turn === 'function') requests += await turn();
  else {
    requests += turn.requests;
    socket.send(turn.bytes);
  }
  await new Promise<void>(resolve => setImmediate(resolve));
}

function tell(state: Told['state']): void {
  process.send!({ state, requests, offered, ...(ended !== undefined && { ended }) } satisfies Told);
}

async function obey(order: Order): Promise<void> {
  stopped = false;
  requests = 0;
  ended = undefined;
  const kind = kinds().find(({ name }) => name === order.kind)!;
  const begun: (() => Promise<void>)[] = [];
  for (let i = 0; i < order.connections; i++) {
    const go = await flood(kind, order.path).catch((error: unknown) => void (ended ??= (error as Error).message));
    if (go !== undefined) begun.push(go);
  }
  offered = begun.length > 0;
  tell('floods');
  await Promise.all(begun.map(go => go()));
  tell('over');
}

setPriority(Number(process.argv[2]));
process.on('message', (message: Order | 'stop' | 'count') => {
  if (message === 'stop') stopped = true;
  else if (message === 'count') tell('so far');
  else void obey(message);
});
process.on('disconnect', () => process.exit());
