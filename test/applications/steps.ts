/** Steps that many programs share. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { TRANSACTION_MS, type Desk } from './desk.js';
import type { Step } from './program.js';
import type { Button } from './seat.js';
import { settled } from './settled.js';

/** The program has so many windows, and they are drawn. */
export function starts(windows = 1): Step {
  return { name: 'starts', act: desk => desk.shown(windows), facts: rects };
}

/**
 * As {@link starts}, for a program with two windows that sway puts side by side in the order in which they are drawn first,
 * which a busy machine decides: the one with this title is to be on the right.
 */
export function startsTwo(title: string): Step {
  const act = async (desk: Desk): Promise<void> => {
    await desk.shown(2);
    await desk.sway.message(`[title="${title}"] move right`);
    await desk.sway.message(`[title="${title}"] focus`);
  };
  return { ...starts(2), act };
}

/** As {@link starts}, for a program that is as black as the output of sway 1.10 is without windows. */
export function startsBlack(): Step {
  return { ...starts(), act: desk => desk.until('1 window', async () => (await desk.windows()).length === 1) };
}

/** As {@link starts}, for a program that moves by itself. */
export function startsMoving(windows = 1): Step {
  return { ...starts(windows), see: 'window' };
}

export function types(text: string, name = 'text typed'): Step {
  return { name, act: desk => desk.seat.type(text) };
}

export function presses(chord: string, name: string): Step {
  return { name, act: desk => desk.seat.key(chord) };
}

export function clicks(x: number, y: number, name: string, button: Button = 'left'): Step {
  return { name, act: desk => desk.seat.click(x, y, button) };
}

type Point = readonly [x: number, y: number];

/** The pointer is pressed in one place and released in another. */
export function drags(from: Point, to: Point, name: string): Step {
  return does(name, async desk => {
    await desk.seat.move(...from);
    await desk.seat.press();
    await desk.seat.glide(...to);
    await desk.seat.release();
  });
}

/** Several things in a row of which only the end is looked at. */
export function does(name: string, act: (desk: Desk) => Promise<void>, more: Partial<Step> = {}): Step {
  return { name, act, ...more };
}

/** The text of a file of the suite's directory; empty where it is not there. */
export function fileText(name: string): (desk: Desk) => Promise<string> {
  return desk => {
    const path = join(desk.directory, name);
    return Promise.resolve(existsSync(path) ? readFileSync(path, 'utf8') : '');
  };
}

/** Text for a program in a terminal that writes it to the file `typed`, typed once that is there. */
export function typesToFile(text: string): Step {
  const act = async (desk: Desk): Promise<void> => {
    await desk.file('typed');
    await desk.seat.type(text);
  };
  return does('text typed', act, { facts: fileText('typed') });
}

/**
 * Runs a program of the clipboard, which shows a window where it needs the keyboard for it, and waits until the windows are as
 * before. That window goes while sway waits for it to have a size: it shows the others as they were, and gives them their sizes
 * back when it has waited long enough, of which it tells nobody. A click before that is one into a smaller window.
 */
async function besides(desk: Desk, command: readonly string[], windows: number): Promise<void> {
  await desk.finished(command);
  await desk.until('the windows as before', async () => (await desk.windows()).length === windows);
  await pause(TRANSACTION_MS);
  await settled(desk.screen);
}

/** A Wayland program copies, and the program with the keyboard pastes by these keys. */
export function pastes(chord: string, windows = 1): Step {
  return does('text of a Wayland program pasted', async desk => {
    await besides(desk, ['wl-copy', 'from elsewhere'], windows);
    await desk.seat.key(chord);
  });
}

/** The program with the keyboard copies by these keys, and a Wayland program pastes. */
export function copies(chord: string, windows = 1): Step {
  const act = async (desk: Desk): Promise<void> => {
    await desk.seat.key(chord);
    await settled(desk.screen);
    await besides(desk, ['sh', '-c', `wl-paste --no-newline > '${join(desk.directory, 'pasted')}'`], windows);
  };
  return does('copied, and pasted by a Wayland program', act, { facts: fileText('pasted') });
}

/** Text typed into an editor, its menu, and the clipboard both ways. */
export function edits(): readonly Step[] {
  return [
    types('typed here'),
    presses('Alt+f', 'menu opened'),
    presses('Escape', 'and closed'),
    pastes('Ctrl+v'),
    presses('Ctrl+a', 'all marked'),
    copies('Ctrl+x'),
  ];
}

export async function titles(desk: Desk): Promise<string> {
  return (await desk.windows()).map(({ title }) => title).join(' | ');
}

export async function rects(desk: Desk): Promise<string> {
  return (await desk.windows()).map(({ rect }) => rect).join(' ');
}

/** What sway is told, one after another, while a program runs. */
const OUTPUT_CHANGES: readonly (readonly [name: string, ...commands: string[]])[] = [
  ['scale 1.25', 'output HEADLESS-1 scale 1.25'],
  ['1.5', 'output HEADLESS-1 scale 1.5'],
  ['2', 'output HEADLESS-1 scale 2'],
  ['1', 'output HEADLESS-1 scale 1'],
  ['turned 90', 'output HEADLESS-1 transform 90'],
  ['180', 'output HEADLESS-1 transform 180'],
  ['flipped 270', 'output HEADLESS-1 transform flipped-270'],
  ['not turned', 'output HEADLESS-1 transform normal'],
  ['mode 1024x640', 'output HEADLESS-1 mode 1024x640@60Hz'],
  ['mode as before', 'output HEADLESS-1 mode 1280x800@60Hz'],
];
const PLUGS = 20;
/** Between unplugging and plugging, in milliseconds: nobody's hand is faster, and some of sway's work is done later. */
const PLUG_MS = 50;

async function plugs(desk: Desk, output: string): Promise<void> {
  for (let i = 0; i < PLUGS; i++) {
    for (const what of ['disable', 'enable']) {
      await desk.sway.message(`output ${output} ${what}`);
      await pause(PLUG_MS);
    }
  }
}

/** Changes of the outputs: scales, transforms, modes, another output, outputs that go and come. */
export function outputChanges(): Step[] {
  const changes = OUTPUT_CHANGES.map(([name, ...commands]) =>
    does(
      name,
      async desk => {
        for (const command of commands) await desk.sway.message(command);
      },
      { facts: rects },
    ),
  );
  const second = (desk: Desk): string => `HEADLESS-${desk.outputs}`;
  return [
    ...changes,
    does(
      'second output of scale 2, window moved there and back',
      async desk => {
        await desk.sway.message('create_output');
        desk.outputs += 1;
        await desk.sway.message(`output ${second(desk)} mode 800x600@60Hz position 1280 0 scale 2`);
        await desk.sway.message(`[title=".*"] move window to output ${second(desk)}`);
        await desk.screen.still('a first output without the window');
        await desk.sway.message('[title=".*"] move window to output HEADLESS-1');
      },
      { facts: rects },
    ),
    does(
      `unplugged and plugged ${PLUGS} times`,
      async desk => {
        await desk.sway.message(`[title=".*"] move window to output ${second(desk)}`);
        await plugs(desk, second(desk));
        await desk.sway.message(`output ${second(desk)} disable`);
      },
      { facts: rects },
    ),
    does(
      'so is its only output',
      async desk => {
        await plugs(desk, 'HEADLESS-1');
        // sway 1.10 may draw nothing on an output that has come back, until something else of it changes.
        await desk.sway.message('output HEADLESS-1 mode 1024x640@60Hz');
        await desk.screen.still('a smaller output');
        await desk.sway.message('output HEADLESS-1 mode 1280x800@60Hz');
      },
      { facts: rects },
    ),
  ];
}
