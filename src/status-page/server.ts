/**
 * Serves the page of `virtwl status --web`: three files and what the processes say. In: HTTP requests of whoever finds the
 * port. Out: an answer to those that have the token in their path, and to nobody else. Nothing can be changed by it.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { hostAndPort, isMeantForUs, type WebAddress } from './address.js';
import { pictures, readings, type Reading, type Shared } from './readings.js';

/** Connections at a time: a browser has up to six for a page. One more is closed. */
export const MOST_CONNECTIONS = 32;
/** Bytes of a request's line and headers: a browser sends less than one KiB, and no cookies of ours. */
export const MOST_REQUEST_BYTES = 8 << 10;
/** How long a request may take to come, and a connection may stay without one, in milliseconds. */
const REQUEST_MS = 5_000;
/** Of the token: nobody guesses it. */
const TOKEN_BYTES = 24;

/** The page asks nobody but us, runs nothing but its own file, and is nobody's frame. */
const POLICY = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
};

/** What is served below the token, by name; the first is the page itself. */
const FILES: readonly (readonly [name: string, file: string, type: string])[] = [
  ['', 'page.html', 'text/html; charset=utf-8'],
  ['page.js', 'page.js', 'text/javascript; charset=utf-8'],
  ['page.css', 'page.css', 'text/css; charset=utf-8'],
];

interface Content {
  readonly type: string;
  readonly body: Buffer;
}

export interface StatusPageOptions {
  /** The directory of the sockets of the processes. */
  readonly processes: string;
  /** The directory of the page's files. */
  readonly files: string;
  readonly address: WebAddress;
}

export class StatusPage {
  /** The whole address, with the token in it. */
  readonly url: string;

  private constructor(
    private readonly server: Server,
    readonly readings: Shared<Reading>,
    address: WebAddress,
    token: string,
  ) {
    this.url = `http://${hostAndPort(address)}/${token}/`;
  }

  /**
   * Serves from when it resolves. Rejects where a file is missing or the address cannot be listened at, with the errno's
   * `code`.
   */
  static async serve({ processes, files, address }: StatusPageOptions): Promise<StatusPage> {
    const contents = new Map<string, Content>(
      FILES.map(([name, file, type]) => [name, { type, body: readFileSync(join(files, file)) }]),
    );
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    const read = readings(processes);
    const shown = pictures(processes);
    const answers = new Map<string, () => Promise<unknown>>([
      ['status.json', () => read.now()],
      ['thumbnails.json', () => shown.now()],
    ]);
    let bound = address;
    const server = createServer(
      {
        maxHeaderSize: MOST_REQUEST_BYTES,
        headersTimeout: REQUEST_MS,
        requestTimeout: REQUEST_MS,
        keepAliveTimeout: REQUEST_MS,
        connectionsCheckingInterval: REQUEST_MS,
      },
      (request, response) => void answer(request, response, { token, address: bound, contents, answers }),
    );
    server.maxConnections = MOST_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(address.port, address.host, resolve);
    });
    bound = { host: address.host, port: (server.address() as { readonly port: number }).port };
    return new StatusPage(server, read, bound, token);
  }

  /** Ends all connections. Idempotent. */
  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

interface Site {
  readonly token: string;
  readonly address: WebAddress;
  readonly contents: ReadonlyMap<string, Content>;
  /** What is asked for anew each time, by name. */
  readonly answers: ReadonlyMap<string, () => Promise<unknown>>;
}

async function answer(request: IncomingMessage, response: ServerResponse, site: Site): Promise<void> {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  const refuse = (status: number, why: string): void => {
    // What else is on its way on this connection is not read.
    response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' });
    response.end(request.method === 'HEAD' ? undefined : `${why}\n`);
  };
  const { method, headers, url = '' } = request;
  if (!isMeantForUs(headers.host, site.address)) return refuse(421, 'this server is not asked by that name');
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return refuse(405, 'this page is only looked at: GET or HEAD');
  }
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
    return refuse(413, 'a question has no body here');
  }
  const [, token = '', name] = /^\/([^/?]*)\/([^/?]*)(?:\?.*)?$/.exec(url) ?? [];
  if (name === undefined || !isSame(token, site.token)) {
    return refuse(404, 'nothing is here: "virtwl status --web" prints the whole address, with its token');
  }
  let content = site.contents.get(name);
  const asked = site.answers.get(name);
  if (asked !== undefined) {
    try {
      const body = Buffer.from(JSON.stringify(await asked()));
      content = { type: 'application/json; charset=utf-8', body };
    } catch (error) {
      return refuse(500, `the processes cannot be asked: ${(error as Error).message}`);
    }
  }
  if (content === undefined) return refuse(404, 'there is no such file');
  response.writeHead(200, { 'Content-Type': content.type, 'Content-Length': content.body.length });
  response.end(method === 'HEAD' ? undefined : content.body);
}

/** Takes as long for a token that is nearly right as for any other. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
