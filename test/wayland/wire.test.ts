import t, { type Test } from 'tap';
import { type OwnedFd } from '../../src/system/fd.js';
import { defineInterface, type Interface, type Message } from '../../src/wayland/interface.js';
import { interfaces } from '../../src/wayland/protocols/index.js';
import { MessageWriter } from '../../src/wayland/message-writer.js';
import {
  checkMessage,
  checkSize,
  findObjects,
  HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_OBJECT_ARGS,
  readArgs,
  readOpcode,
  readSize,
  readUint,
  WireError,
  type WireErrorKind,
  type WireValue,
  writeUint,
} from '../../src/wayland/wire.js';
import { Random } from './random.js';

/** A message of any signature, as the builder makes it. */
function message(line: string): Message {
  return defineInterface('test', 1, { requests: [line] }).requests[0]!;
}

function encode(signature: Message, args: readonly WireValue[], id = 7): Uint8Array {
  const writer = new MessageWriter();
  writer.write(id, signature, args);
  return writer.bytes.slice();
}

/** Stands for a descriptor: the wire format never looks inside. */
function fakeFd(): OwnedFd {
  return { release: () => 0, close: () => {} } as unknown as OwnedFd;
}

function throwsKind(test: Pick<Test, 'throws'>, run: () => void, kind: WireErrorKind, what: string): void {
  test.throws(run, { name: 'WireError', kind }, what);
}

t.test('the builder', async t => {
  t.test('computes what the tables leave out', async t => {
    const { requests } = defineInterface('thing', 3, {
      requests: ['first a:int b:object(wl_surface)? c:fd', 'second!@2 name:string id:new_id(wl_buffer)', 'third'],
    });
    t.match(requests[0], { name: 'first', opcode: 0, since: 1, destructor: false, fds: 1, fixedSize: 8, plain: false });
    t.same(requests[0]!.objectOffsets, [12]);
    t.match(requests[1], {
      name: 'second',
      opcode: 1,
      since: 2,
      destructor: true,
      fds: 0,
      fixedSize: -1,
      plain: false,
    });
    t.equal(requests[1]!.objectOffsets, undefined, 'the id is behind a string');
    t.match(requests[2], { name: 'third', opcode: 2, fixedSize: 0, plain: true });
  });

  t.test('refuses a line that is no message', async t => {
    for (const line of ['', 'a b', 'a b:word', 'a! @2', 'a b:object(', 'a  b:int']) {
      t.throws(() => message(line), SyntaxError, JSON.stringify(line));
    }
  });
});

t.test('the tables', async t => {
  t.test('name no interface that is not in them', async t => {
    for (const item of interfaces.values()) {
      for (const { args, name } of [...item.requests, ...item.events]) {
        for (const arg of args) {
          if (arg.interface !== undefined && !interfaces.has(arg.interface)) {
            t.fail(`${item.name}.${name} names ${arg.interface}`);
          }
        }
      }
    }
  });

  t.test('stay within what the code that uses them has room for', async t => {
    const all = [...interfaces.values()].flatMap(item => [...item.requests, ...item.events]);
    t.ok(all.every(item => item.objectArgs.length <= MAX_OBJECT_ARGS));
    t.ok(all.every(item => item.fds <= 2));
  });

  t.test('agree with the core protocol where it can be said by heart', async t => {
    const surface = interfaces.get('wl_surface')!;
    t.same(
      surface.requests.slice(0, 7).map(item => item.name),
      ['destroy', 'attach', 'damage', 'frame', 'set_opaque_region', 'set_input_region', 'commit'],
    );
    t.match(interfaces.get('wl_registry')!.requests[0], { name: 'bind', fixedSize: -1, objectOffsets: undefined });
    t.match(interfaces.get('wl_keyboard')!.events[0], { name: 'keymap', fds: 1, fixedSize: 8 });
    t.match(interfaces.get('virtwl_slab_v1')!.events[0], { name: 'memory', fds: 1, fixedSize: 4 });
    t.match(interfaces.get('virtwl_slab_v1')!.requests[0], { destructor: true });
  });
});

t.test('encoding', async t => {
  t.test('lays words, strings and arrays out as the protocol says', async t => {
    const bytes = encode(message('m a:int b:uint c:fixed d:string e:array f:object'), [
      -2,
      0xfffffffe,
      -1.5,
      'abc',
      Uint8Array.of(9, 8, 7, 6, 5),
      3,
    ]);
    t.same(
      [...bytes],
      [
        ...[7, 0, 0, 0, 0, 0, 44, 0],
        ...[0xfe, 0xff, 0xff, 0xff],
        ...[0xfe, 0xff, 0xff, 0xff],
        ...[0x80, 0xfe, 0xff, 0xff],
        ...[4, 0, 0, 0, 0x61, 0x62, 0x63, 0],
        ...[5, 0, 0, 0, 9, 8, 7, 6, 5, 0, 0, 0],
        ...[3, 0, 0, 0],
      ],
    );
  });

  t.test('keeps the header: object, opcode, size', async t => {
    const second = defineInterface('x', 1, { events: ['a', 'b v:uint'] }).events[1]!;
    const bytes = encode(second, [5], 0xff000001);
    t.equal(readUint(bytes, 0), 0xff000001);
    t.equal(readOpcode(bytes, 0), 1);
    t.equal(readSize(bytes, 0), 12);
  });

  t.test('writes an untyped new object as its interface, version and id', async t => {
    const bind = interfaces.get('wl_registry')!.requests[0]!;
    const bytes = encode(bind, [4, { interface: 'wl_shm', version: 1, id: 9 }]);
    t.equal(bytes.length, 8 + 4 + 4 + 8 + 4 + 4);
    checkMessage(bind, bytes, 0, bytes.length);
    t.same(readArgs(bind, bytes, 0, []), [4, { interface: 'wl_shm', version: 1, id: 9 }]);
  });

  t.test('refuses values that the wire cannot carry, and keeps what was written before', async t => {
    const writer = new MessageWriter();
    writer.write(1, message('ok v:uint'), [1]);
    const before = writer.bytes.slice();
    const bad: [string, WireValue][] = [
      ['m v:int', 0x80000000],
      ['m v:int', 1.5],
      ['m v:uint', -1],
      ['m v:uint', 0x100000000],
      ['m v:fixed', 0x800000],
      ['m v:fixed', NaN],
      ['m v:string', undefined],
      ['m v:string', 'a\0b'],
      ['m v:string', 5],
      ['m v:object', undefined],
      ['m v:object?', 0],
      ['m v:new_id', 0],
      ['m v:array', 'text'],
      ['m v:bind', 5],
      ['m v:bind', { interface: 'a', version: 1, id: 0 }],
      ['m v:fd', 3],
    ];
    for (const [line, value] of bad) {
      throwsKind(t, () => writer.write(1, message(line), [value]), 'value', `${line} = ${JSON.stringify(value)}`);
    }
    throwsKind(t, () => writer.write(1, message('m v:fd w:uint'), [fakeFd(), -1]), 'value', 'bad after an fd');
    throwsKind(t, () => writer.write(1, message('m v:uint'), []), 'value', 'an argument too few');
    t.same(writer.bytes, before);
    t.same(writer.fds, []);
  });

  t.test('ends at 4,096 bytes', async t => {
    const text = message('m s:string');
    const room = MAX_MESSAGE_BYTES - HEADER_BYTES - 4 - 1;
    const longest = encode(text, ['x'.repeat(room)]);
    t.equal(longest.length, MAX_MESSAGE_BYTES);
    checkMessage(text, longest, 0, longest.length);
    throwsKind(t, () => encode(text, ['x'.repeat(room + 1)]), 'size', 'one byte more');
    throwsKind(t, () => encode(message('m s:string v:uint'), ['x'.repeat(room), 1]), 'size', 'a word more');
    throwsKind(
      t,
      () => encode(message('m v:bind'), [{ interface: 'x'.repeat(room), version: 1, id: 1 }]),
      'size',
      'an id more',
    );
  });

  t.test('grows its buffer and forgets on reset', async t => {
    const writer = new MessageWriter(1);
    const item = message('m s:string fd:fd');
    for (let i = 0; i < 10; i++) writer.write(i + 1, item, ['x'.repeat(3000), fakeFd()]);
    t.equal(writer.fds.length, 10);
    t.equal(writer.length, 10 * readSize(writer.bytes, 0));
    t.equal(readUint(writer.bytes, 9 * readSize(writer.bytes, 0)), 10);
    writer.reset();
    t.equal(writer.length, 0);
    t.equal(writer.fds.length, 0);
  });

  t.test('pads with zeros, whatever the buffer held before', async t => {
    const writer = new MessageWriter();
    writer.write(1, message('m a:array'), [new Uint8Array(100).fill(255)]);
    writer.reset();
    writer.write(1, message('m s:string a:array'), ['a', Uint8Array.of(1)]);
    t.same([...writer.bytes.subarray(HEADER_BYTES)], [2, 0, 0, 0, 0x61, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
  });

  t.test('appends whole messages as they are', async t => {
    const writer = new MessageWriter(1);
    const small = encode(message('m v:uint'), [1]);
    const large = encode(message('m s:string'), ['y'.repeat(4000)]);
    t.equal(writer.append(small, 0, small.length), 0);
    t.equal(writer.append(large, 0, large.length), small.length);
    t.same(writer.bytes, Uint8Array.from([...small, ...large]));
  });
});

t.test('checking', async t => {
  t.test('the size in a header', async t => {
    for (const size of [8, 12, 4096]) checkSize(size);
    for (const size of [0, 4, 7, 9, 10, 4097, 4100, 65535]) throwsKind(t, () => checkSize(size), 'size', String(size));
  });

  t.test('a body must be as long as its arguments, no more and no less', async t => {
    for (const line of ['m', 'm a:int b:object', 'm s:string v:int', 'm a:array', 'm v:bind']) {
      const item = message(line);
      const values: Record<string, WireValue> = {
        int: 1,
        object: 2,
        string: 'text',
        array: Uint8Array.of(1, 2, 3),
        bind: { interface: 'wl_seat', version: 1, id: 4 },
      };
      const bytes = encode(
        item,
        item.args.map(arg => values[arg.kind]!),
      );
      const padded = new Uint8Array(bytes.length + 8);
      padded.set(bytes);
      checkMessage(item, padded, 0, bytes.length);
      throwsKind(t, () => checkMessage(item, padded, 0, bytes.length + 4), 'size', `${line}: trailing word`);
      for (let size = HEADER_BYTES; size < bytes.length; size += 4) {
        throwsKind(t, () => checkMessage(item, padded, 0, size), 'size', `${line}: cut at ${size}`);
      }
    }
  });

  t.test('a length near the end of the number range does not wrap around', async t => {
    for (const line of ['m s:string', 'm a:array', 'm b:bind']) {
      for (const length of [0xffffffff, 0xfffffffd, 0x80000000, 0x7fffffff, 5]) {
        const bytes = new Uint8Array(HEADER_BYTES + 8);
        writeUint(bytes, HEADER_BYTES, length);
        throwsKind(t, () => checkMessage(message(line), bytes, 0, bytes.length), 'size', `${line} of ${length}`);
      }
    }
  });

  t.test('a string ends with its only NUL', async t => {
    const item = message('m s:string');
    const bytes = encode(item, ['abcd']);
    bytes[HEADER_BYTES + 4 + 4] = 0x65;
    throwsKind(t, () => checkMessage(item, bytes, 0, bytes.length), 'string', 'no NUL');
    bytes[HEADER_BYTES + 4 + 4] = 0;
    bytes[HEADER_BYTES + 4 + 1] = 0;
    throwsKind(t, () => checkMessage(item, bytes, 0, bytes.length), 'string', 'a NUL inside');
    const empty = encode(item, ['']);
    checkMessage(item, empty, 0, empty.length);
    t.same(readArgs(item, empty, 0, []), ['']);
  });

  t.test('null only where the protocol allows it', async t => {
    const bytes = new Uint8Array(HEADER_BYTES + 4);
    for (const line of ['m v:object', 'm v:new_id', 'm v:string']) {
      throwsKind(t, () => checkMessage(message(line), bytes, 0, bytes.length), 'null', line);
    }
    for (const line of ['m v:object?', 'm v:string?']) {
      checkMessage(message(line), bytes, 0, bytes.length);
      t.same(readArgs(message(line), bytes, 0, []), [undefined]);
    }
    const late = message('m s:string o:object');
    const body = encode(late, ['abc', 9]);
    writeUint(body, body.length - 4, 0);
    throwsKind(t, () => checkMessage(late, body, 0, body.length), 'null', 'behind a string');
    const bind = encode(message('m b:bind'), [{ interface: 'abc', version: 1, id: 1 }]);
    writeUint(bind, bind.length - 4, 0);
    throwsKind(t, () => checkMessage(message('m b:bind'), bind, 0, bind.length), 'null', 'an untyped new object');
  });

  t.test('an error says which message and argument', async t => {
    const attach = interfaces.get('wl_shm_pool')!.requests[0]!;
    t.throws(() => checkMessage(attach, new Uint8Array(32), 0, 32), { message: /create_buffer.*'id' is null/ });
  });
});

t.test('decoding keeps a string as it is, a byte order mark included', async t => {
  const item = message('m s:string');
  for (const text of ['', '\ufeffa', 'é漢🦊']) t.same(readArgs(item, encode(item, [text]), 0, []), [text]);
});

t.test('decoding takes fds in order, and none when there are too few', async t => {
  const item = message('m a:fd b:uint c:fd');
  const fds = [fakeFd(), fakeFd(), fakeFd()];
  const bytes = encode(item, [fds[0]!, 5, fds[1]!]);
  t.equal(bytes.length, 12);
  const waiting = [...fds];
  t.same(readArgs(item, bytes, 0, waiting), [fds[0], 5, fds[1]]);
  t.equal(waiting.length, 1);
  throwsKind(t, () => readArgs(item, bytes, 0, waiting), 'fd', 'one fd for two');
  t.equal(waiting.length, 1);
});

t.test('every message of every table', async t => {
  const random = new Random(1);
  const out = new Int32Array(MAX_OBJECT_ARGS);

  function valueFor(kind: string, nullable: boolean): WireValue {
    switch (kind) {
      case 'int':
        return random.below(0x100000000) - 0x80000000;
      case 'fixed':
        return (random.below(0x100000000) - 0x80000000) / 256;
      case 'uint':
        return random.below(0x100000000);
      case 'new_id':
        return 1 + random.below(0xffffffff);
      case 'object':
        return nullable && random.below(2) === 0 ? undefined : 1 + random.below(0xffffffff);
      case 'string':
        return nullable && random.below(2) === 0
          ? undefined
          : 'é✓x'.repeat(random.below(20)) + 'a'.repeat(random.below(4));
      case 'array':
        return Uint8Array.from({ length: random.below(70) }, () => random.below(256));
      case 'bind':
        return { interface: 'i'.repeat(random.below(30)), version: random.below(9), id: 1 + random.below(0xfeffffff) };
      default:
        return fakeFd();
    }
  }

  function roundTrip(owner: Interface, item: Message): void {
    const name = `${owner.name}.${item.name}`;
    const args = item.args.map(arg => valueFor(arg.kind, arg.nullable === true));
    const writer = new MessageWriter();
    writer.append(new Uint8Array(1), 0, 1); // so that nothing is aligned
    writer.write(42, item, args);
    const size = writer.length - 1;
    checkMessage(item, writer.bytes, 1, size);
    if (readSize(writer.bytes, 1) !== size || (item.fixedSize >= 0 && size !== HEADER_BYTES + item.fixedSize)) {
      t.fail(`${name}: size`);
    }
    const decoded = readArgs(item, writer.bytes, 1, [...writer.fds]);
    if (!decoded.every((value, i) => equal(value, args[i]))) t.same(decoded, args, name);

    const ids = item.args.flatMap((arg, i) => {
      if (arg.kind === 'object' || arg.kind === 'new_id') return [args[i] ?? 0];
      return arg.kind === 'bind' ? [(args[i] as { id: number }).id] : [];
    });
    const count = findObjects(item, writer.bytes, 1, out);
    const found = Array.from(out.subarray(0, count), at => readUint(writer.bytes, at));
    if (found.join() !== ids.join()) t.same(found, ids, `${name}: object ids`);
  }

  function equal(a: WireValue, b: WireValue): boolean {
    if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
    if (typeof a === 'object' && a !== null && 'interface' in a) return JSON.stringify(a) === JSON.stringify(b);
    return a === b;
  }

  let count = 0;
  for (const item of interfaces.values()) {
    for (const entry of [...item.requests, ...item.events]) {
      for (let i = 0; i < 20; i++) roundTrip(item, entry);
      count += 1;
    }
  }
  t.ok(count > 700, `${count} messages, 20 times each`);
  t.ok(new WireError('size', 'x') instanceof Error);
});
