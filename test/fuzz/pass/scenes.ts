/** Kinds of relays for `duel.ts`: each has something that the pass has to agree with. */
import type { Call } from '../../../src/relay/call.js';
import { Verdict } from '../../../src/relay/call.js';
import type { Concern } from '../../../src/relay/chain.js';
import type { Hold, Relay, RelayRules } from '../../../src/relay/relay.js';
import { FIREWALL, firewall, SharedFirewall, VmFirewall, type Firewall } from '../../../src/firewall/firewall.js';
import { hidingsConcern } from '../../../src/firewall/hidings.js';
import { paceConcern } from '../../../src/firewall/connection-pace.js';
import { destructionOrder } from '../../../src/firewall/order.js';
import { Sharers, VmPace, type ConnectionPace } from '../../../src/firewall/pace.js';
import { populationConcern, Population } from '../../../src/firewall/population.js';
import { steadyConcern } from '../../../src/firewall/steady-frames.js';
import { framesConcern } from '../../../compositor-glue/client-frames.js';
import { AS_IT_IS } from '../../relay/relay-between.js';
import type { Scene } from './duel.js';
import { FrameTalker } from './frame-talk.js';

const BASE = { concerns: [], toServer: AS_IT_IS, toClient: AS_IT_IS };

/** What a concern has seen, in order. */
interface Seen extends RelayRules {
  readonly seen: string[];
}

/** Handlers that pass, drop and stall, by the message's own bytes. */
function handlers(seen: string[]): Concern {
  let stalled = false;
  const any = <N extends string, A>({ object, message, size, bytes, offset }: Call<N, A>): Verdict => {
    seen.push(`${object.interface.name}.${message.name}`);
    return (size + bytes[offset + size - 1]!) % 3 === 0 ? Verdict.Drop : Verdict.Forward;
  };
  return {
    name: 'fuzz',
    requests: {
      wl_surface: {
        damage: any,
        commit: () => {
          stalled = !stalled;
          return stalled ? Verdict.Stall : Verdict.Forward;
        },
      },
      wl_region: { add: any },
      xdg_wm_base: { pong: any },
      wl_seat: { get_pointer: any },
    },
    events: { wl_output: { scale: any, mode: any }, wl_seat: { name: any }, wl_pointer: { frame: any } },
    made: { wl_surface: surface => void seen.push(`made ${surface.clientId}`) },
    gone: { wl_surface: surface => void seen.push(`gone ${surface.clientId}`) },
  };
}

/** Keeps every request from time to time, and says it again later. */
class Keeper implements Hold {
  holding = false;
  readonly #kept: { readonly bytes: Uint8Array; readonly reserved: ReturnType<Relay['reserve']> }[] = [];

  keep(call: Call): Verdict {
    if (!this.holding) return Verdict.Forward;
    if (call.message.fds > 0 || call.message.destructor) return Verdict.Stall;
    const { bytes, offset, size } = call;
    this.#kept.push({ bytes: bytes.slice(offset, offset + size), reserved: call.relay.reserve(call) });
    return Verdict.Drop;
  }

  release(relay: Relay): void {
    this.holding = false;
    for (const { bytes, reserved } of this.#kept.splice(0)) relay.again(bytes, reserved);
    relay.resume('requests');
    relay.flush();
  }
}

let scenesMade = 0;

/** Whether the VM is to have another beside it: of every second connection, alike for both of its relays. */
const hasOther = (): boolean => Math.floor(scenesMade++ / 2) % 2 === 0;

interface Paced extends RelayRules {
  /** What is to be done a little later: in the next turn. */
  readonly due: (() => void)[];
  readonly vm: VmPace;
  readonly connection: ConnectionPace;
}

interface Walled extends RelayRules {
  readonly due: (() => void)[];
  readonly vm: VmFirewall;
  readonly wall: Firewall;
}

export const SCENES: readonly Scene[] = [
  { name: 'bare', rules: () => BASE },
  {
    name: 'handled',
    rules: (): Seen => {
      const seen: string[] = [];
      return { ...BASE, concerns: [handlers(seen)], seen };
    },
    turn: relay => {
      relay.resume('requests');
      relay.flush();
    },
    state: rules => (rules as Seen).seen.splice(0),
  },
  {
    name: 'asking',
    rules: () => BASE,
    turn: (relay, _rules, what) => {
      if (relay.closed || what >= 100) return;
      // A question of the relay's own, which may lie there until something else is said.
      relay.sync(() => {});
      if (what >= 50) relay.flush();
      const object = relay.clientObject(2 + (what % 40));
      if (object === undefined || object.destroyed || object.serverId === 0) return;
      if (object.interface.requests.some(({ destructor, args }) => destructor && args.length === 0)) {
        if (what % 10 === 0) relay.detach(object, what % 20 === 0 ? { text: 'gone' } : { text: 'gone', code: 3 });
      }
    },
  },
  {
    name: 'kept',
    rules: () => ({ ...BASE, hold: new Keeper() }),
    turn: (relay, rules, what) => {
      const keeper = rules.hold as Keeper;
      if (relay.closed) return;
      // As a hold does, it begins with a request that it keeps: here, with any.
      if (what < 20 && !keeper.holding) {
        keeper.holding = true;
        relay.flush();
      } else if (what < 200 && keeper.holding) keeper.release(relay);
    },
  },
  {
    name: 'paced',
    rules: (): Paced => {
      let now = 0;
      const due: (() => void)[] = [];
      const vm = new VmPace(1 / 4);
      const soon = (act: () => void): void => void due.push(act);
      const sharers = new Sharers({ now: () => (now += 0.01), after: (_ms, act) => soon(act), soon });
      const connection = vm.connect(sharers);
      if (hasOther()) new VmPace().connect(sharers);
      const population = populationConcern(new Population('fuzz'));
      return {
        ...BASE,
        concerns: [paceConcern, population.concern],
        pace: connection,
        order: destructionOrder(() => connection.charge(1)),
        due,
        vm,
        connection,
      };
    },
    attach: (relay, rules) => (rules as Paced).connection.attach(relay),
    turn: (_relay, rules) => {
      for (const act of (rules as Paced).due.splice(0)) act();
    },
    state: rules => [...(rules as Paced).vm.shared, ...(rules as Paced).connection.ledger.connection],
  },
  {
    // A client that draws, behind the whole firewall.
    name: 'drawing',
    rules: (): Walled => {
      let now = 0;
      const due: (() => void)[] = [];
      const soon = (act: () => void): void => void due.push(act);
      const vm = new VmFirewall('fuzz');
      const clock = { now: () => (now += 0.01), after: (_ms: number, act: () => void) => soon(act), soon };
      const shared = new SharedFirewall(clock);
      const wall = firewall(vm, shared);
      if (hasOther()) firewall(new VmFirewall('other'), shared);
      const concerns = [
        ...wall.concerns,
        hidingsConcern(FIREWALL),
        framesConcern([...FIREWALL, 'hidings']),
        steadyConcern([...FIREWALL, 'hidings', 'frames']),
      ];
      return { ...BASE, ...wall.rules, concerns, due, vm, wall };
    },
    attach: (relay, rules) => (rules as Walled).wall.attach(relay),
    turn: (relay, rules, what) => {
      // As who asks whether the other side answers.
      if (what < 100) relay.whenSpoken(() => {});
      for (const act of (rules as Walled).due.splice(0)) act();
    },
    talker: (role, random, breaking) => new FrameTalker(role, random, breaking),
    // A frame's milliseconds are summed up in another order.
    state: rules => [...(rules as Walled).vm.pace.shared].map(number => Math.round(number * 1e6)),
  },
  {
    // Somebody wants to hear of every callback.
    name: 'callbacks',
    rules: (): Seen => {
      const seen: string[] = [];
      const concern: Concern = {
        name: 'fuzz',
        made: { wl_callback: ({ clientId }) => void seen.push(`made ${clientId}`) },
        gone: { wl_callback: ({ clientId }) => void seen.push(`gone ${clientId}`) },
      };
      return { ...BASE, concerns: [concern], seen };
    },
    state: rules => (rules as Seen).seen.splice(0),
  },
];
