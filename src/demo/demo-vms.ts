/**
 * The demonstration with two real VMs: sway and the glue in one, a terminal and the frame checker in the other. It makes
 * what is missing of QEMU, kernel and disks, boots both, has a picture taken inside the compositor VM while both windows
 * are on its output, and proves that they are. Says each step as it is done.
 */
import { statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { decodePng, type Picture } from '../frames/picture.js';
import type { GuestProgram } from '../vm/guest-program.js';
import type { Machine } from '../vm/machine.js';
import { buildGuests } from '../vm/guest.js';
import { tellReport, requireDirectory, type DemoOptions } from './demo.js';
import { APPLICATION_VM, FRAMES, OUTPUT, swayConfig, terminalCommand, VMS_TEXT } from './demo-desktop.js';
import { findWindow, framesWindow, showsFrames, showsTerminal, terminalWindow, type TreeNode } from './demo-picture.js';
import { RUNTIME, VmStack } from './vm-stack.js';

/** How long windows and frames may take, in milliseconds: guests may be emulated, on a machine that is busy. */
const TIMEOUT_MS = 300_000;
/** For one frame, in milliseconds. */
const FRAME_TIMEOUT_MS = 60_000;
/** Between two pictures, in milliseconds; each takes the compositor VM a second. */
const LOOK_INTERVAL_MS = 500;

/** Runs it. Takes everything down in any case; throws an error that says what failed and what to do. */
export async function runDemoWithVms(options: DemoOptions): Promise<void> {
  const { say, log, frames: count, signal, transport = 'wl' } = options;
  const began = Date.now();
  const seconds = (): string => `${((Date.now() - began) / 1000).toFixed(1)} s`;
  const output = resolve(options.output);
  requireDirectory(dirname(output));
  const checkInterrupted = (): void => {
    if (signal?.aborted === true) throw new Error('interrupted');
  };
  let stack: VmStack | undefined;
  try {
    say('with two VMs; what they are made of is kept in the cache, the first time takes some minutes');
    await buildGuests(['compositor', 'client'], line => say(`  ${line}`), transport);
    checkInterrupted();
    say(
      `${seconds()}  host: a broker, and a host process for each VM, which is its ${transport} device; both VMs boot`,
    );
    stack = await VmStack.start({
      clients: [APPLICATION_VM],
      transport,
      swayConfig: swayConfig(),
      policies: { [APPLICATION_VM]: 'capture yes\n' },
      say: line => say(`  ${line}`),
      ...(log === undefined ? {} : { log }),
    });
    const machines = [...stack.machines.values()];
    const how = machines[0]?.options.accelerator === 'kvm' ? 'KVM' : 'software emulation';
    const boots = machines
      .map(({ options: { name }, bootMs }) => `"${name}" in ${(bootMs / 1000).toFixed(1)} s`)
      .join(', ');
    say(`${seconds()}  booted by ${how}: ${boots}`);
    say(`${seconds()}  VM "compositor": sway, unmodified, ${OUTPUT.width}x${OUTPUT.height}, and the glue`);
    if (transport === 'gpu') {
      for (const machine of machines) say(`${seconds()}  ${await driversOf(machine)}`);
    }
    checkInterrupted();
    const terminal = await stack.virtwl(APPLICATION_VM, ['run', '--', ...terminalCommand(VMS_TEXT[transport])]);
    say(`${seconds()}  VM "${APPLICATION_VM}": foot, unmodified, under "virtwl run"`);
    await untilWindow(stack, terminal, checkInterrupted);
    const frames = await stack.virtwl(APPLICATION_VM, [
      ...['frames', '--frames', String(count), '--size', `${FRAMES.width}x${FRAMES.height}`],
      ...['--timeout', String(FRAME_TIMEOUT_MS), '--json'],
    ]);
    say(
      `${seconds()}  VM "${APPLICATION_VM}": virtwl frames, ${count} frames drawn straight into shared memory, every pixel checked`,
    );
    const file = await takePicture(stack, frames, checkInterrupted);
    writeFileSync(output, file);
    say(
      `${seconds()}  picture, taken inside the compositor VM: ${output}, ${statSync(output).size} bytes, both windows on it`,
    );
    const { output: report, errors } = await frames.ended(TIMEOUT_MS + count * FRAME_TIMEOUT_MS);
    tellReport(report, `"virtwl frames" gave no report. It said:\n${errors}`, line => say(`${seconds()}  ${line}`));
  } catch (error) {
    throw signal?.aborted === true ? new Error('interrupted; everything is taken down again') : error;
  } finally {
    await stack?.stop();
  }
  say(`all of it worked, and is taken down again: ${seconds()}`);
}

/** What a VM's kernel has loaded, for who wants to see that nothing of it is ours. */
async function driversOf(machine: Machine): Promise<string> {
  const { output } = await machine.run('uname -r; cut -d" " -f1 /proc/modules');
  const [release, ...modules] = output.trim().split('\n');
  return `VM "${machine.options.name}": Linux ${release}, lsmod: ${modules.join(' ')}`;
}

async function tree(stack: VmStack): Promise<TreeNode> {
  const command = ['sh', '-c', `exec swaymsg -r -s ${RUNTIME}/sway-ipc.*.sock -t get_tree`];
  const { status, output } = await stack.run('compositor', command);
  if (status !== 0) throw new Error(`sway does not tell its windows: ${output}`);
  return JSON.parse(output) as TreeNode;
}

async function untilWindow(stack: VmStack, terminal: GuestProgram, checkInterrupted: () => void): Promise<void> {
  for (
    const end = Date.now() + TIMEOUT_MS;
    findWindow(await tree(stack), terminalWindow) === undefined;
    await pause(LOOK_INTERVAL_MS)
  ) {
    checkInterrupted();
    await runs(terminal, 'its window');
    if (Date.now() > end)
      throw new Error(`the window of foot did not come within ${TIMEOUT_MS / 1000} s; --verbose tells more`);
  }
}

/** Has pictures taken until both windows are on one; that PNG file. */
async function takePicture(stack: VmStack, frames: GuestProgram, checkInterrupted: () => void): Promise<Buffer> {
  for (const end = Date.now() + TIMEOUT_MS; ; await pause(LOOK_INTERVAL_MS)) {
    checkInterrupted();
    const nodes = await tree(stack);
    const terminal = findWindow(nodes, terminalWindow);
    const shown = findWindow(nodes, framesWindow);
    if (terminal !== undefined && shown !== undefined) {
      const file = await grim(stack);
      const picture: Picture = decodePng(file);
      if (showsTerminal(picture, terminal) && showsFrames(picture, shown)) return file;
    }
    await runs(frames, 'a picture with both windows on it');
    if (Date.now() > end)
      throw new Error(`no picture had both windows on it within ${TIMEOUT_MS / 1000} s; --verbose tells more`);
  }
}

/** Takes a picture inside the compositor VM, by a program beside sway. A PNG file. */
export async function grim(stack: VmStack): Promise<Buffer> {
  const { status, output } = await stack.run('compositor', ['sh', '-c', 'grim -t png - | base64 -w0'], {
    WAYLAND_DISPLAY: stack.display,
  });
  if (status !== 0 || output === '') throw new Error(`grim in the compositor VM: ${output}`);
  return Buffer.from(output, 'base64');
}

/** Throws, with what it said, when a program has ended. */
async function runs(program: GuestProgram, before: string): Promise<void> {
  const { status, output, errors } = await program.state();
  if (status !== undefined)
    throw new Error(
      `${program.name} ended with status ${status} before there was ${before}. It said:\n${output}${errors}`,
    );
}
