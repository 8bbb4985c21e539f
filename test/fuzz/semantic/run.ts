/**
 * The semantic fuzzer by hand:
 *
 *   node dist/test/fuzz/semantic/run.js --compositor sway --direct --seed 1 --requests 1000000
 *
 *   --compositor sway|cage|labwc|"COMMAND LINE"   the last one must let a window fill the output
 *   --glue | --direct          through virtwl, the default, or at the compositor itself
 *   --seed N --from N          the seed, and the connection to begin with
 *   --requests N --findings N  ends after so many of either; one finding by default
 *   --no-shorten               prints a finding's steps as they were
 *   --without GLOBAL,...       does not touch those
 *   --strict                   a mistake that only the compositor finds, behind the glue, is a finding too
 *   --gentle                   leaves out what a firewall of lifetimes would refuse
 *
 * A finding is printed with its steps, and the exit status is 1.
 */
import { parseArgs } from 'node:util';
import { attack, Finding, report, shortenFinding, type AttackOptions, type AttackResult } from './attack.js';

/** Connections between two lines of progress. */
const TOLD_EVERY = 100;

const { values } = parseArgs({
  options: {
    compositor: { type: 'string', default: 'sway' },
    glue: { type: 'boolean', default: false },
    direct: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    requests: { type: 'string', default: '1000000' },
    from: { type: 'string', default: '0' },
    findings: { type: 'string', default: '1' },
    without: { type: 'string', default: '' },
    gentle: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    'no-shorten': { type: 'boolean', default: false },
  },
});
if (values.glue && values.direct) throw new Error('--glue and --direct are two ways, one at a time');

const began = Date.now();
let last: AttackResult | undefined;
const options: AttackOptions = {
  compositor: values.compositor,
  glue: !values.direct,
  seed: Number(values.seed),
  requests: Number(values.requests),
  without: values.without.split(',').filter(Boolean),
  gentle: values.gentle,
  strict: values.strict,
  progress: result => {
    const { connections, requests } = result;
    last = result;
    if (connections % TOLD_EVERY === 0)
      console.log(`${connections} connections, ${requests} requests, ${((Date.now() - began) / 1000).toFixed(0)} s`);
  },
};
/** Attacks from a connection on. Returns the number of the one after a finding, or undefined. */
async function run(from: number): Promise<number | undefined> {
  try {
    tell(await attack({ ...options, from }));
    return undefined;
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    if (last !== undefined) tell(last);
    console.log(error.message);
    const finding = values['no-shorten']
      ? error
      : await shortenFinding(error, options, steps => process.stderr.write(`\r${steps} steps `));
    console.log(`\n${report(finding)}`);
    process.exitCode = 1;
    return error.connection + 1;
  }
}

/** What the attack was, and what the connections ended by. */
function tell({ connections, requests, errors, refused, overtaken, closed, silent }: AttackResult): void {
  for (const [text, count] of refused) console.log(`${count} × found by the compositor only: ${text}`);
  for (const [text, count] of overtaken) console.log(`${count} × overtaken by a popup's dismissal: ${text}`);
  for (const [text, count] of [...errors].sort((a, b) => b[1] - a[1]).slice(0, 40)) console.log(`${count} × ${text}`);
  console.log(`${connections} connections, ${requests} requests, ${closed} closed without an error, ${silent} silent`);
}

let next: number | undefined = Number(values.from);
for (let findings = Number(values.findings); findings > 0 && next !== undefined; findings--) next = await run(next);
if (process.exitCode === undefined) console.log('nobody else lost anything');
