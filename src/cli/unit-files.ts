/**
 * The units of systemd for each role of a machine, as `virtwl units` prints them. They name the program where it is installed,
 * and are hardened beside our own sandbox: what that needs (a user namespace, netlink for its loopback device) stays.
 */

/** What runs on a machine. */
export const ROLES = ['host', 'compositor', 'client'] as const;
export type Role = (typeof ROLES)[number];

/** One file. */
export interface UnitFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
}

const SYSTEM = '/etc/systemd/system';
const USER = '/etc/systemd/user';

/**
 * A process that needs no hardware, no network and no files but those of its sockets. What is not here, our sandbox needs:
 * ProtectKernelTunables=, ProtectKernelLogs= and ProcSubset= cover parts of /proc, and the kernel lets nobody mount a new one
 * in a user namespace then; RestrictSUIDSGID= takes openat2(2) away, without which bubblewrap binds nothing; ProtectHostname=
 * refuses the sandbox a name of its own; RestrictNamespaces= and a filter of @mount or @privileged forbid the namespaces
 * themselves.
 */
const HARDENED = `NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateNetwork=yes
IPAddressDeny=any
ProtectClock=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK
RestrictRealtime=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @debug @module @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM
UMask=0077`;

/** The files of a role; `virtwl`: the words that start the program. */
export function unitFiles(role: Role, virtwl: string): readonly UnitFile[] {
  return FILES[role](virtwl).map(({ path, text }) => ({ path, text: `${text.trim()}\n` }));
}

/** The group whose members may open the device, and the rule that gives it to them. */
const DEVICE: readonly UnitFile[] = [
  {
    path: '/etc/sysusers.d/virtwl-device.conf',
    text: `
# Who may open /dev/wl0 may use every server that the host offers this VM: usermod --append --groups wl USER
g wl -
`,
  },
  {
    path: '/etc/udev/rules.d/70-virtwl.rules',
    text: `
SUBSYSTEM=="wl", KERNEL=="wl[0-9]*", GROUP="wl", MODE="0660"
`,
  },
];

/** What has to be done once the files are there. */
export const THEN: Readonly<Record<Role, readonly string[]>> = {
  host: ['systemd-sysusers', 'systemctl daemon-reload', 'systemctl enable --now virtwl-broker virtwl-host@NAME'],
  compositor: [
    'systemd-sysusers',
    'udevadm control --reload',
    'udevadm trigger --settle --subsystem-match=wl',
    'usermod --append --groups wl USER',
    'loginctl enable-linger USER',
    'as USER: systemctl --user daemon-reload',
    'as USER: systemctl --user enable --now virtwl-compositor',
  ],
  client: [
    'systemd-sysusers',
    'udevadm control --reload',
    'udevadm trigger --settle --subsystem-match=wl',
    'usermod --append --groups wl USER',
    'loginctl enable-linger USER',
    'as USER: systemctl --user daemon-reload',
    'as USER: systemctl --user enable --now virtwl-run.socket',
  ],
};

const FILES: Readonly<Record<Role, (virtwl: string) => readonly UnitFile[]>> = {
  host: virtwl => [
    {
      path: '/etc/sysusers.d/virtwl.conf',
      text: 'u virtwl - "host processes of virtwl" -',
    },
    {
      path: `${SYSTEM}/virtwl-broker.service`,
      text: `
[Unit]
Description=virtwl broker: pairs client VMs with the compositor VM
Documentation=man:virtwl(1)

[Service]
Type=notify
User=virtwl
# Others find the broker there across its restarts.
RuntimeDirectory=virtwl/broker virtwl/status
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
# Where "virtwl status" of root asks.
Environment=VIRTWL_STATUS_DIR=/run/virtwl/status
ExecStart=${virtwl} broker --directory /run/virtwl/broker
Restart=always
RestartSec=1
# A client that waits is two descriptors.
LimitNOFILE=8192
MemoryMax=512M
TasksMax=64
${HARDENED}

[Install]
WantedBy=multi-user.target
`,
    },
    {
      path: `${SYSTEM}/virtwl-host@.service`,
      text: `
[Unit]
Description=virtwl host process of VM %i
Documentation=man:virtwl(1)
After=virtwl-broker.service
Wants=virtwl-broker.service
ConditionPathExists=/etc/virtwl/vms/%i.conf

[Service]
Type=notify
User=virtwl
RuntimeDirectory=virtwl/vms/%i
RuntimeDirectoryMode=0700
ReadWritePaths=/run/virtwl/status
Environment=VIRTWL_STATUS_DIR=/run/virtwl/status
# The VMM connects there, as this user or as root.
ExecStart=${virtwl} host --config /etc/virtwl/vms/%i.conf --socket /run/virtwl/vms/%i/wl.sock
Restart=always
RestartSec=1
# What the guest holds are descriptors here. Memory that it was granted counts for who has mapped it first: no MemoryMax=.
LimitNOFILE=65536
TasksMax=64
${HARDENED}

[Install]
WantedBy=multi-user.target
`,
    },
    {
      path: '/etc/virtwl/vms/README',
      text: `
One file for each VM, called NAME.conf: options of "virtwl host", one a line, without dashes.

    desk.conf           work.conf
    compositor          wayland
    allocator 2G        broker /run/virtwl/broker
    broker /run/virtwl/broker

Then: systemctl enable --now virtwl-broker virtwl-host@desk virtwl-host@work
"virtwl host --config desk.conf --socket /run/virtwl/vms/desk/wl.sock --print qemu" says what its VMM is to be given.
`,
    },
  ],
  compositor: virtwl => [
    ...DEVICE,
    {
      path: `${USER}/virtwl-compositor.service`,
      text: `
[Unit]
Description=The compositor, for clients in other VMs
Documentation=man:virtwl(1)
ConditionPathExists=|/dev/wl0
ConditionPathExistsGlob=|/dev/dri/renderD*

[Service]
Type=notify
# Another one, its arguments, or a VM without GPU and seat: systemctl --user edit virtwl-compositor
Environment=VIRTWL_COMPOSITOR=sway
ExecStart=${virtwl} compositor -- $VIRTWL_COMPOSITOR
Restart=on-failure
RestartSec=1
LimitNOFILE=65536

[Install]
WantedBy=default.target
`,
    },
  ],
  client: virtwl => [
    ...DEVICE,
    {
      path: `${USER}/virtwl-run.socket`,
      text: `
[Unit]
Description=The Wayland display of this VM
Documentation=man:virtwl(1)

[Socket]
ListenStream=%t/wayland-0
SocketMode=0600

[Install]
WantedBy=sockets.target
`,
    },
    {
      path: `${USER}/virtwl-run.service`,
      text: `
[Unit]
Description=Windows on the compositor of another VM
Documentation=man:virtwl(1)
Requires=virtwl-run.socket
After=virtwl-run.socket

[Service]
Type=notify
ExecStart=${virtwl} run --socket wayland-0
Restart=on-failure
RestartSec=1
LimitNOFILE=65536
`,
    },
    {
      path: '/etc/environment.d/50-virtwl.conf',
      text: `
# Of all that the user's manager starts, D-Bus services among them.
WAYLAND_DISPLAY=wayland-0
XDG_SESSION_TYPE=wayland
`,
    },
  ],
};
