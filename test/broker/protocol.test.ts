import t from 'tap';
import {
  decodeRegistrant,
  encodeRegistrant,
  checkVmName,
  encodeRecord,
  Kind,
  MAX_TEXT_BYTES,
  MAX_VM_NAME_BYTES,
  Mode,
  RecordError,
  RecordReader,
  Role,
  type BrokerRecord,
} from '../../src/broker/protocol.js';
import { Random } from '../wayland/random.js';

t.test('the layout of a record', async t => {
  const bytes = encodeRecord({ kind: Kind.Client, detail: Mode.Handover, text: 'work' });
  t.same([...bytes], [5, 1, 4, 0, 0x77, 0x6f, 0x72, 0x6b]);
});

t.test('records come out as they went in, however the stream is cut', async t => {
  const random = new Random(1);
  const records: BrokerRecord[] = Array.from({ length: 200 }, (_, at) => ({
    kind: random.pick(Object.values(Kind)),
    detail: random.below(256),
    text: 'ä'.repeat(random.below(at)),
  }));
  const stream = Buffer.concat(records.map(encodeRecord));
  for (let round = 0; round < 50; round++) {
    const reader = new RecordReader();
    const out: BrokerRecord[] = [];
    for (let at = 0; at < stream.length;) {
      const length = 1 + random.below(random.pick([2, 20, 2000]));
      // A copy that is overwritten afterwards, as a channel's buffer is.
      const part = Uint8Array.from(stream.subarray(at, at + length));
      out.push(...reader.push(part));
      part.fill(0xff);
      at += length;
    }
    if (round === 0) t.same(out, records);
    else if (JSON.stringify(out) !== JSON.stringify(records)) t.fail(`round ${round}`);
    if (reader.partial) t.fail(`round ${round}: something is left`);
  }
});

t.test('the longest text, and one that is longer', async t => {
  const longest = encodeRecord({ kind: Kind.Refused, detail: 0, text: 'x'.repeat(MAX_TEXT_BYTES) });
  t.equal(new RecordReader().push(longest)[0]!.text.length, MAX_TEXT_BYTES);
  const cut = encodeRecord({ kind: Kind.Refused, detail: 0, text: 'x'.repeat(MAX_TEXT_BYTES + 1) });
  t.same(cut, longest, 'our own are cut off');
  const header = Uint8Array.of(Kind.Refused, 0, (MAX_TEXT_BYTES + 1) & 0xff, (MAX_TEXT_BYTES + 1) >> 8);
  t.throws(() => new RecordReader().push(header), RecordError, 'those of others are refused before their text comes');
});

t.test('what is no record', async t => {
  t.throws(() => new RecordReader().push(Uint8Array.of(0, 0, 0, 0)), /unknown kind 0/);
  t.throws(() => new RecordReader().push(Uint8Array.of(9, 0, 0, 0)), /unknown kind 9/);
  t.throws(() => new RecordReader().push(Uint8Array.of(1, Role.Wayland, 2, 0, 0xc3, 0x28)), /not UTF-8/);
  t.same(new RecordReader().push(Uint8Array.of(1, 0, 0)), [], 'half a header is nothing yet');
});

t.test('any bytes are records or a RecordError', async t => {
  const random = new Random(2);
  for (let round = 0; round < 5000; round++) {
    const bytes = new Uint8Array(random.below(64)).map(() => random.below(random.pick([6, 256])));
    try {
      new RecordReader().push(bytes);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
    }
  }
  t.pass();
});

t.test('names of VMs', async t => {
  for (const name of ['work', 'a', 'VM_2.test-3', 'x'.repeat(MAX_VM_NAME_BYTES)]) checkVmName(name);
  for (const name of ['', 'x'.repeat(MAX_VM_NAME_BYTES + 1), 'a b', 'a/b', 'a\nb', 'ä', '"', '\0']) {
    t.throws(() => checkVmName(name), RangeError, JSON.stringify(name));
  }
});

t.test('who speaks for a VM', async t => {
  t.same(decodeRegistrant(encodeRegistrant('work', 1234)), { vm: 'work', pid: 1234 });
  t.same(decodeRegistrant('work'), { vm: 'work', pid: undefined });
  for (const odd of ['', 'no number', '12345678901', '-1', '1\n2x']) {
    t.match(decodeRegistrant(`work\n${odd}`), { vm: 'work' });
  }
  t.equal(decodeRegistrant('work\n12345678901').pid, undefined);
  t.throws(() => decodeRegistrant('\n1'), RangeError);
  t.throws(() => decodeRegistrant('a b\n1'), RangeError);
});
