/**
 * The units of `virtwl units`, under a real systemd in two real VMs: put in place by the command, with what it says that is
 * to be done then done to the letter. The compositor VM serves, an application of the client VM that knows nothing but its
 * user's manager opens a window there, and so does one that D-Bus starts. The host's units run in the compositor VM as well,
 * for a VM that is not there: what is tested of them is that they start, and what they may do.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { HostParts } from '../../src/demo/host-parts.js';
import { bootGuest } from '../../src/vm/guest.js';
import { GUEST_USER } from '../../src/vm/images.js';
import type { Machine } from '../../src/vm/machine.js';

t.setTimeout(890_000);

/** How long anything may take in a guest, in seconds. Emulated on a busy machine, most takes a tenth of it. */
const TIMEOUT_S = 240;

/** The host, on this machine. */
class Host extends HostParts {
  static async start(): Promise<Host> {
    const host = new Host({ log: (part, line) => t.comment(`${part}: ${line}`) });
    t.teardown(() => host.stop());
    await host.startBroker();
    await host.startHost('desk', [...host.#common('desk'), '--allocator=256M', '--compositor']);
    await host.startHost('work', [...host.#common('work'), '--wayland']);
    return host;
  }

  #common(vm: string): string[] {
    return ['--socket', this.wlSocket(vm), '--broker', this.broker];
  }

  wlSocket(vm: string): string {
    return join(this.directory, `${vm}.wl`);
  }
}

/** Runs a script to its end, as root. Its output. */
async function root(machine: Machine, script: string): Promise<string> {
  const { status, output } = await machine.run(`set -e\n${script}`);
  if (status !== 0) throw new Error(`status ${status} of a script in ${machine.options.name}:\n${script}\n${output}`);
  return output;
}

/** The same as the guest's user, who has what `systemctl --user` needs. */
function user(machine: Machine, script: string): Promise<string> {
  return root(machine, asUser(script));
}

function asUser(script: string): string {
  const quoted = `'${script.replaceAll("'", `'\\''`)}'`;
  return `cd /; runuser -u ${GUEST_USER} -- env XDG_RUNTIME_DIR=/run/user/1000 HOME=/home/${GUEST_USER} sh -c ${quoted}`;
}

/** Lines for a shell that wait until a command succeeds; where it never does, they tell what the system's log has. */
function until(command: string): string {
  return (
    `end=$(($(date +%s) + ${TIMEOUT_S})); until { ${command}; } > /dev/null 2>&1; do\n` +
    `[ $(date +%s) -lt $end ] || { echo 'not within ${TIMEOUT_S} s'; journalctl --no-pager -b | tail -50; exit 1; }\n` +
    'sleep 0.5; done'
  );
}

/** Properties of a unit, by name. */
function properties(shown: string): Record<string, string> {
  return Object.fromEntries([...shown.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]));
}

/** A file as docs/vm-images.md has it: the lines behind one that is its path, as a comment. */
function fileOfPage(path: string): string {
  const page = readFileSync('docs/vm-images.md', 'utf8');
  const [, block] = page.split(`    # ${path}\n`);
  if (block === undefined) throw new Error(`docs/vm-images.md has no ${path}`);
  return /^(?: {4}.*\n|\n(?= {4}))*/.exec(block)![0].replace(/^ {4}/gm, '');
}

/** A line for a shell that writes a file. */
function write(path: string, text: string): string {
  return `mkdir -p $(dirname ${path}); echo ${Buffer.from(text).toString('base64')} | base64 -d > ${path}`;
}

/** Boots a VM by its own systemd, and puts the package where npm install --global does. */
async function boot(name: string, wlSocket: string): Promise<Machine> {
  const say = (line: string): void => t.comment(`${name}: ${line}`);
  const machine = await bootGuest({
    ...{ guest: 'compositor', name, system: true },
    device: { kind: 'wl', socket: wlSocket },
    ...{ onLine: say, say },
  });
  t.teardown(() => machine.stop());
  say(`up after ${(machine.bootMs / 1000).toFixed(1)} s`);
  await root(
    machine,
    `mkdir -p /usr/local/lib/node_modules
    cp -a /virtwl/package /usr/local/lib/node_modules/virtwl
    chmod 755 /usr/local/lib/node_modules/virtwl/dist/bundle/cli/main.js
    ln -s ../lib/node_modules/virtwl/dist/bundle/cli/main.js /usr/local/bin/virtwl`,
  );
  return machine;
}

/** Puts the units of a role in place, and does what it says is to be done then. */
async function install(
  t: Test,
  machine: Machine,
  role: string,
  names: Readonly<Record<string, string>>,
): Promise<void> {
  const said = await root(machine, `virtwl units --role ${role} --install`);
  const lines = [...said.matchAll(/then: (.*)$/gm)].map(([, line = '']) =>
    line.replace(/\b(USER|NAME)\b/g, word => names[word] ?? word),
  );
  t.ok(lines.length > 2, `${role}: ${lines.join('; ')}`);
  for (const line of lines) {
    const [, command] = new RegExp(`^as ${GUEST_USER}: (.*)`).exec(line) ?? [];
    if (command === undefined) await root(machine, line);
    // A user's manager that was asked for by enable-linger is soon there.
    else await user(machine, `${until('[ -S /run/user/1000/systemd/private ]')}\n${command}`);
  }
}

const host = await Host.start();
const names = ['desk', 'work'] as const;
const [desk, work] = (await Promise.all(names.map(vm => boot(vm, host.wlSocket(vm))))) as [Machine, Machine];

/** Waits for a window of the client VM. */
function window(title: string): Promise<string> {
  return user(
    desk,
    until(`SWAYSOCK=$(ls /run/user/1000/sway-ipc.*) swaymsg -r -t get_tree | grep -q '"name": *"\\[work\\] ${title}"'`),
  );
}

/** Starts a terminal of the client VM with nothing but the environment of its user's manager. */
async function terminal(title: string): Promise<void> {
  await user(work, `systemd-run --user --quiet --collect --unit=${title} foot --title=${title} sleep 1000`);
  await window(title);
}

t.test('the compositor VM', async t => {
  const override = '~/.config/systemd/user/virtwl-compositor.service.d/override.conf';
  await user(desk, `${write('~/.config/sway/config', 'xwayland disable\n')}\n${write(override, fileOfPage(override))}`);
  await install(t, desk, 'compositor', { USER: GUEST_USER });
  t.match(
    properties(
      await user(
        desk,
        'systemctl --user show virtwl-compositor -p ActiveState,SubState,StatusText,NRestarts,UnitFileState',
      ),
    ),
    {
      ActiveState: 'active',
      SubState: 'running',
      StatusText: /^serving clients of other VMs on \/run\/user\/1000\/wayland-\d$/,
      NRestarts: '0',
      UnitFileState: 'enabled',
    },
    'it has said that it is ready',
  );
  t.equal(await root(desk, 'stat -c "%U %G %a" /dev/wl0'), 'root wl 660\n', 'the rule for the device holds');
});

t.test('the client VM', async t => {
  await install(t, work, 'client', { USER: GUEST_USER });
  const states = async () =>
    properties(
      await user(
        work,
        'systemctl --user show virtwl-run.socket -p SubState; ' +
          'systemctl --user show virtwl-run.service -p ActiveState,StatusText,NRestarts',
      ),
    );
  t.match(await states(), { SubState: 'listening', ActiveState: 'inactive' }, 'nothing runs before a program connects');
  await terminal('first');
  const serving = { SubState: 'running', ActiveState: 'active', StatusText: 'serving /run/user/1000/wayland-0' };
  t.match(await states(), { ...serving, NRestarts: '0' }, 'a program that connects starts it');

  const program = 'gtk3-icon-browser';
  const name = 'org.gtk.IconBrowser';
  await root(
    work,
    write(
      `/usr/local/share/dbus-1/services/${name}.service`,
      `[D-BUS Service]\nName=${name}\nExec=/usr/bin/${program} --gapplication-service\n`,
    ),
  );
  const activate = `org.freedesktop.Application Activate 'a{sv}' 0`;
  await user(work, `busctl --user --timeout=${TIMEOUT_S} call ${name} /${name.replaceAll('.', '/')} ${activate}`);
  await window('Icon Browser');
  t.pass('a service that D-Bus starts opens a window');
  const environment = await user(work, `tr '\\0' '\\n' < /proc/$(pgrep -f ^/usr/bin/${program})/environ`);
  t.match(environment, /^WAYLAND_DISPLAY=wayland-0$/m, 'and was told where');
  t.match(environment, /^XDG_SESSION_TYPE=wayland$/m);

  await user(work, 'systemctl --user kill --signal=KILL virtwl-run.service');
  await terminal('second');
  t.match(
    await states(),
    { ...serving, NRestarts: /^[1-9]/ },
    'one that is killed comes back, and programs wait for it',
  );
});

/** What systemd-analyze may find at most, of 100: what is left is what the sandbox needs. */
const EXPOSURE = 30;

t.test('the host', async t => {
  const services = ['virtwl-broker', 'virtwl-host@work'];
  const conf = '/etc/virtwl/vms/work.conf';
  await root(desk, write(conf, `${fileOfPage(conf)}probe\nsocket bus=/run/dbus/system_bus_socket\n`));
  await install(t, desk, 'host', { NAME: 'work' });
  for (const service of services) await root(desk, until(`journalctl -b -u ${service} | grep -q 'ready: '`));
  await root(desk, until("journalctl -b -u virtwl-host@work | grep -q 'registered with the broker'"));
  const servers = await root(desk, 'ls /run/virtwl/vms/work/wl.sock.servers');
  t.same(
    servers.split('\n').filter(Boolean),
    ['bus', 'probe', 'wayland', 'wayland-status'],
    'the file is heeded, all of it',
  );
  t.match(
    await root(desk, 'virtwl status'),
    /virtwl broker, process \d+: waiting for a compositor[^]*virtwl host of VM "work", process \d+: waiting for the VMM/,
    'both tell root how they are',
  );
  for (const service of services) {
    const { MainPID, ...shown } = properties(
      await root(desk, `systemctl show ${service} -p MainPID,SubState,NRestarts`),
    );
    t.match(shown, { SubState: 'running', NRestarts: '0' }, service);
    const processes = await root(
      desk,
      `for pid in $(cat /sys/fs/cgroup$(systemctl show ${service} -p ControlGroup --value)/cgroup.procs); do
        echo "$pid $(readlink /proc/$pid/ns/user) $(grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/$pid/status | tr '\\n\\t' '  ')"
      done`,
    );
    t.comment(processes);
    const main = new RegExp(`^${MainPID} (\\S+) `, 'm').exec(processes)?.[1];
    const confined = processes.split('\n').filter(line => line !== '' && !line.includes(` ${main} `));
    t.ok(confined.length > 0, 'it runs confined by its own sandbox too');
    for (const line of processes.trim().split('\n')) t.match(line, /CapEff: 0+ NoNewPrivs: 1 Seccomp: 2/);
    await root(
      desk,
      `systemd-analyze security --no-pager --threshold=${EXPOSURE} ${service}.service > /tmp/security || { cat /tmp/security; false; }`,
    );
  }

  await root(desk, 'systemctl kill --signal=KILL virtwl-broker');
  await root(desk, until("[ $(journalctl -b -u virtwl-host@work | grep -c 'registered with the broker') = 2 ]"));
  t.pass('a broker that is killed comes back, and host processes find it');
  t.equal(await root(desk, 'systemctl show virtwl-host@work -p NRestarts --value'), '0\n');
});
