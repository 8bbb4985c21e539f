/**
 * Whose window it is. By default the name of a VM stands before the titles of its windows, so that nobody takes one VM's
 * window for another's. A client has no say in it: what could move the name out of its place, or out of sight, is not in a
 * title that is passed on. In app ids the VM's name stands where its policy says so.
 */
import { Verdict } from '../src/relay/call.js';
import { FIREWALL } from '../src/firewall/firewall.js';
import type { Concern } from '../src/relay/chain.js';
import type { Deny } from './denials.js';
import type { VmPolicy } from './policy.js';

/** Longest title or app id that is passed on, in bytes of UTF-8, the VM's name not counted. */
export const MAX_LABEL_BYTES = 1024;
/** The same in characters: twice what fits a title bar across a 4K screen. */
export const MAX_LABEL_CHARACTERS = 512;
/** Marks on one character: Vietnamese has two, Hebrew with its cantillation and Tibetan up to four. */
export const MAX_MARKS = 4;

/** Where the VM's name stands in app ids; `plain`: nowhere, and desktop files and icons are found by them. */
export type AppIdForm = 'plain' | 'prefixed' | 'suffixed';

/** Characters of scripts that are written from right to left, and the numbers that go with them. */
const RIGHT_TO_LEFT = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u;
const LEFT_TO_RIGHT_MARK = '\u200E';
/** The isolate that takes its direction from what is in it, and its end. */
const FIRST_STRONG_ISOLATE = '\u2068';
const POP_ISOLATE = '\u2069';

/**
 * The title of a window of `vm`. The VM's name comes first, at the left, in every script: with characters that are written
 * from right to left, the line is marked as one from left to right, and the title isolated from what stands before it.
 */
export function labelledTitle(vm: string, title: string): string {
  const text = readable(title);
  if (!RIGHT_TO_LEFT.test(text)) return `[${vm}] ${text}`.trimEnd();
  return `[${vm}]${LEFT_TO_RIGHT_MARK} ${FIRST_STRONG_ISOLATE}${text}${POP_ISOLATE}`;
}

/** The app id of a window of `vm`. Names of VMs have no colon: what stands before the first, or behind the last, is one. */
export function labelledAppId(vm: string, appId: string, form: AppIdForm): string {
  const text = readable(appId);
  if (form === 'prefixed') return `${vm}:${text}`;
  return form === 'suffixed' ? `${text}:${vm}` : text;
}

/** The concern that labels windows of `vm` as its policy has it. */
export function labelConcern(vm: string, policy: VmPolicy): Concern {
  const title = (text: string): string => (policy.prefixTitles ? labelledTitle(vm, text) : readable(text));
  const appId = (text: string): string => labelledAppId(vm, text, policy.appId);
  return {
    name: 'labels',
    after: [...FIREWALL, 'windows'],
    requests: {
      xdg_surface: {
        // A window that never names itself is labelled too.
        get_toplevel: ({ relay, object, args: { id } }) => {
          const window = relay.adopt('xdg_toplevel', object.version, id, false);
          relay.request(object, 'get_toplevel', { id: window });
          if (policy.prefixTitles) relay.request(window, 'set_title', { title: title('') });
          if (policy.appId !== 'plain') relay.request(window, 'set_app_id', { app_id: appId('') });
          return Verdict.Drop;
        },
      },
      xdg_toplevel: {
        set_title: ({ relay, object, args }) => {
          relay.request(object, 'set_title', { title: title(args.title) });
          return Verdict.Drop;
        },
        set_app_id: ({ relay, object, args }) => {
          relay.request(object, 'set_app_id', { app_id: appId(args.app_id) });
          return Verdict.Drop;
        },
      },
      // Rules of a compositor find windows by tags, as by app ids; a description may be shown in a title's place.
      xdg_toplevel_tag_manager_v1: {
        set_toplevel_tag: ({ relay, object, args: { toplevel, tag } }) => {
          if (toplevel.serverId !== 0) relay.request(object, 'set_toplevel_tag', { toplevel, tag: appId(tag) });
          return Verdict.Drop;
        },
        set_toplevel_description: ({ relay, object, args: { toplevel, description } }) => {
          if (toplevel.serverId !== 0) {
            relay.request(object, 'set_toplevel_description', { toplevel, description: title(description) });
          }
          return Verdict.Drop;
        },
      },
    },
  };
}

/** The concern that keeps windows from going full screen where the policy does not let them; `deny` is told. */
export function fullscreenConcern(policy: VmPolicy, deny: Deny): Concern {
  if (policy.fullscreen) return { name: 'fullscreen' };
  return {
    name: 'fullscreen',
    after: FIREWALL,
    requests: {
      xdg_toplevel: {
        set_fullscreen: () => {
          deny('fullscreen', 'a window asked to go full screen');
          return Verdict.Drop;
        },
      },
    },
  };
}

/** Line ends, tabs and every kind of space. */
const SPACES = /[\s\p{Z}\u0085\u2800\u3164\uFFA0\u115F\u1160]+/gu;
/**
 * Joiners where they join: between letters (Persian, the scripts of India) and between pictures (families, flags); and the
 * selector of a coloured or a plain picture behind one.
 */
const JOINERS =
  /(?<=[\p{L}\p{M}])[\u200C\u200D](?=\p{L})|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F])\u200D(?=\p{Extended_Pictographic})|(?<=[\p{Emoji}])[\uFE0E\uFE0F]/gu;
/**
 * What is not seen and moves or hides what is: controls, directions, joiners, tags, selectors, halves of characters; and
 * what has no meaning yet.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/gu;
/** More marks on one character than are passed on, which tower over the lines above and below. */
const TOWERS = new RegExp(`(\\p{M}{${MAX_MARKS}})\\p{M}+`, 'gu');

/** A text of a client's as one line that shows all that is in it, and no longer than is passed on. */
function readable(text: string): string {
  let clean = '';
  let from = 0;
  const spaced = text.replace(SPACES, ' ');
  for (const { 0: joiner, index } of spaced.matchAll(JOINERS)) {
    clean += spaced.slice(from, index).replace(UNSEEN, '') + joiner;
    from = index + joiner.length;
  }
  clean += spaced.slice(from).replace(UNSEEN, '');
  return cut(clean.replace(TOWERS, '$1').replace(/ +/g, ' ').trim());
}

/** At most {@link MAX_LABEL_CHARACTERS} and {@link MAX_LABEL_BYTES}, cut between characters. */
function cut(text: string): string {
  let bytes = 0;
  let characters = 0;
  let end = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    characters += 1;
    if (bytes > MAX_LABEL_BYTES || characters > MAX_LABEL_CHARACTERS) return text.slice(0, end);
    end += character.length;
  }
  return text;
}
