/** Steps that many programs share. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Desk } from './desk.js';
import type { Step } from './program.js';
import type { Button } from './seat.js';

/** The program has so many windows, and they are drawn. */
export function starts(windows = 1): Step {
  return { name: 'starts', act: desk => desk.shown(windows), facts: rects };
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

export async function titles(desk: Desk): Promise<string> {
  return (await desk.windows()).map(({ title }) => title).join(' | ');
}

export async function rects(desk: Desk): Promise<string> {
  return (await desk.windows()).map(({ rect }) => rect).join(' ');
}
