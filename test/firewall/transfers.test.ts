/**
 * The clipboard in the hands of a client that does not read what it asked for: it may wait for ever itself, but nobody
 * else may wait with it.
 */
import { spawnSync } from 'node:child_process';
import t, { type Test } from 'tap';
import { OwnedFd } from '../../src/system/fd.js';
import { native, POLL_READABLE, POLL_WRITABLE } from '../../src/system/native.js';
import type { Display } from '../../src/wayland-client/display.js';
import type { WaylandObject } from '../../src/wayland-client/wayland-object.js';
import { eventually } from '../eventually.js';
import { within } from '../fuzz/semantic/bystander.js';
import { SIEGE } from './siege.js';
import { answered, HOSTILE, PATIENCE_MS, Siege, VICTIM } from './siege.js';
import { Senses, Window } from './window.js';

/** More than all pipes and buffers on the way hold together. */
const MANY_BYTES = 400_000;
/** Pastes that a hostile VM begins: more than there may be transfers of one VM. */
const PASTES = 140;

/** A client with a window and a data device. */
class Paster {
  offer: WaylandObject<'wl_data_offer'> | undefined;
  /** Asked of its own source. */
  readonly sends: OwnedFd[] = [];
  private constructor(
    readonly display: Display,
    readonly senses: Senses,
    readonly device: WaylandObject<'wl_data_device'>,
  ) {}

  static async open(siege: Siege, vm: string): Promise<Paster> {
    const display = await siege.connect(vm);
    const senses = new Senses(display);
    const manager = display.bindOnce('wl_data_device_manager', 3);
    const paster = new Paster(display, senses, manager.create('get_data_device', senses.seat));
    paster.device.on('selection', offer => (paster.offer = offer));
    await Window.open(display, 0x406080, vm);
    await eventually(`VM "${vm}" has the keyboard`, () => senses.keyboardSerial > 0);
    return paster;
  }

  /** Puts something into the clipboard; who asks for it is remembered in `sends`. */
  async copy(type: string): Promise<void> {
    const source = this.display.bindOnce('wl_data_device_manager', 3).create('create_data_source');
    source.on('send', (_type: string, fd: OwnedFd) => this.sends.push(fd));
    source.request('offer', type);
    this.device.request('set_selection', source, this.senses.keyboardSerial);
    await this.display.roundtrip();
    await eventually('the clipboard is offered', () => this.offer !== undefined);
  }

  /** Asks for what is in the clipboard; the reading end is the caller's. */
  paste(type: string): OwnedFd {
    const [read, write] = native.pipe();
    this.offer!.request('receive', type, new OwnedFd(write));
    return new OwnedFd(read);
  }
}

/** Writes it all and closes the pipe, or ends when nobody reads. */
async function writeAll(fd: OwnedFd, data: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < data.length;) {
      const written = native.write(fd.fd, data, at, data.length - at);
      if (written < 0) await ready(fd, POLL_WRITABLE);
      else at += written;
    }
  } catch {
    // The reader has gone.
  }
  fd.close();
}

async function readAll(fd: OwnedFd): Promise<number> {
  const buffer = new Uint8Array(65536);
  for (let total = 0; ;) {
    const length = native.read(fd.fd, buffer);
    if (length === 0) {
      fd.close();
      return total;
    }
    if (length < 0) await ready(fd, POLL_READABLE);
    else total += length;
  }
}

function ready(fd: OwnedFd, events: number): Promise<void> {
  return new Promise(resolve => {
    const poll = new native.Poll(fd.fd, () => {
      poll.close();
      resolve();
    });
    poll.start(events);
  });
}

/** Clears O_NONBLOCK of an open file for all its holders: the descriptors of a new process are made to block. */
function makeBlock(fd: OwnedFd): void {
  spawnSync('true', [], { stdio: ['ignore', fd.fd, 'ignore'] });
}

async function siegeOf(t: Test): Promise<Siege> {
  return Siege.begin(t);
}

t.test('a pipe that is made to block holds nobody else up', SIEGE, async t => {
  const siege = await siegeOf(t);
  const victim = await siege.connect(VICTIM);
  await Window.open(victim);
  const hostile = await Paster.open(siege, HOSTILE);
  await hostile.copy('x');

  const [read, write] = native.pipe().map(fd => new OwnedFd(fd)) as [OwnedFd, OwnedFd];
  t.teardown(() => {
    read.close();
    write.close();
  });
  hostile.offer!.request('receive', 'x', new OwnedFd(native.dup(write.fd)));
  await eventually('it is asked for its own data', () => hostile.sends.length === 1);
  await answered(victim);
  makeBlock(write);
  // Nobody reads: the pipe fills, and the process that writes to it then waits.
  const writing = writeAll(hostile.sends[0]!, new Uint8Array(MANY_BYTES));
  await new Promise(resolve => setTimeout(resolve, 300));
  let trips = 0;
  await t.resolves(
    (async () => {
      for (; trips < 100; trips++) await answered(victim);
    })(),
    'the victim is answered meanwhile',
  );
  t.equal(trips, 100, 'a hundred times');
  await t.resolves(siege.connect(VICTIM), 'and a new client of its VM is served');
  read.close();
  hostile.display.close();
  await writing;
});

t.test('who pastes and does not read keeps nobody from pasting', SIEGE, async t => {
  const siege = await siegeOf(t);
  const data = new Uint8Array(MANY_BYTES);
  const owner = await Paster.open(siege, VICTIM);
  await owner.copy('text/plain');
  let served = 0;
  const serving = setInterval(() => {
    for (; served < owner.sends.length; served++) void writeAll(owner.sends[served]!, data);
  }, 5);
  t.teardown(() => clearInterval(serving));

  const hostile = await Paster.open(siege, HOSTILE);
  await eventually('the hostile VM is offered the clipboard', () => hostile.offer !== undefined);
  const held: OwnedFd[] = [];
  t.teardown(() => held.forEach(fd => fd.close()));
  for (let i = 0; i < PASTES; i++) {
    held.push(hostile.paste('text/plain'));
    if (i % 10 === 9) await hostile.display.roundtrip().catch(() => undefined);
  }
  await answered(owner.display);
  t.comment(`the victim was asked ${owner.sends.length} times`);

  const other = await Paster.open(siege, VICTIM);
  await eventually('the victim is offered its own clipboard', () => other.offer !== undefined);
  const read = other.paste('text/plain');
  const got = await within(PATIENCE_MS, 'the victim waits in vain for its own clipboard', readAll(read));
  t.equal(got, MANY_BYTES, 'the victim has all of its own clipboard');
});
