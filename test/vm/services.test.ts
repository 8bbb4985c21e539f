/**
 * docs/vm-images.md, followed by the letter: the host as the page has it, and two real VMs under a real systemd, with the commands
 * and files of the page as they stand there. In the compositor VM the units are put in place by `virtwl units --install`, in the
 * client VM they are the page's own. An application of the client VM that knows nothing but its user's manager opens a window
 * on the other's compositor, so does one that D-Bus starts, and at the end every pixel of a window is compared.
 *
 * The host's units run in the compositor VM as well, for a VM that is not there: what is tested of them is that they start,
 * and what they may do.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { HostParts, VIRTWL } from '../../src/demo/host-parts.js';
import { bootGuest } from '../../src/vm/guest.js';
import { GUEST_USER } from '../../src/vm/images.js';
import type { Machine } from '../../src/vm/machine.js';
import { FollowedPage } from '../docs/page.js';

t.setTimeout(890_000);

/** How long anything may take in a guest, in seconds. Emulated on a busy machine, most takes a tenth of it. */
const TIMEOUT_S = 240;

const page = new FollowedPage('docs/vm-images.md');
/** What of the page is not followed here, by where it stands and how it begins, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'The package: npm install --global ./virtwl-0.1.0.tgz    # any distribution with glibc, as root':
    'npm run package installs these and tries them, without a network (test/setup/installed-package.ts)',
  'The package: npm install --global node-gyp nan': 'fetches both, and a compiler is needed',
  'The driver: apt install dkms linux-headers-cloud-amd64':
    'fetches these; the guests have the driver in their RAM disk',
  'Without systemd: #!/bin/sh': 'needs runit, and the guests have systemd',
  'Without systemd: exec chpst -u user:user:wl virtwl compositor -- sway': 'the same',
  'VMs that stay up: virtwl vm up desk work mail --package gimp    # stays; the first is the compositor VM':
    'makes VMs of its own: test/vm/up.test.ts',
};

/** The host, on this machine. */
class Host extends HostParts {
  /** Starts what each line of a shell has in the foreground. */
  static async start(lines: readonly string[]): Promise<Host> {
    const host = new Host({ log: (part, line) => t.comment(`${part}: ${line}`) });
    t.teardown(() => host.stop());
    for (const line of lines) {
      const [subcommand = '', ...args] = host.#words(line);
      const vm = args[args.indexOf('--vm') + 1];
      await host.says(host.spawn(subcommand === 'host' ? `${vm}-host` : subcommand, [subcommand, ...args]), /^ready: /);
    }
    return host;
  }

  /** What `virtwl host --print qemu` says to the arguments of a line, on both its streams. */
  printed(line: string): { readonly args: string; readonly note: string } {
    const { stdout, stderr } = spawnSync(process.execPath, [VIRTWL, ...this.#words(line), '--print', 'qemu'], {
      ...{ encoding: 'utf8', env: this.env() },
    });
    return { args: stdout.trim(), note: stderr.trim() };
  }

  wlSocket(vm: string): string {
    return join(this.directory, `${vm}.wl`);
  }

  /** As a shell on this host reads them. */
  #words(line: string): string[] {
    const [, args] = /^virtwl (.*)$/.exec(line) ?? [];
    if (args === undefined) throw new Error(`the page has "${line}", where a command of virtwl is expected`);
    const words = execFileSync('sh', ['-c', `printf '%s\\n' ${args}`], { encoding: 'utf8', env: this.env() });
    return words.trimEnd().split('\n');
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

/** A line for a shell that writes a file. */
function write(path: string, text: string): string {
  return `mkdir -p $(dirname ${path}); echo ${Buffer.from(text).toString('base64')} | base64 -d > ${path}`;
}

/** Boots a VM by its own systemd, with the package where npm install --global puts it, and makes the user. */
async function boot(name: string, wlSocket: string): Promise<Machine> {
  const say = (line: string): void => t.comment(`${name}: ${line}`);
  const machine = await bootGuest({
    ...{ guest: 'compositor', name, system: true },
    devices: [{ kind: 'wl', socket: wlSocket }],
    ...{ onLine: say, say },
  });
  t.teardown(() => machine.stop());
  say(`up after ${(machine.bootMs / 1000).toFixed(1)} s`);
  await root(
    machine,
    `mkdir -p /usr/local/lib/node_modules
    cp -a /virtwl/package /usr/local/lib/node_modules/virtwl
    chmod 755 /usr/local/lib/node_modules/virtwl/dist/bundle/cli/main.js
    ln -s ../lib/node_modules/virtwl/dist/bundle/cli/main.js /usr/local/bin/virtwl
    # Guests of ours have a user already. Here it is the page's.
    userdel --remove ${GUEST_USER} 2> /dev/null`,
  );
  for (const line of page.commands('Users').flat()) await root(machine, line);
  return machine;
}

/** Puts the files of a section that lie in the user's home, or all others, where the page says. */
async function putFiles(machine: Machine, section: string, home: boolean): Promise<void> {
  for (const path of page.files(section)) {
    if (path.startsWith('~/') !== home) continue;
    await (home ? user : root)(machine, write(path, page.file(path, section)));
  }
}

/** Does what a section says is to be done then: the first commands as root, the others as the user. */
async function setUp(machine: Machine, section: string): Promise<void> {
  const [asRoot = [], asUser = []] = page.commands(section);
  for (const line of asRoot) await root(machine, line);
  // A user's manager that was asked for by enable-linger is soon there.
  await user(machine, until('[ -S /run/user/1000/systemd/private ]'));
  for (const line of asUser) await user(machine, line);
}

const [services = [], qemu = []] = page.commands('The host');
const host = await Host.start(services);
const names = ['desk', 'work'] as const;
const [desk, work] = (await Promise.all(names.map(vm => boot(vm, host.wlSocket(vm))))) as [Machine, Machine];

t.test('the host says of QEMU what the page says', async t => {
  const { args, note } = host.printed(services.find(line => line.includes('--vm desk'))!);
  const memory = /-machine .*/.exec(note)?.[0].replace('SIZE', '1G');
  t.equal(qemu.join(' ').replaceAll('$XDG_RUNTIME_DIR', host.directory), `${memory} ${args}`);
  // Ours gets the connection, and not the path: that is how it ends with its host process.
  const [, device = ''] = / -device (\S+)/.exec(args) ?? [];
  const started = readFileSync(`/proc/${desk.pid}/cmdline`, 'utf8').split('\0');
  t.ok(started.includes(device), 'and the VMs were started so');
});

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

t.test('the compositor VM, its units put in place by the command', async t => {
  const section = 'The compositor VM';
  await root(desk, 'virtwl units --role compositor --install');
  for (const path of page.files(section)) {
    if (path.startsWith('~/')) continue;
    const installed = await root(desk, `cat ${path}`);
    t.equal(installed.replace('=/usr/local/bin/virtwl', '=virtwl'), page.file(path, section), path);
  }
  await putFiles(desk, section, true);
  await setUp(desk, section);
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

t.test('the client VM, its units copied from the page', async t => {
  const section = 'A client VM';
  const rule = '/etc/udev/rules.d/70-virtwl.rules';
  t.equal(page.file(rule, section), page.file(rule, 'The driver'), 'there is one rule for the device');
  await putFiles(work, section, false);
  await setUp(work, section);
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
  await root(desk, write(conf, `${page.file(conf)}probe\nsocket bus=/run/dbus/system_bus_socket\n`));
  const said = await root(desk, 'virtwl units --role host --install');
  const lines = [...said.matchAll(/then: (.*)$/gm)].map(([, line = '']) => line.replace(/\bNAME\b/g, 'work'));
  t.ok(lines.length > 2, `it says what is to be done: ${lines.join('; ')}`);
  for (const line of lines) await root(desk, line);
  for (const service of services) await root(desk, until(`journalctl -b -u ${service} | grep -q 'ready: '`));
  await root(desk, until("journalctl -b -u virtwl-host@work | grep -q 'registered with the broker'"));
  const servers = await root(desk, 'ls /run/virtwl/vms/work/wl.sock.servers');
  t.same(
    servers.split('\n').filter(Boolean),
    ['bus', 'probe', 'wayland', 'wayland-status'],
    'the file is heeded, all of it',
  );
  t.match(
    // A process may take longer than a second to answer while others start beside it, and counts as frozen then.
    await root(desk, `${until('virtwl status > /tmp/status')}\ncat /tmp/status`),
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

t.test('does it work?', async t => {
  const [asRoot = [], ofCompositor = [], ofClient = []] = page.commands('Does it work?');
  for (const machine of [desk, work]) {
    const said = await root(machine, asRoot.join('\n'));
    t.match(said, /^crw-rw---- 1 root wl .* \/dev\/wl0\n.* : virtio_wl$/m, machine.options.name);
  }
  t.match(await user(desk, ofCompositor.join('\n')), /All of it worked/);
  const frames = await user(work, ofClient.join('\n'));
  t.match(frames, /^shown +10$[^]*^pass$/m, 'every pixel of a window of the client VM is on the compositor');
  t.comment(frames);
});

t.test('the whole page was followed', async t => {
  for (const [block, why] of Object.entries(ELSEWHERE)) t.comment(`not here: ${block}: ${why}`);
  t.same(page.passedOver, Object.keys(ELSEWHERE));
});
