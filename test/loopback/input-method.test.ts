/** An input method in the compositor VM writes into programs of every client VM, and only into the one that has the keys. */
import t from 'tap';
import { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { ZwpTextInputV3ContentPurpose } from '../../src/wayland/protocols/text-input-unstable-v3.js';
import { eventually } from '../eventually.js';
import { HOSTILE, SIEGE, Siege, VICTIM } from '../firewall/siege.js';
import { Window } from '../firewall/window.js';

/** A program of a client VM with a text field. */
class Field {
  /** What was written into it, and what stands there while it is being composed. */
  text = '';
  composed: string | undefined;
  entered = false;

  private constructor(input: WaylandObject<'zwp_text_input_v3'>) {
    let committed = '';
    let preedit: string | undefined;
    input.on('enter', () => {
      this.entered = true;
      input.request('enable');
      input.request('set_surrounding_text', 'before', 6, 6);
      input.request('set_content_type', 0, ZwpTextInputV3ContentPurpose.url);
      input.request('set_cursor_rectangle', 10, 20, 2, 16);
      input.request('commit');
    });
    input.on('leave', () => {
      this.entered = false;
      input.request('disable');
      input.request('commit');
    });
    input.on('preedit_string', text => (preedit = text));
    input.on('commit_string', text => (committed = text ?? ''));
    input.on('done', () => {
      this.text += committed;
      this.composed = preedit;
      [committed, preedit] = ['', undefined];
    });
  }

  static async open(display: Display, title: string): Promise<Field> {
    const field = new Field(
      display.bindOnce('zwp_text_input_manager_v3', 1).create('get_text_input', display.bindOnce('wl_seat', 5)),
    );
    await Window.open(display, 0x808080, title);
    return field;
  }
}

/** The input method, in the compositor VM. */
class InputMethod {
  active = false;
  surrounding = '';
  purpose = 0;
  #serial = 0;
  readonly #method: WaylandObject<'zwp_input_method_v2'>;

  constructor(readonly display: Display) {
    this.#method = display
      .bindOnce('zwp_input_method_manager_v2', 1)
      .create('get_input_method', display.bindOnce('wl_seat', 5));
    let active = false;
    this.#method.on('activate', () => (active = true));
    this.#method.on('deactivate', () => (active = false));
    this.#method.on('surrounding_text', text => (this.surrounding = text));
    this.#method.on('content_type', (_hint, purpose) => (this.purpose = purpose));
    this.#method.on('done', () => {
      this.active = active;
      this.#serial++;
    });
  }

  compose(text: string): void {
    this.#method.request('set_preedit_string', text, text.length, text.length);
    this.#method.request('commit', this.#serial);
  }

  write(text: string): void {
    this.#method.request('commit_string', text);
    this.#method.request('commit', this.#serial);
  }
}

t.test('an input method in the compositor VM', SIEGE, async t => {
  const siege = await Siege.begin(t);
  const desk = await Display.connect(siege.compositor.display);
  t.teardown(() => desk.close());
  const method = new InputMethod(desk);
  await desk.roundtrip();

  const work = await Field.open(await siege.connect(HOSTILE), 'work');
  await eventually('the field of the first VM to be entered', () => method.active);
  t.equal(method.surrounding, 'before', 'is told what stands in the field');
  t.equal(method.purpose, ZwpTextInputV3ContentPurpose.url, 'and what it is for');
  method.compose('ni hao');
  await eventually('what is composed to be shown', () => work.composed === 'ni hao');
  method.write('你好');
  await eventually('what was chosen to be written', () => work.text === '你好');
  t.equal(work.composed, undefined, 'in place of what was composed');

  const mail = await Field.open(await siege.connect(VICTIM), 'mail');
  await eventually('the field of the second VM to be entered', () => mail.entered && !work.entered && method.active);
  method.write('もしもし');
  await eventually('the second VM to be written to', () => mail.text === 'もしもし');
  t.equal(work.text, '你好', 'and not the first');
});
