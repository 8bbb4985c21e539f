/**
 * The guest driver against a device that lies: in its answers, in what it says by itself, and in its rings. Programs get
 * clean errors, what is honest goes on working, and the guest's kernel has nothing to complain of.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { GuestProgram } from '../../src/vm/guest-program.js';
import { smallGuest } from './guests.js';
import { LIAR_MEMORY_BYTES, LyingDevice, type Asked, type Told } from './lying-device.js';
import {
  Command,
  DEVICE_ID,
  encodeHup,
  encodeRecv,
  encodeResponse,
  encodeVfdNew,
  encodeVfdNewResponse,
  NO_PFN,
  PFN_BYTES,
  Response,
} from '../../src/host/wl-device/wire.js';

const TIMEOUT_MS = process.env.VIRTWL_GUEST_KERNEL === undefined ? 240_000 : 3_600_000;
t.setTimeout(TIMEOUT_MS);

const directory = mkdtempSync(join(tmpdir(), 'virtwl-liar-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
const device = new LyingDevice(join(directory, 'wl'));
t.teardown(() => device.close());
const { machine } = await smallGuest(t, {
  name: 'victim',
  devices: [{ kind: 'wl', socket: join(directory, 'wl') }],
  programs: ['victim'],
});
t.teardown(() => device.close());

/** Runs the victim; its lines. */
async function victim(args: string): Promise<string[]> {
  const { output } = await machine.run(`/virtwl/victim ${args}`, TIMEOUT_MS);
  return output.trimEnd().split('\n');
}

/** A victim that waits to read. */
async function waitingReader(): Promise<GuestProgram> {
  const reader = await GuestProgram.start(machine, 'a reader', 'exec /virtwl/victim read');
  await reader.until('word of being ready', ({ output }) => output === 'ready\n', TIMEOUT_MS);
  return reader;
}

/** The answers to commands of this type, one after the other; all others are honest, and so is what comes after the last. */
function lieTo(type: number, lies: readonly ((asked: Asked) => Told)[]): void {
  const left = [...lies];
  device.answer = asked => (asked.type === type ? left.shift()?.(asked) : undefined);
}

const numbers = (...words: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer);
const message = (bytes: Uint8Array, length?: number): Told => (length === undefined ? { bytes } : { bytes, length });
/** A NEW of the device, by numbers as they are on the wire. */
const announced = (id: number, flags: number, pfnLow: number, pfnHigh: number, size: number): Told =>
  message(numbers(Command.New, 0, id, flags, pfnLow, pfnHigh, size, 0));
const made =
  (pfnLow: number, pfnHigh: number, size?: number) =>
  (asked: Asked): Told =>
    message(numbers(Response.VfdNew, 0, asked.id, 3, pfnLow, pfnHigh, size ?? asked.size, 0));

/** Answers to any NEW that are none. */
const NONSENSE: readonly ((asked: Asked) => Told)[] = [
  () => message(new Uint8Array(0)),
  () => message(numbers(Response.VfdNew)),
  asked => message(encodeVfdNewResponse({ id: asked.id, flags: 3 }), 4),
  asked => message(encodeVfdNewResponse({ id: asked.id, flags: 3 }), 20),
  () => message(encodeResponse(Response.Ok)),
  () => message(encodeResponse(0xdead as Response)),
  () => message(encodeResponse(0 as Response)),
  asked => message(encodeVfdNewResponse({ id: asked.id + 1, flags: 3 })),
  () => message(encodeVfdNewResponse({ id: DEVICE_ID, flags: 3 })),
  asked => message(numbers(Response.VfdNew + 1, 0, asked.id, 3, 0, 0, 4096)),
];

t.test('before it lies, the device is believed', async t => {
  t.same(await victim('hello 3'), ['3 of 3']);
  t.same(await victim('alloc 2'), ['alloc: works', 'alloc: works'], 'memory with nothing behind it may be touched');
  t.same(await victim('image'), ['image: ENOTTY']);
});

t.test('answers that are none', async t => {
  lieTo(Command.NewCtxNamed, NONSENSE);
  t.same(await victim(`context ${NONSENSE.length + 1}`), [...NONSENSE.map(() => 'context: EPROTO'), 'context: works']);
  lieTo(Command.New, NONSENSE);
  t.same(await victim(`alloc ${NONSENSE.length + 1}`), [...NONSENSE.map(() => 'alloc: EPROTO'), 'alloc: works']);
  lieTo(Command.NewDmabuf, [
    ...NONSENSE,
    asked => message(encodeVfdNewResponse({ id: asked.id, flags: 3, offset: 0, size: 4096 })),
  ]);
  t.same(
    await victim(`image ${NONSENSE.length + 2}`),
    [...NONSENSE.map(() => 'image: EPROTO'), 'image: EPROTO', 'image: ENOTTY'],
    'memory is no image',
  );
  lieTo(Command.Send, [
    asked => message(encodeVfdNewResponse({ id: asked.id, flags: 3 })),
    () => message(new Uint8Array(0)),
    () => message(numbers(7)),
    () => message(encodeResponse(0xffffffff as Response)),
    () => message(encodeResponse(Response.Ok), 0xffffffff),
  ]);
  t.same(
    await victim('send 6'),
    ['send: EPROTO', 'send: EPROTO', 'send: EPROTO', 'send: EPROTO', 'send: works', 'send: works'],
    'a length beyond the buffer is the buffer’s',
  );
});

t.test('a device that answers as crosvm’s does: with the type alone, and a pipe without its direction', async t => {
  device.terse = true;
  t.same(await victim('hello 3'), ['3 of 3'], 'SEND and CLOSE work');
  t.same(await victim('alloc 2'), ['alloc: works', 'alloc: works']);
  t.same(
    await victim('pipes'),
    ['reading end: read only, write EBADF', 'writing end: write only, write works'],
    'a pipe has the direction that was asked for',
  );
  t.same(await victim('image'), ['image: ENOTTY'], 'an error is that error');
  lieTo(Command.Send, [() => message(numbers(Response.InvalidId)), () => message(numbers(Response.Ok).subarray(0, 3))]);
  t.same(await victim('send 3'), ['send: ENOENT', 'send: EPROTO', 'send: works'], 'less than a type is no answer');
  device.terse = false;
});

t.test('memory where none may be', async t => {
  const last = LIAR_MEMORY_BYTES / PFN_BYTES - 1;
  const lies = [
    made(NO_PFN, 0),
    made(NO_PFN + 1, 0),
    made(last, 0, 8192),
    made(0, 0, 0),
    made(1, 0, 0xffffffff),
    made(0xffffffff, 0xffffffff),
    made(0, 0x80000000),
    // What wraps around to 0 when pages become bytes.
    made(0, 0x00100000),
  ];
  lieTo(Command.New, lies);
  t.same(await victim(`alloc ${lies.length + 1}`), [...lies.map(() => 'alloc: EPROTO'), 'alloc: works']);
});

t.test('messages that make no sense harm nobody, and the stream goes on', async t => {
  const id = (number: number): number => DEVICE_ID + number;
  const vfd = (number: number): Told => message(encodeVfdNew({ id: id(number), flags: 3 }));
  const lies: readonly ((asked: Asked) => readonly Told[])[] = [
    () => [message(new Uint8Array(0)), message(numbers(Command.Recv)), message(numbers(Command.Recv, 0), 0xffffffff)],
    () =>
      [0, 0x99, Command.Close, Command.Send, Command.NewCtx, Response.VfdNew, 0xffffffff].map(type =>
        message(numbers(type, 0, 1, 1, 1, 1, 1)),
      ),
    () => [
      message(numbers(Command.New, 0, id(1), 3)),
      message(numbers(Command.Hup, 0)),
      message(numbers(Command.Hup, 0, id(77))),
    ],
    // Ids that exist, that are not the device's to give, and that cannot be.
    asked => [vfd(1), vfd(1), vfd(1), announced(asked.id, 3, NO_PFN, 0, 0)],
    () =>
      [0, 1, 2047, 2048, 0x3fffffff, 0x80000000, 0xc0000001, 0xffffffff].map(number =>
        announced(number, 3, NO_PFN, 0, 0),
      ),
    () => [
      announced(id(2), 3, LIAR_MEMORY_BYTES / PFN_BYTES - 1, 0, 8192),
      announced(id(3), 3, 0xffffffff, 0xffffffff, 4096),
      announced(id(4), 3, 0, 0, 0xffffffff),
    ],
    () => [announced(id(5), 0xffffffff, NO_PFN, 0, 0xffffffff), announced(id(6), 0, 0, 0, 1)],
    // Counts beyond what there is, and beyond what fits a number.
    asked =>
      [1, 2, 1020, 1021, 0x3fffffff, 0x40000000, 0x80000000, 0xffffffff].map(count =>
        message(numbers(Command.Recv, 0, asked.id, count)),
      ),
    asked => [
      message(numbers(Command.Recv, 0, asked.id, 0xffffffff, id(1)), 0xffffffff),
      message(encodeRecv(asked.id, [], new Uint8Array(0))),
    ],
    // Vfds that do not exist, that are the guest's own, that the context itself is, that come twice.
    asked =>
      [[id(900)], [0], [asked.id], [0xffffffff], [id(901), asked.id]].map(ids =>
        message(encodeRecv(asked.id, ids, new Uint8Array(0))),
      ),
    asked => [
      vfd(10),
      message(encodeRecv(asked.id, [id(10), id(10), id(10)], new Uint8Array(0))),
      message(encodeRecv(asked.id, [id(10)], new Uint8Array(0))),
    ],
    // For vfds that do not exist, that were announced only, and that are memory.
    () => [7, 0, 2000, id(500), 0xffffffff].map(number => message(encodeRecv(number, [], numbers(1, 2, 3)))),
    () => [
      vfd(20),
      message(encodeRecv(id(20), [], numbers(1))),
      vfd(21),
      message(encodeRecv(id(20), [id(21)], numbers(1))),
      message(encodeRecv(id(20), [id(20)], numbers(1))),
    ],
    asked => [
      announced(id(30), 3, 5, 0, 4096),
      message(encodeRecv(id(30), [], numbers(1))),
      message(encodeRecv(asked.id, [id(30)], new Uint8Array(0))),
    ],
    // More at once than one receiver may have, and more than the driver lets be announced.
    asked => [
      ...Array.from({ length: 200 }, (_, i) => vfd(1000 + i)),
      message(
        encodeRecv(
          asked.id,
          Array.from({ length: 200 }, (_, i) => id(1000 + i)),
          new Uint8Array(0),
        ),
      ),
    ],
    () => Array.from({ length: 5000 }, (_, i) => vfd(10_000 + i)),
  ];
  for (const [i, lie] of lies.entries()) {
    let done = false;
    device.before = asked => {
      const told = done ? [] : lie(asked);
      done = true;
      return told;
    };
    t.same(await victim('hello 2'), ['2 of 2'], `messages ${i}`);
  }
  device.before = () => [];
});

t.test('a context that hangs itself up reads the end, and others do not', async t => {
  device.before = asked => [message(encodeHup(asked.id))];
  t.same(await victim('hello'), ['hello 0: EPIPE', '0 of 1']);
  device.before = () => [];
  t.same(await victim('hello 2'), ['2 of 2']);
});

t.test('a device that forgot everything says so, and all vfds end at once', async t => {
  device.before = asked => (Buffer.from(asked.data).toString() === 'forget' ? [message(encodeHup(0))] : []);
  device.answer = asked =>
    Buffer.from(asked.data).toString() === 'forget' ? message(encodeResponse(Response.InvalidId)) : undefined;
  t.same(await victim('forgotten'), ['read: end', 'memory: SIGBUS', 'send: ENOENT', 'mmap: ENODEV', 'new: works']);
  device.before = () => [];
});

t.test('who waits for an answer that never comes can be killed; who ends does not wait', async t => {
  // Killed when the kernel says that it waits there, and not before.
  const kill = async (args: string): Promise<string> =>
    (
      await machine.run(
        `/virtwl/victim ${args} & until grep -q wl_request_wait /proc/$!/wchan; do sleep 0.1; done; kill -9 $!; wait $!; echo ended with $?`,
        TIMEOUT_MS,
      )
    ).output;
  device.answer = asked => (asked.type === Command.NewCtxNamed ? 'none' : undefined);
  t.match(await kill('context'), 'ended with 137');
  device.answer = asked => (asked.type === Command.Send ? 'none' : undefined);
  t.match(await kill('send'), 'ended with 137');
  device.answer = asked => (asked.type === Command.Close ? 'none' : undefined);
  const reader = await waitingReader();
  await reader.signalAlone('TERM');
  t.equal((await reader.ended(TIMEOUT_MS)).status, 143, 'it ends');
  device.answer = () => undefined;
  t.same(await victim('hello 2'), ['2 of 2'], 'and the device may come to itself');
});

const REBIND = `
  dev=$(basename /sys/bus/virtio/drivers/virtio_wl/virtio*)
  echo $dev > /sys/bus/virtio/drivers/virtio_wl/unbind; echo $dev > /sys/bus/virtio/drivers/virtio_wl/bind
  ls /dev/wl0; /virtwl/victim hello 2`;

t.test('signals end the waits for room in the queue and for an id', async t => {
  device.answer = asked => (asked.type === Command.Send ? 'none' : undefined);
  t.same(await victim('full'), [
    'one: 16, then EAGAIN',
    'all: many, then EAGAIN',
    'poll: not writable',
    'send: EINTR',
    // What nobody answers leaves it room.
    'new: works',
  ]);
  device.answer = () => undefined;
  t.equal(
    (await machine.run(REBIND, TIMEOUT_MS)).output,
    '/dev/wl0\n2 of 2\n',
    'what was under way ends with the driver',
  );
  device.answer = asked => (asked.type === Command.Close ? 'none' : undefined);
  t.same(await victim('ids'), ['2047, then ENOSPC', 'one more: EINTR', 'without waiting: ENOSPC']);
  device.answer = () => undefined;
  t.equal(
    (await machine.run(REBIND, TIMEOUT_MS)).output,
    '/dev/wl0\n2 of 2\n',
    'thousands of closes that nobody answers end with the driver',
  );
});

t.test('a device that breaks the rules of a queue is as good as gone, until it is bound anew', async t => {
  const lies: Readonly<Record<string, (asked: Asked) => void>> = {
    'an answer to what was not asked': () => device.out.use(9999, 8),
    'an answer to what was answered': asked => {
      device.out.use(asked.head, 8);
      device.out.use(asked.head, 8);
    },
    'more answers than there are places': () => device.out.index(device.out.nextUsed + 1000),
    'a message in a buffer that is not there': () => device.in.use(0xffffffff, 8),
  };
  for (const [what, lie] of Object.entries(lies)) {
    device.answer = asked => {
      if (asked.type !== Command.New) return undefined;
      lie(asked);
      return 'none';
    };
    const reader = await waitingReader();
    t.match((await victim('alloc')).join(), /^alloc: (ENODEV|EPROTO)$/, what);
    t.equal((await reader.ended(TIMEOUT_MS)).output, 'ready\nread: end\n', 'who waits reads the end');
    t.same(await victim('context'), ['open: ENODEV']);
    device.answer = () => undefined;
    t.equal(
      (await machine.run(REBIND, TIMEOUT_MS)).output,
      '/dev/wl0\n2 of 2\n',
      'the next driver finds nothing wrong',
    );
  }
});

t.test('the driver can be unloaded, and the kernel has nothing to complain of', async t => {
  const { output } = await machine.run(
    `
    rmmod virtio_wl && insmod /modules/virtio_wl.ko && /virtwl/victim hello 2
    dmesg | grep -E "WARNING:|BUG:|INFO:|Oops:|UBSAN:|ODEBUG:|memtype|lockup|refcount_t|leaked"`,
    TIMEOUT_MS,
  );
  t.equal(output, '2 of 2\n');
});
