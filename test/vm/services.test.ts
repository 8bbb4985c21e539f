/**
 * The units of `virtwl units`, under a real systemd in two real VMs: put in place by the command, with what it says that is
 * to be done then done to the letter. The compositor VM serves, an application of the client VM that knows nothing but its
 * user's manager opens a window there, and so does one that D-Bus starts. The host's units run in the compositor VM as well,
 * for a VM that is not there: what is tested of them is that they start, and what they may do.
 */
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

/** Lines for a shell that wait until a command succeeds. */
function until(command: string): string {
  return (
    `for i in $(seq ${TIMEOUT_S * 2}); do { ${command}; } && break; sleep 0.5; done > /dev/null 2>&1\n` +
    `{ ${command}; } || { echo 'not within ${TIMEOUT_S} s'; exit 1; }`
  );
}

/** Properties of a unit. */
function properties(text: string): Record<string, string> {
  return Object.fromEntries(text.split('\n').flatMap(line => /^(\w+)=(.*)$/.exec(line)?.slice(1, 3) ? [[line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]] : []));
}

/** Boots a VM by its own systemd, and puts the package where npm install --global does. */
async function boot(name: string, wlSocket: string): Promise<Machine> {
  const say = (line: string): void => t.comment(`${name}: ${line}`);
  const machine = await bootGuest({ guest: 'compositor', name, wlSocket, system: true, onLine: say, say });
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
async function install(machine: Machine, role: string, names: Readonly<Record<string, string>>): Promise<void> {
  const said = await root(machine, `virtwl units --role ${role} --install`);
  const lines = [...said.matchAll(/then: (.*)$/gm)].map(([, line = '']) =>
    line.replace(/\b(USER|NAME)\b/g, word => names[word] ?? word),
  );
  t.ok(lines.length > 2, `${role}: ${lines.join('; ')}`);
  for (const line of lines) {
    const [, command] = new RegExp(`^as ${GUEST_USER}: (.*)`).exec(line) ?? [];
    await (command === undefined ? root(machine, line) : user(machine, command));
  }
}

const host = await Host.start();
const [desk, work] = await Promise.all(['desk', 'work'].map(vm => boot(vm, host.wlSocket(vm)))) as [Machine, Machine];

t.test('a try', async t => {
  t.comment(await root(desk, 'systemctl --no-pager --failed; systemd-analyze; systemd-analyze blame | head -20; id user; ls -l /dev/wl0'));
  void work; void until; void properties; void ({} as Test); void install;
});
