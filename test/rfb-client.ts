/**
 * A VNC client for tests, by RFC 6143: version 3.8, no security, the raw encoding, and keys. It keeps the server's picture
 * as it is told of it. A server that says something else fails the test.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';
import type { Picture } from '../src/frames/picture.js';

const VERSION = 'RFB 003.008\n';
const NO_SECURITY = 1;
const RAW = 0;
/** 32 bits a pixel of which 24 count, little-endian, true colour, red in the third byte: what our pictures are. */
const PIXEL_FORMAT = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];

export class RfbClient {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  /** Wakes who waits for bytes. */
  #wake: () => void = () => {};
  #ended: Error | undefined;
  #picture: Picture = { width: 0, height: 0, pixels: new Uint32Array() };

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', chunk => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    const end = (error?: Error | boolean): void => {
      this.#ended = error instanceof Error ? error : new Error('the VNC server has closed the connection');
      this.#wake();
    };
    socket.on('error', end);
    socket.on('close', end);
  }

  /** Closed at the end of the test. */
  static async connect(t: Pick<Test, 'teardown'>, port: number, address = '127.0.0.1'): Promise<RfbClient> {
    const socket = connect(port, address);
    await once(socket, 'connect');
    t.teardown(() => socket.destroy());
    const client = new RfbClient(socket);
    await client.#begin();
    return client;
  }

  /** The server's whole picture as it is now. */
  async capture(): Promise<Picture> {
    const { width, height } = this.#picture;
    // 3 is FramebufferUpdateRequest; 0: not only what has changed.
    this.#socket.write(Buffer.from([3, 0, ...u16(0), ...u16(0), ...u16(width), ...u16(height)]));
    for (let updated = false; !updated;) {
      const type = (await this.#read(1))[0];
      if (type === 0) updated = await this.#update();
      else if (type === 3) await this.#cutText();
      else if (type !== 2) throw new Error(`the VNC server has sent a message of type ${type}`); // 2: the bell
    }
    return { ...this.#picture, pixels: this.#picture.pixels.slice() };
  }

  /** Presses keys and releases them, by X11's keysyms: those of Latin-1 are its characters. */
  type(text: string): void {
    for (const character of text) {
      const keysym = character === '\n' ? 0xff0d : character.codePointAt(0)!;
      for (const down of [1, 0]) this.#socket.write(Buffer.from([4, down, 0, 0, ...u16(0), ...u16(keysym)]));
    }
  }

  /** Moves the pointer, without a button. */
  point(x: number, y: number): void {
    this.#socket.write(Buffer.from([5, 0, ...u16(x), ...u16(y)]));
  }

  async #begin(): Promise<void> {
    const version = (await this.#read(12)).toString('latin1');
    if (version !== VERSION) throw new Error(`the VNC server speaks ${version}`);
    this.#socket.write(VERSION);
    const kinds = await this.#read((await this.#read(1))[0]!);
    if (!kinds.includes(NO_SECURITY))
      throw new Error(`the VNC server wants security of the kinds ${[...kinds].join()}`);
    this.#socket.write(Buffer.from([NO_SECURITY]));
    if ((await this.#read(4)).readUInt32BE() !== 0) throw new Error('the VNC server lets nobody in');
    this.#socket.write(Buffer.from([1])); // ClientInit: others may stay
    const init = await this.#read(24);
    this.#resize(init.readUInt16BE(0), init.readUInt16BE(2));
    await this.#read(init.readUInt32BE(20)); // the desktop's name
    this.#socket.write(Buffer.from([0, 0, 0, 0, ...PIXEL_FORMAT]));
    this.#socket.write(Buffer.from([2, 0, ...u16(1), ...u16(0), ...u16(RAW)]));
  }

  #resize(width: number, height: number): void {
    this.#picture = { width, height, pixels: new Uint32Array(width * height) };
  }

  /** @returns whether there was anything in it */
  async #update(): Promise<boolean> {
    const count = (await this.#read(3)).readUInt16BE(1);
    for (let i = 0; i < count; i++) {
      const header = await this.#read(12);
      const [x, y, width, height] = [0, 2, 4, 6].map(at => header.readUInt16BE(at)) as [number, number, number, number];
      const encoding = header.readInt32BE(8);
      if (encoding !== RAW) throw new Error(`the VNC server sends encoding ${encoding}, which nobody asked for`);
      const bytes = await this.#read(width * height * 4);
      for (let at = 0; at < width * height; at++) {
        const to = (y + Math.floor(at / width)) * this.#picture.width + x + (at % width);
        this.#picture.pixels[to] = bytes.readUInt32LE(at * 4);
      }
    }
    return count > 0;
  }

  async #cutText(): Promise<void> {
    const header = await this.#read(7);
    await this.#read(header.readUInt32BE(3));
  }

  async #read(bytes: number): Promise<Buffer> {
    while (this.#received.length < bytes) {
      if (this.#ended !== undefined) throw this.#ended;
      await new Promise<void>(resolve => (this.#wake = resolve));
    }
    const read = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    return read;
  }
}

function u16(value: number): [number, number] {
  return [value >>> 8, value & 0xff];
}
