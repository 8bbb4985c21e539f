/**
 * Where the page is served, and who may say that it talks to us. In: the words of `--web`, and the Host of each request.
 *
 * Loopback addresses are for this machine alone. A page of another site, open in the same browser, could still reach us by a
 * name of its own that it lets point here (DNS rebinding); its requests have that name as their Host, so names are refused.
 */
import { BlockList, isIP } from 'node:net';

/** Where to listen. */
export interface WebAddress {
  /** A numeric address. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether only this machine reaches it. */
export function isLoopback(host: string): boolean {
  const version = isIP(host);
  return version !== 0 && LOOPBACK.check(host, version === 4 ? 'ipv4' : 'ipv6');
}

/**
 * `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`.
 * @throws Error that says what to give instead
 */
export function parseWebAddress(text: string): WebAddress {
  const { 1: bracketed, 2: plain, 3: digits } = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = plain === 'localhost' ? '127.0.0.1' : (bracketed ?? plain ?? '');
  const port = Number(digits);
  if (isIP(host) === (bracketed === undefined ? 4 : 6) && port <= 65_535) return { host, port };
  throw new Error('give an address and a port, like 127.0.0.1:8080 or [::1]:0, where 0 is any port that is free');
}

/** As it stands in a URL. */
export function hostAndPort({ host, port }: WebAddress): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/**
 * Whether a request for `host` (its header) is meant for what listens at `address`: by number, or `localhost`. Where it
 * listens for others as well, any number will do, since this machine may have many.
 */
export function isMeantForUs(host: string | undefined, address: WebAddress): boolean {
  const [, bracketed, plain, port = '80'] = /^(?:\[([0-9a-f:.]+)\]|([^:]+))(?::(\d{1,5}))?$/i.exec(host ?? '') ?? [];
  const name = bracketed ?? plain;
  if (name === undefined || Number(port) !== address.port) return false;
  if (!isLoopback(address.host)) return isIP(name) !== 0;
  return name.toLowerCase() === 'localhost' || name === address.host;
}
