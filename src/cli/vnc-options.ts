/** The options by which `virtwl compositor` and `virtwl demo` show a picture by VNC, and where that may be. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { InvalidArgumentError } from 'commander';
import { showPlace, type VncPlace } from '../../compositor-glue/vnc-server.js';
import { flag, PATH, type Declared, type Kind, optional } from './option.js';

/** VNC's own port. */
const DEFAULT_PORT = 5900;
/** Nobody but this machine reaches it. */
const DEFAULT_ADDRESS = '127.0.0.1';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** `ADDRESS:PORT`, `[ADDRESS]:PORT`, or one of the two alone. */
export function parsePlace(text: string): VncPlace {
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d+))?$/.exec(text) ?? [];
  const alone = plain !== undefined && port === undefined && /^\d+$/.test(plain);
  const given = alone ? DEFAULT_ADDRESS : (bracketed ?? plain);
  const address = given === '' || given === 'localhost' ? DEFAULT_ADDRESS : (given ?? '');
  const number = Number(alone ? plain : (port ?? DEFAULT_PORT));
  if (isIP(address) !== (bracketed === undefined ? 4 : 6)) {
    throw new InvalidArgumentError(`give an address and a port: ${DEFAULT_ADDRESS}:${DEFAULT_PORT}, [::1]:5901.`);
  }
  if (number < 1 || number > 65_535) throw new InvalidArgumentError('give a port from 1 to 65535.');
  return { address, port: number };
}

const VNC_PLACE: Kind<VncPlace> = { parse: parsePlace, show: showPlace };

/** `--vnc`, with what its help says. */
export function vncOption(help: string): Declared<VncPlace | undefined> {
  return {
    ...optional('--vnc [address:port]', `${help} (default: ${DEFAULT_ADDRESS}:${DEFAULT_PORT})`, VNC_PLACE),
    preset: `${DEFAULT_ADDRESS}:${DEFAULT_PORT}`,
  };
}

export const VNC_OPTIONS = {
  vnc: vncOption('show its picture by VNC, with wayvnc'),
  vncViewOnly: flag('--vnc-view-only', 'nobody types or points by VNC'),
  vncConfig: optional(
    '--vnc-config <file>',
    "wayvnc's configuration, with its users; needed for addresses that others reach",
    PATH,
  ),
} as const;

/** What is given of them. */
export interface VncValues {
  readonly vnc?: VncPlace | undefined;
  readonly vncViewOnly?: true | undefined;
  readonly vncConfig?: string | undefined;
}

/** What is wrong with them, if anything: wayvnc asks nobody for a password unless its configuration says so. */
export function mistakeIn({ vnc, vncViewOnly, vncConfig }: VncValues): string | undefined {
  if (vnc === undefined) {
    return vncViewOnly === undefined && vncConfig === undefined ? undefined : '--vnc-... needs --vnc';
  }
  if (vncConfig !== undefined) {
    try {
      accessSync(vncConfig, constants.R_OK);
    } catch (error) {
      return `--vnc-config cannot be read: ${(error as Error).message}`;
    }
  }
  if (vncConfig === undefined && !isLoopback(vnc)) {
    return (
      `other machines may reach ${vnc.address}, and by itself wayvnc lets everybody in: ` +
      'take 127.0.0.1 and a tunnel (ssh -L 5900:127.0.0.1:5900), or give --vnc-config a file with enable_auth=true (wayvnc(1))'
    );
  }
  return undefined;
}

/** Who can come in, for the log, and whether that is anybody who can reach this machine. */
export function whoMayLook(options: VncValues & { readonly vnc: VncPlace }): { text: string; open: boolean } {
  const { vnc, vncViewOnly, vncConfig } = options;
  if (vncConfig !== undefined && /^\s*enable_auth\s*=\s*true\s*$/m.test(readFileSync(vncConfig, 'utf8'))) {
    return { text: 'for whom its configuration lets in', open: false };
  }
  const open = !isLoopback(vnc);
  const who = open ? 'everybody who reaches that address' : 'every user of this machine';
  return { text: `without a password: ${who} can look${vncViewOnly === true ? '' : ' and type'}`, open };
}

function isLoopback({ address }: VncPlace): boolean {
  return LOOPBACK.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}
