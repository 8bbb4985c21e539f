/**
 * The initial RAM disk that every guest boots: busybox, the modules, and an init that brings the guest up to where it
 * takes scripts from the host through a virtio port ("agent"). With a disk, scripts run in the system on that disk, else
 * in the RAM disk itself. What is packed anew for each boot (test programs, our package) is added as a second archive.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { gzipSync } from 'node:zlib';
import { cpio, file, directory, link, program, type CpioEntry } from './cpio.js';
import type { GuestKernel } from './kernel.js';

/** What init prints on the console when scripts can be run. */
export const READY_LINE = 'virtwl guest: ready';
/** What init prints when it cannot go on. */
export const FAILED_LINE = 'virtwl guest: failed';
/** The word of the kernel's command line by which the init of the disk's own system gets the machine. */
export const SYSTEM_ARGUMENT = 'virtwl.system';
/** The name of the port that the agent listens on. */
export const AGENT_PORT = 'virtwl.agent';
/** Where entries for the guest are found in it, when it runs from a disk. */
export const EXTRA_DIRECTORY = '/virtwl';

const INIT = `#!/bin/busybox sh
# Process 1 of the guest. What it prints goes to the console.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
/bin/busybox --install -s /bin
fail() { echo "${FAILED_LINE}: $*"; poweroff -f; }
# Gives the machine to the init of the disk's system, with what was loaded so far. The agent becomes a service of it.
handOver() {
  mount -t tmpfs -o mode=755 run /root/run && mkdir -p /root/run/virtwl-guest /root/run/systemd/system/multi-user.target.wants
  cp /bin/busybox /bin/agent /root/run/virtwl-guest/
  cp /virtwl-agent.service /root/run/systemd/system/
  ln -s ../virtwl-agent.service /root/run/systemd/system/multi-user.target.wants/
  mkdir -p /root${EXTRA_DIRECTORY} && mount -t tmpfs -o mode=755 files /root${EXTRA_DIRECTORY}
  cp -a ${EXTRA_DIRECTORY}/. /root${EXTRA_DIRECTORY}/
  umount /dev/shm /dev/pts
  for place in proc sys dev; do mount -o move /$place /root/$place || return 1; done
  exec switch_root /root /sbin/init
}
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
ip link set lo up 2>/dev/null
for module in $(cat /modules/order); do insmod /modules/$module || fail "cannot load $module"; done
root=
if [ -e /sys/block/vda ]; then
  mkdir -p /root
  mount -t ext4 -o rw /dev/vda /root || fail 'cannot mount the disk'
  case " $(cat /proc/cmdline) " in *' ${SYSTEM_ARGUMENT} '*) handOver || fail 'cannot hand over to the system of the disk' ;; esac
  for place in proc sys dev; do mount -o bind /$place /root/$place; done
  mount -o bind /dev/pts /root/dev/pts
  mount -o bind /dev/shm /root/dev/shm
  mount -t tmpfs run /root/run
  mount -t tmpfs tmp /root/tmp && chmod 1777 /root/tmp
  mkdir -p /root${EXTRA_DIRECTORY}
  mount -o bind ${EXTRA_DIRECTORY} /root${EXTRA_DIRECTORY}
  root=/root
fi
for device in /dev/wl0 /dev/dri/renderD*; do [ -c $device ] && chmod 666 $device; done
. /bin/agent
`;

/** The agent: goes on as process 1, with the disk's system at $root, or is a service of that system, where $root is empty. */
const AGENT = `
port=
for name in /sys/class/virtio-ports/*; do
  [ "$(cat $name/name 2>/dev/null)" = ${AGENT_PORT} ] && port=/dev/$(basename $name)
done
[ -n "$port" ] || fail 'the VMM gave no port for the agent'
echo "${READY_LINE} $(cut -d' ' -f1 /proc/uptime)"
exec 3<>$port
# A line in: a number, "run" and a script in base64. A line out: the number, the script's status, its output in base64.
# Or: a number, "look" and a program's directory. A line out: the number and "same", where nothing was written since the
# last look and the program goes on; else its status or "running", its output and its errors in base64. To find nothing new
# starts no process: it is what most looks find. The shell compares whole seconds, so what is of one second is looked at anew.
# Or: a number, "signal", a program's directory and a signal. A line out: the number, and the status of kill.
# Until the host is there, reading finds the end. A guest that restarts may have left half a line: it is ended first.
mkdir -p /agent $root/agent
while :; do
  read -r number what where signal <&3 || { sleep 0.1; continue; }
  if [ "$what" = signal ]; then
    pid=; read -r pid < $root$where/pid
    kill -$signal $pid
    printf '\\n%s %s\\n' "$number" $? >&3
    continue
  fi
  if [ "$what" = look ]; then
    cd $root$where
    if [ -e looked ] && [ ! -e status ] && [ looked -nt output ] && [ looked -nt errors ]; then
      printf '\\n%s same\\n' "$number" >&3
    else
      : > looked
      status=running; [ -e status ] && read -r status < status
      { printf '\\n%s %s :' "$number" "$status"; base64 -w 0 output; printf ' :'; base64 -w 0 errors; echo; } >&3
    fi
    cd /
    continue
  fi
  echo "$where" | base64 -d > $root/agent/script
  if [ -n "$root" ]; then chroot $root /bin/sh /agent/script > /agent/output 2>&1 3>&- < /dev/null
  else /bin/sh /agent/script > /agent/output 2>&1 3>&- < /dev/null; fi
  status=$?
  { printf '\\n%s %s ' "$number" "$status"; base64 -w 0 /agent/output; echo; } >&3
done
`;

/** The agent, where the disk's system is its own master. READY goes to the console as well. */
const AGENT_UNIT = `[Unit]
Description=Takes scripts from the host of this test guest
RequiresMountsFor=/tmp

[Service]
ExecStart=/run/virtwl-guest/busybox sh /run/virtwl-guest/agent
StandardOutput=journal+console
StandardError=journal+console
`;

/** The part that all guests with this kernel have, compressed. */
export function baseInitramfs(kernel: GuestKernel): Buffer {
  const modules = kernel.modules.map(path => file(`modules/${basename(path)}`, readFileSync(path)));
  return gzipSync(
    cpio([
      ...['proc', 'sys', 'dev', 'tmp', 'run', EXTRA_DIRECTORY.slice(1)].map(directory),
      program('init', INIT),
      program('bin/agent', AGENT),
      file('virtwl-agent.service', AGENT_UNIT),
      program('bin/busybox', readFileSync(kernel.busybox)),
      link('sbin', 'bin'),
      ...modules,
      file('modules/order', kernel.modules.map(path => basename(path)).join('\n')),
    ]),
    { level: 1 },
  );
}

/** Programs by name, as entries of {@link EXTRA_DIRECTORY}. */
export function guestFiles(files: Readonly<Record<string, string>>): CpioEntry[] {
  return Object.entries(files).map(([name, path]) =>
    program(`${EXTRA_DIRECTORY.slice(1)}/${name}`, readFileSync(path)),
  );
}

/** The whole RAM disk. The kernel finds an archive behind another one where it begins at a multiple of four bytes. */
export function initramfs(kernel: GuestKernel, extra: readonly CpioEntry[] = []): Buffer {
  const base = baseInitramfs(kernel);
  return Buffer.concat([base, Buffer.alloc((4 - (base.length % 4)) % 4), ...(extra.length > 0 ? [cpio(extra)] : [])]);
}
