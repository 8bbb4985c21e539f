/** The X11 wire: requests are padded and counted in words, and nothing is read beyond its end. */
import t from 'tap';
import { parseEvent } from '../../src/x11/events.js';
import { atomName, property } from '../../src/x11/replies.js';
import { changeProperty, configureWindow, getProperty, internAtom } from '../../src/x11/requests.js';
import { MAX_REQUEST_BYTES, request, XReader, XWireError } from '../../src/x11/wire.js';

t.test('a request has its length in words, and ends in zeros', t => {
  const bytes = internAtom('WM_S0');
  t.same([...bytes], [16, 0, 4, 0, 5, 0, 0, 0, 0x57, 0x4d, 0x5f, 0x53, 0x30, 0, 0, 0]);
  t.end();
});

t.test('ConfigureWindow names what it changes, in the order of the protocol', t => {
  const bytes = configureWindow(7, { stackMode: 0, x: -1, width: 300 });
  t.same([...bytes], [12, 0, 6, 0, 7, 0, 0, 0, 0x45, 0, 0, 0, 255, 255, 255, 255, 44, 1, 0, 0, 0, 0, 0, 0]);
  t.end();
});

t.test('a property is fetched to a bound, however large it is', t => {
  const at = new XReader(getProperty(7, 9, 1024));
  t.equal(at.u32(20), 256, 'in words');
  t.end();
});

t.test('a property of a half unit is cut', t => {
  const bytes = changeProperty(1, 2, 3, 32, Uint8Array.of(1, 2, 3, 4, 5));
  t.equal(new XReader(bytes).u32(20), 1);
  t.equal(bytes.length, 28);
  t.end();
});

t.test('the largest request is taken, one word more is not', t => {
  t.equal(request(1, 0, new Uint8Array(MAX_REQUEST_BYTES - 4)).length, MAX_REQUEST_BYTES);
  t.throws(() => request(1, 0, new Uint8Array(MAX_REQUEST_BYTES)), RangeError);
  t.end();
});

t.test('what is cut short is an error', t => {
  t.throws(() => parseEvent(new Uint8Array(31)), XWireError);
  const reply = Buffer.alloc(36);
  reply[1] = 32;
  reply.writeUInt32LE(2, 16);
  t.throws(() => property(reply), XWireError, 'two words in the space of one');
  reply[1] = 7;
  t.throws(() => property(reply), XWireError, 'a format that there is not');
  const name = Buffer.alloc(36);
  name.writeUInt16LE(5, 8);
  t.throws(() => atomName(name), XWireError);
  t.end();
});

t.test('what a client has sent is told from what the server says', t => {
  const bytes = Buffer.alloc(32);
  bytes[0] = 0x80 | 33;
  t.match(parseEvent(bytes), { is: 'ClientMessage', sent: true });
  bytes[0] = 33;
  t.match(parseEvent(bytes), { is: 'ClientMessage', sent: false });
  t.end();
});
