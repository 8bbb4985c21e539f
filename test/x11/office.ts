/** A shell of the VM "office" under `virtwl run --x11`: what started it finds there how to reach its displays. */
import type { Test } from 'tap';
import type { LoopbackStack } from '../../src/demo/loopback-stack.js';
import { runIn, type Application } from '../loopback/applications.js';
import { until } from './desk.js';

export interface Office {
  /** The shell, which takes commands on its standard input. */
  readonly office: Application;
  /** The X display, and the file with its cookie. */
  readonly display: string;
  readonly authority: string;
  readonly waylandDisplay: string;
  readonly runtime: string;
}

/** `env`: that of the shell. It ends with the test. */
export async function openOffice(
  t: Pick<Test, 'teardown'>,
  stack: LoopbackStack,
  env: Readonly<Record<string, string>>,
): Promise<Office> {
  const office = runIn(t, stack, 'office', ['sh'], env, ['--x11']);
  office.process.stdin!.write('echo "at $DISPLAY $XAUTHORITY $WAYLAND_DISPLAY $XDG_RUNTIME_DIR."\n');
  let place: RegExpExecArray | null = null;
  await until('a display', () => {
    place = /at (\S+) (\S+) (\S+) (\S+)\./.exec(office.output().toString());
    return place !== null;
  });
  const [, display, authority, waylandDisplay, runtime] = place! as readonly string[] as readonly [
    string,
    string,
    string,
    string,
    string,
  ];
  return { office, display, authority, waylandDisplay, runtime };
}
