/**
 * A report as test cases, and these in the two forms that test runners read: TAP and JUnit's XML. The cases are the frames
 * that were not as drawn, all others as one, and what holds of the run as a whole.
 */
import type { ReportJson } from './report.js';

/** One case. */
export interface Case {
  readonly name: string;
  /** What is wrong, in a line; undefined when all is well. */
  readonly failure: string | undefined;
  /** What kind of failure, for who sorts them. */
  readonly kind?: string;
}

/** The cases of a report: all pass exactly when the report does. */
export function casesOf(report: ReportJson): readonly Case[] {
  const { frames, setup, failures, unlisted, error, stopped } = report;
  const complete = stopped === true || frames.sent === setup.frames;
  const cases: Case[] = [
    {
      name: `${setup.frames} frames of ${setup.width}x${setup.height} are sent`,
      failure: error ?? (complete ? undefined : `only ${frames.sent} were`),
      kind: 'run',
    },
    {
      name: `${frames.shown} frames are shown as drawn`,
      failure: frames.checked === 0 ? 'nothing was compared: a run without a capture cannot pass' : undefined,
      kind: 'run',
    },
  ];
  for (const { frame, kind, detail } of failures) {
    cases.push({ name: `frame ${frame} is shown as drawn`, failure: detail, kind });
  }
  if (unlisted > 0)
    cases.push({ name: `${unlisted} more frames are shown as drawn`, failure: 'they were not', kind: 'unlisted' });
  return cases;
}

/** The report as TAP, version 14, lines ending in newlines. What failed has a YAML block; what is told besides is a comment. */
export function toTap(report: ReportJson, text: string): string {
  const cases = casesOf(report);
  const lines = ['TAP version 14', `1..${cases.length}`];
  cases.forEach(({ name, failure, kind }, i) => {
    lines.push(`${failure === undefined ? '' : 'not '}ok ${i + 1} - ${name}`);
    if (failure === undefined) return;
    // A string of JSON is one of YAML.
    lines.push('  ---', `  message: ${JSON.stringify(failure)}`, `  kind: ${JSON.stringify(kind)}`, '  ...');
  });
  for (const line of text.trimEnd().split('\n')) lines.push(`# ${line}`);
  return lines.join('\n') + '\n';
}

/** The report as the XML of JUnit that build servers read: one suite, with the report for people as its output. */
export function toJunit(report: ReportJson, text: string): string {
  const cases = casesOf(report);
  const failed = cases.filter(({ failure }) => failure !== undefined).length;
  const counts = `tests="${cases.length}" failures="${failed}" errors="0"`;
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', `<testsuites ${counts}>`];
  lines.push(`  <testsuite name="virtwl frames" ${counts} skipped="0">`);
  for (const { name, failure, kind } of cases) {
    const start = `    <testcase classname="virtwl.frames" name="${escape(name)}"`;
    if (failure === undefined) {
      lines.push(`${start}/>`);
    } else {
      lines.push(
        `${start}>`,
        `      <failure type="${escape(kind ?? 'run')}" message="${escape(failure)}"/>`,
        '    </testcase>',
      );
    }
  }
  lines.push(`    <system-out>${escape(text)}</system-out>`, '  </testsuite>', '</testsuites>');
  return lines.join('\n') + '\n';
}

/** Text in XML, in an attribute too. What XML 1.0 cannot say at all (most control characters) becomes a question mark. */
function escape(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '?')
    .replace(/[<>&"\n\r\t]/g, character => `&#${character.charCodeAt(0)};`);
}
