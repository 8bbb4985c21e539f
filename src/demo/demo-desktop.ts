/**
 * What the demonstration's desktop looks like: the compositor's configuration and the terminal with its text. Nothing
 * here is the user's own configuration, so that the picture is the same everywhere.
 */
import type { DeviceKind } from '../host/guest/vmm-arguments.js';

/** The client VMs. */
export const APPLICATION_VM = 'office';
export const FRAMES_VM = 'lab';

/** The compositor's output, in pixels. */
export const OUTPUT = { width: 1280, height: 720 };

/** Contents of the frame checker's window, in pixels. */
export const FRAMES = { width: 592, height: 624 };

/** Colours of the terminal, 0xRRGGBB, by which its window is recognised. */
export const TERMINAL = { background: 0x14181e, foreground: 0xd7dae0 };

/** Colours for headings and for what is one's own, 0xRRGGBB. */
const ACCENT = { blue: 0x7cb7ff, green: 0x9fd58b };

/** sway's configuration: two windows beside each other. The glue has put the name of its VM before each one's
 * title. */
export function swayConfig(): string {
  const { width, height } = OUTPUT;
  return `
xwayland disable
output HEADLESS-1 mode ${width}x${height}@60Hz position 0 0 scale 1 bg #2b3a4e solid_color
font pango:DejaVu Sans 10
default_border normal 3
client.focused           #4c6a92 #4c6a92 #ffffff #4c6a92 #4c6a92
client.focused_inactive  #4c6a92 #4c6a92 #ffffff #4c6a92 #4c6a92
client.unfocused         #4c6a92 #4c6a92 #ffffff #4c6a92 #4c6a92
focus_follows_mouse no
seat * hide_cursor 1
for_window [app_id=".*"] floating enable
for_window [app_id="^foot$"] resize set 598 652, move position 27 33
for_window [app_id="^virtwl-status$"] resize set 598 652, move position 655 33
for_window [app_id="^virtwl-frames$"] border normal 3, move position 655 33
`;
}

/** The terminal, as it is run in its VM: unmodified, with a text instead of a shell. */
export function terminalCommand(text: string): string[] {
  // The text is an argument, so that nothing in it is a command.
  const shown = ['sh', '-c', 'printf "\\033[?25l%b" "$1"; exec sleep 1000000', 'sh', text];
  return terminal({ title: 'foot', fontSize: 11.5 }, shown);
}

/** A terminal that shows what each process of this user does, again and again. */
export function statusCommand(virtwl: readonly string[]): string[] {
  const options = { title: 'virtwl status --watch', appId: 'virtwl-status', fontSize: 7.5 };
  return terminal(options, [...virtwl, 'status', '--watch']);
}

function terminal(
  { title, appId = 'foot', fontSize }: { title: string; appId?: string; fontSize: number },
  command: readonly string[],
): string[] {
  const hex = (colour: number): string => colour.toString(16).padStart(6, '0');
  const options = {
    font: `DejaVu Sans Mono:size=${fontSize}`,
    pad: '18x14',
    'colors.background': hex(TERMINAL.background),
    'colors.foreground': hex(TERMINAL.foreground),
    'colors.regular4': hex(ACCENT.blue),
    'colors.regular2': hex(ACCENT.green),
    'cursor.blink': 'no',
  };
  return [
    ...['foot', '--config=/dev/null', `--title=${title}`, `--app-id=${appId}`, '--log-level=error'],
    ...Object.entries(options).map(([name, value]) => `--override=${name}=${value}`),
    ...command,
  ];
}

const text = (where: string, frames: string, what: string, device = 'virtio_wl'): string => `\\033[34;1mvirtwl\\033[0m

This is \\033[32mfoot\\033[0m, an unmodified Wayland terminal.

It runs in ${where} and is shown by
\\033[32msway\\033[0m, unmodified too, which runs in another.

Its buffers are memory that the host
allocated, and that sway reads as wl_shm
pools. No pixel went through a socket.

  foot
    | wl_shm
  virtwl run          copies what changed
    | ${device}
  virtwl compositor   passes messages on
    | wl_shm
  sway                reads the same memory

Beside it is \\033[32mvirtwl frames\\033[0m, from ${frames}.
It draws straight into such memory and checks
every pixel that sway shows.

${what}
`;

/** What the terminal shows. */
export const LOOPBACK_TEXT = text(
  'one client VM',
  'a third VM',
  "This is loopback: directories of Unix sockets stand\nfor the VMs' virtio_wl devices.",
);
/** The same where it stays up to be looked at. */
export const LOOKED_AT_TEXT = text(
  'one client VM',
  'a third VM',
  "When it has finished, virtwl status takes its place.\n\nThis is loopback: directories of Unix sockets stand\nfor the VMs' virtio_wl devices.",
);
/** By what carries messages and memory between the VMs and the host. */
export const VMS_TEXT: Readonly<Record<DeviceKind, string>> = {
  wl: text('one VM', 'the same VM', 'These are real VMs: two Linux kernels under\nQEMU, each with a virtio_wl device.'),
  gpu: text(
    'one VM',
    'the same VM',
    "These are real VMs: two kernels of Debian's under\nQEMU, without a module of ours, each with a\nvirtio-gpu device that has no screen.",
    'virtio_gpu',
  ),
};
