/** `--trace`: the Wayland messages of `virtwl run` and `virtwl compositor`, on standard error. */
import { InvalidArgumentError } from 'commander';
import { processLog } from '../observe/process-log.js';
import { TraceOutput } from '../relay/trace.js';
import { optional, type Kind } from './option.js';

/** What can be traced, and what of it. */
const TOPICS = ['wayland', 'secrets'] as const;
type Topic = (typeof TOPICS)[number];

/** Several, with commas between them. None: an empty word. */
const TOPIC_LIST: Kind<readonly Topic[]> = {
  parse: text => {
    const topics = text.split(',').filter(Boolean);
    const unknown = topics.find(topic => !(TOPICS as readonly string[]).includes(topic));
    if (unknown !== undefined) {
      throw new InvalidArgumentError(
        `give ${TOPICS.join(' or ')}, or both with a comma; an application comes after --.`,
      );
    }
    return topics as Topic[];
  },
};

export const TRACE_OPTION = {
  trace: {
    ...optional(
      '--trace [topics]',
      'print every Wayland message; "wayland,secrets" shows in it what is typed, too',
      TOPIC_LIST,
    ),
    preset: 'wayland',
    env: 'VIRTWL_TRACE',
  },
} as const;

/** Where to trace to; undefined where nobody asked. */
export function tracing(topics: readonly Topic[] = []): TraceOutput | undefined {
  if (topics.length === 0) return undefined;
  const write = (line: string): void => processLog.plain('debug', 'trace', line, { message: line });
  return new TraceOutput(write, topics.includes('secrets'));
}
