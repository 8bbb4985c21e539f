/**
 * What processes answer, as OpenMetrics has it (the text format 1.0.0 that Prometheus collects): each counter and gauge of
 * `counters.ts` once, with a sample for each process and, where it is counted by VM, for each VM.
 */
import type { Answer } from './ask-status.js';
import { COUNTERS, type CounterName, type Description } from './counters.js';

const NANOSECONDS = 1e9;

/** The whole text, with its end. */
export function openMetrics(answers: readonly Answer[]): string {
  const lines = ['# TYPE virtwl_up gauge', '# HELP virtwl_up whether the process has answered'];
  for (const answer of answers) lines.push(`virtwl_up${labels(of(answer))} ${answer.status === undefined ? 0 : 1}`);
  for (const name of Object.keys(COUNTERS) as CounterName[]) lines.push(...family(name, COUNTERS[name], answers));
  return `${lines.join('\n')}\n# EOF\n`;
}

function family(name: CounterName, { kind, help, unit }: Description, answers: readonly Answer[]): string[] {
  const seconds = unit === 'nanoseconds';
  const base = `virtwl_${name.replace(/\.|([A-Z])/g, (_, capital: string | undefined) => `_${capital?.toLowerCase() ?? ''}`)}`;
  const suffix = unit === undefined ? '' : seconds ? '_seconds' : '_bytes';
  const metric = base.endsWith(suffix) ? base : base + suffix;
  const samples = answers.flatMap(answer =>
    valuesOf(answer, name).map(([more, value]) => {
      const told = labels({ ...of(answer), ...more });
      return `${metric}${kind === 'counter' ? '_total' : ''}${told} ${seconds ? value / NANOSECONDS : value}`;
    }),
  );
  if (samples.length === 0) return [];
  const unitLine = suffix === '' ? [] : [`# UNIT ${metric} ${suffix.slice(1)}`];
  return [`# TYPE ${metric} ${kind}`, ...unitLine, `# HELP ${metric} ${help}`, ...samples];
}

/** The numbers of that name, each with labels of its own: of which VM, where it is counted so. */
function valuesOf({ status }: Answer, name: CounterName): [Record<string, string>, number][] {
  let at: unknown = status;
  for (const part of name.split('.')) at = (at as Record<string, unknown> | undefined)?.[part];
  if (typeof at === 'number' || typeof at === 'boolean') return [[{}, Number(at)]];
  if (COUNTERS[name].by === undefined || typeof at !== 'object' || at === null) return [];
  return Object.entries(at as Record<string, number>).map(([client, value]) => [{ client }, value]);
}

function of({ role, pid, status }: Answer): Record<string, string> {
  const { vm } = status ?? {};
  return { role, pid: String(pid), ...(typeof vm === 'string' && { vm }) };
}

function labels(values: Readonly<Record<string, string>>): string {
  const told = Object.entries(values).map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escaped)}"`);
  return `{${told.join(',')}}`;
}

function escaped(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}
