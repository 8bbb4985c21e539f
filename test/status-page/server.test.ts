/** The server of the page: who is answered, with what, and who is not. On its own, with real connections. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BUNDLE } from '../../src/sandbox/runtime-files.js';
import { hostAndPort, isLoopback, isMeantForUs, parseWebAddress } from '../../src/status-page/address.js';
import { readings as readingsOf } from '../../src/status-page/readings.js';
import { MOST_CONNECTIONS, MOST_REQUEST_BYTES, StatusPage } from '../../src/status-page/server.js';
import { eventually } from '../eventually.js';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function ask(url: string, { method = 'GET', headers = {}, body }: Asking = {}): Promise<Answer> {
  const asked = request(url, { method, headers, agent: false });
  asked.end(body);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk as string;
  return { status: response.statusCode!, headers: response.headers, text };
}

async function served(t: Test, host = '127.0.0.1'): Promise<StatusPage> {
  const processes = mkdtempSync(join(tmpdir(), 'virtwl-status-page-'));
  const page = await StatusPage.serve({ processes, files: join(BUNDLE, 'page'), address: { host, port: 0 } });
  t.teardown(() => {
    page.close();
    rmSync(processes, { recursive: true });
  });
  return page;
}

t.test('the page, its parts and the reports are below the token', async t => {
  const { url, readings } = await served(t);
  t.match(url, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/$/);
  t.match(await ask(url), { status: 200, headers: { 'content-type': /^text\/html/ }, text: /<title>virtwl status/ });
  t.match(await ask(`${url}page.js`), { status: 200, headers: { 'content-type': /^text\/javascript/ } });
  t.match(await ask(`${url}page.css`), { status: 200, headers: { 'content-type': /^text\/css/ } });
  t.equal(readings.count, 0, 'no process is asked for those');
  const { status, text } = await ask(`${url}status.json`);
  t.equal(status, 200);
  t.match(JSON.parse(text), { read: /Z$/, reports: [] });
  t.equal(readings.count, 1);
  t.match(await ask(url, { method: 'HEAD' }), { status: 200, text: '', headers: { 'content-length': /^\d+$/ } });
  t.match(await ask(`${url}../etc/passwd`), { status: 404 });
  t.match(await ask(`${url}page.ts`), { status: 404 });
});

t.test('without the token there is nothing', async t => {
  const { url } = await served(t);
  const { origin, pathname } = new URL(url);
  const token = pathname.slice(1, -1);
  const wrong = `${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`;
  for (const path of [
    '/',
    '/page.js',
    '//',
    '/status.json',
    `/${wrong}/`,
    `/${wrong}/status.json`,
    `/${token}`,
    `/${token}x/`,
  ]) {
    const { status, text } = await ask(origin + path);
    t.equal(status, 404, path);
    t.notMatch(text, token, 'and it is not told');
  }
});

t.test('it is only looked at', async t => {
  const { url } = await served(t);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    t.match(await ask(`${url}status.json`, { method }), { status: 405, headers: { allow: 'GET, HEAD' } }, method);
  }
  t.match(await ask(url, { body: 'x', headers: { 'Content-Length': '1' } }), { status: 413 }, 'a body');
  t.match(
    await ask(url, { body: 'x', headers: { 'Transfer-Encoding': 'chunked' } }),
    { status: 413 },
    'one of no length',
  );
});

t.test('every answer says what a browser may do with it', async t => {
  const { url } = await served(t);
  for (const { status, headers } of [await ask(url), await ask(`${url}status.json`), await ask(`${url}none`)]) {
    const policy = headers['content-security-policy'] as string;
    t.match(
      policy,
      /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;/,
    );
    t.match(policy, /frame-ancestors 'none'$/);
    t.notMatch(policy, /unsafe|\*|http/, `${status}`);
    t.match(headers, {
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
    t.equal(headers['access-control-allow-origin'], undefined, 'and no other site may read it');
  }
});

t.test('a site that lets its name point here is not answered (DNS rebinding)', async t => {
  const { url } = await served(t);
  const { port } = new URL(url);
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    `127.0.0.1.evil.example:${port}`,
    '127.0.0.1:1',
    '127.0.0.1',
  ]) {
    t.match(await ask(url, { headers: { Host: host } }), { status: 421 }, host);
  }
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`]) {
    t.match(await ask(url, { headers: { Host: host } }), { status: 200 }, host);
  }
});

t.test('limits', async t => {
  const { url } = await served(t);
  const { port } = new URL(url);
  t.match(await ask(`${url}?${'x'.repeat(MOST_REQUEST_BYTES / 2)}`), { status: 200 }, 'a long request');
  t.match(await ask(`${url}?${'x'.repeat(MOST_REQUEST_BYTES)}`), { status: 431 }, 'one that is too long');

  await t.test('connections', async t => {
    const sockets: Socket[] = [];
    t.teardown(() => sockets.forEach(socket => socket.destroy()));
    let closed = 0;
    const open = async (): Promise<void> => {
      const socket = connect(Number(port), '127.0.0.1');
      socket
        .on('error', () => {})
        .on('close', () => (closed += 1))
        .resume();
      sockets.push(socket);
      await once(socket, 'connect');
    };
    for (let i = 0; i < MOST_CONNECTIONS - 1; i++) await open();
    t.match(await ask(url), { status: 200 }, 'the last place');
    await open();
    t.equal(closed, 0);
    await open();
    await eventually('one more is closed', () => closed === 1);
    sockets.shift()!.destroy();
    await eventually('and where one has left', () => closed === 2);
    t.match(await ask(url), { status: 200 }, 'there is a place again');
  });
});

t.test('pages that look at the same time share a reading', async t => {
  const processes = t.testdir({});
  const readings = readingsOf(processes);
  const [first, second] = await Promise.all([readings.now(), readings.now()]);
  t.equal(first, second);
  t.equal(await readings.now(), first, 'and so does one that comes right after');
  t.equal(readings.count, 1);
});

t.test('what --web takes', async t => {
  t.same(parseWebAddress('127.0.0.1:8080'), { host: '127.0.0.1', port: 8080 });
  t.same(parseWebAddress('localhost:0'), { host: '127.0.0.1', port: 0 });
  t.same(parseWebAddress('[::1]:65535'), { host: '::1', port: 65_535 });
  for (const wrong of [
    '',
    '8080',
    ':8080',
    'example.org:80',
    '::1:80',
    '127.0.0.1',
    '127.0.0.1:65536',
    '[127.0.0.1]:1',
  ]) {
    t.throws(() => parseWebAddress(wrong), /give an address and a port, like 127\.0\.0\.1:8080/, wrong);
  }
  t.equal(hostAndPort({ host: '::1', port: 1 }), '[::1]:1');
  for (const host of ['127.0.0.1', '127.255.0.1', '::1', '::ffff:127.0.0.1']) t.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '192.168.1.1', 'fe80::1']) t.notOk(isLoopback(host), host);
});

t.test('who listens for others answers to any number, and to no name', async t => {
  const everywhere = { host: '0.0.0.0', port: 8080 };
  t.ok(isMeantForUs('10.1.2.3:8080', everywhere));
  t.ok(isMeantForUs('[fe80::1]:8080', everywhere));
  t.notOk(isMeantForUs('evil.example:8080', everywhere));
  t.notOk(isMeantForUs(undefined, everywhere));
  t.ok(isMeantForUs('[::1]:8080', { host: '::1', port: 8080 }));
  t.notOk(isMeantForUs('10.1.2.3:8080', { host: '127.0.0.1', port: 8080 }), 'loopback is asked by its own');
});
