/**
 * Input methods: what a program tells of the text that is edited, and when. By the protocol a compositor ignores all that a
 * text input says while its window does not have the keyboard. sway 1.7 listens all the same: to a client that turns the
 * input method on, that hands it a text and the kind of the text, that turns it off by destroying what is still on, all
 * while the user types into another VM's window. So nothing goes on without the focus, and what is on is turned off when
 * the focus goes.
 *
 * A compositor counts the commits of a text input, and so does its client, which drops what does not belong to its last
 * one. Commits that were kept back, and our own, are counted here, so that both agree.
 *
 * A client has one text input for each seat, as toolkits do. When an input method starts, sway (1.7, 1.10) tells the first
 * one of the client that has the keyboard, forgets about the others, and ends when one of these has the focus again.
 */
import { Verdict, type Call, type EventHandlers, type RequestHandlers } from '../relay/call.js';
import type { Concern } from '../relay/chain.js';
import { ConnectionNote, Note } from '../relay/note.js';
import type { RelayObject } from '../relay/object-map.js';
import { CHECKS } from './checks.js';

/** Bytes of the text around the cursor, by the protocol: a message ends there. */
export const MAX_SURROUNDING_TEXT = 4000;

/** What is known of a text input. */
interface State {
  /** Its client's window has the keyboard. */
  focused: boolean;
  /** It is on, by the last commit that the compositor was told. */
  on: boolean;
  /** What it will be with the next commit; undefined: the same. */
  next: boolean | undefined;
  /** Commits of the client's that were kept back, less those that we have made ourselves. */
  ahead: number;
}

type TextRequests = NonNullable<RequestHandlers['zwp_text_input_v3']>;
type TextInput = Pick<Call<'zwp_text_input_v3'>, 'object'>;

const states = new Note<State>();

function of(object: RelayObject): State {
  let state = states.get(object);
  if (state === undefined) states.set(object, (state = { focused: false, on: false, next: undefined, ahead: 0 }));
  return state;
}

/** The concern for all connections. */
export function textInputsConcern(): Concern {
  return {
    name: 'texts',
    after: CHECKS,
    made: {
      wl_seat: (seat, { args }) => names.set(seat, (args as unknown as { readonly name: number }).name),
      zwp_text_input_v3: (input, { relay, args }) => {
        const name = nameOf((args as unknown as { readonly seat: RelayObject }).seat);
        const ofClient = inputs.get(relay) ?? inputs.set(relay, new Map<number, RelayObject>());
        // One that is inert is made beside that of the compositor.
        if (!ofClient.has(name)) ofClient.set(name, input);
      },
    },
    gone: {
      zwp_text_input_v3: (input, relay) => {
        const ofClient = inputs.get(relay);
        for (const [name, each] of ofClient ?? []) if (each === input) ofClient!.delete(name);
      },
    },
    requests: {
      zwp_text_input_manager_v3: {
        get_text_input: ({ relay, object, args: { id, seat } }) => {
          if (inputs.get(relay)?.has(nameOf(seat)) !== true) return Verdict.Forward;
          relay.adopt('zwp_text_input_v3', object.version, id, true).inert = { text: 'its seat has one already' };
          return Verdict.Drop;
        },
      },
      zwp_text_input_v3: requests(),
    },
    events: { zwp_text_input_v3: events() },
  };
}

/** What the registry calls a seat. */
const names = new Note<number>();
/** The text inputs of one client that the compositor has: one for each seat, by the registry's number of that. */
const inputs = new ConnectionNote<Map<number, RelayObject>>();

function nameOf(seat: RelayObject): number {
  return names.get(seat) ?? -1;
}

function requests(): TextRequests {
  const ifFocused = ({ object }: TextInput): Verdict => (of(object).focused ? Verdict.Forward : Verdict.Drop);
  const turn =
    (on: boolean) =>
    ({ object }: TextInput): Verdict => {
      const state = of(object);
      if (!state.focused) return Verdict.Drop;
      state.next = on;
      return Verdict.Forward;
    };
  return {
    enable: turn(true),
    disable: turn(false),
    set_text_change_cause: ifFocused,
    set_content_type: ifFocused,
    set_cursor_rectangle: ifFocused,
    set_surrounding_text: call => {
      const { relay, object } = call;
      const { text, cursor, anchor } = call.args;
      if (!of(object).focused) return Verdict.Drop;
      const bytes = Buffer.from(text);
      if (bytes.length > MAX_SURROUNDING_TEXT) return Verdict.Drop;
      const [start, end] = [inside(bytes, anchor), inside(bytes, cursor)];
      if (start === anchor && end === cursor) return Verdict.Forward;
      relay.request(object, 'set_surrounding_text', { text, cursor: end, anchor: start });
      return Verdict.Drop;
    },
    commit: ({ object }) => {
      const state = of(object);
      if (!state.focused) {
        state.ahead += 1;
        return Verdict.Drop;
      }
      state.on = state.next ?? state.on;
      state.next = undefined;
      return Verdict.Forward;
    },
  };
}

function events(): NonNullable<EventHandlers['zwp_text_input_v3']> {
  return {
    enter: ({ object }) => {
      of(object).focused = true;
      return Verdict.Forward;
    },
    leave: ({ relay, object }) => {
      const state = of(object);
      state.focused = false;
      if ((state.on || state.next === true) && !object.destroyed) {
        relay.request(object, 'disable', {});
        relay.request(object, 'commit', {});
        state.ahead -= 1;
      }
      state.on = false;
      state.next = undefined;
      return Verdict.Forward;
    },
    done: ({ relay, object, args: { serial } }) => {
      const { ahead } = of(object);
      if (ahead === 0 || object.destroyed) return Verdict.Forward;
      relay.emitEvent(object, 'done', { serial: (serial + ahead) >>> 0 });
      return Verdict.Drop;
    },
  };
}

/** The place in a text, in bytes, where `at` is or would be: inside of it, and not inside of a character. */
function inside(text: Uint8Array, at: number): number {
  let place = Math.min(Math.max(at, 0), text.length);
  while (place > 0 && place < text.length && (text[place]! & 0xc0) === 0x80) place -= 1;
  return place;
}
