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

/** A process that needs no hardware, no network and no files but those of its sockets. */
const HARDENED = `NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateNetwork=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
UMask=0077`;

/** The files of a role; `virtwl`: the words that start the program. */
export function unitFiles(role: Role, virtwl: string): readonly UnitFile[] {
  return FILES[role](virtwl).map(({ path, text }) => ({ path, text: `${text.trim()}\n` }));
}

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
Type=exec
User=virtwl
# Others find the broker there across its restarts.
RuntimeDirectory=virtwl/broker
RuntimeDirectoryPreserve=yes
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
Type=exec
User=virtwl
RuntimeDirectory=virtwl/vms/%i
# The VMM of this VM connects there: in its group.
RuntimeDirectoryMode=0750
UMask=0007
ExecStart=${virtwl} host --config /etc/virtwl/vms/%i.conf --socket /run/virtwl/vms/%i/wl.sock
Restart=always
RestartSec=1
# What the guest holds are descriptors here. Memory that it was granted counts for who has mapped it first: no MemoryMax=.
LimitNOFILE=65536
TasksMax=64
${HARDENED.replace('UMask=0077', '').trim()}

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
    {
      path: `${USER}/virtwl-compositor.service`,
      text: `
[Unit]
Description=The compositor, for clients in other VMs
Documentation=man:virtwl(1)
ConditionPathExists=/dev/wl0

[Service]
Type=notify
# Another compositor: systemctl --user edit virtwl-compositor
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
WAYLAND_DISPLAY=wayland-0
`,
    },
  ],
};
