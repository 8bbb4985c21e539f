/** A report in the forms that test runners read, read by parsers of these. */
import { execFileSync } from 'node:child_process';
import { XMLParser } from 'fast-xml-parser';
import { Parser } from 'tap-parser';
import t from 'tap';
import { casesOf, toJunit, toTap } from '../../src/frames/cases.js';
import { MAX_FAILURES_LISTED, RunReport, type RunSetup } from '../../src/frames/report.js';

const setup: RunSetup = {
  frames: 3,
  width: 100,
  height: 50,
  display: '/run/<odd> & "named" # socket',
  memory: 'a slab',
  buffers: 3,
  damage: 'full',
};
const at = { x: 0, y: 0 };

function reportOf(fill: (report: RunReport) => void, of: RunSetup = setup): RunReport {
  const report = new RunReport(of);
  for (let i = 0; i < of.frames; i++) report.frameSent(1, 1);
  fill(report);
  return report;
}

const good = reportOf(report => {
  for (let frame = 1; frame <= 3; frame++) report.frameChecked(frame, { kind: 'identical', at }, 1);
});
const bad = reportOf(report => {
  report.frameChecked(1, { kind: 'identical', at }, 1);
  report.frameChecked(2, { kind: 'missing' }, 1);
  report.callbackMissing(3, 500);
  report.error = 'the compositor\u0007 said: "<no> & never"\n# ok 1 - all is well';
});
const long = reportOf(
  report => {
    for (let frame = 1; frame <= MAX_FAILURES_LISTED + 5; frame++) report.frameChecked(frame, { kind: 'missing' }, 1);
  },
  { ...setup, frames: MAX_FAILURES_LISTED + 5 },
);
const blind = reportOf(() => undefined);

for (const [name, report] of Object.entries({ good, bad, long, blind })) {
  const json = report.toJSON();
  const cases = casesOf(json);
  const failures = cases.filter(({ failure }) => failure !== undefined);

  t.test(`${name}: the cases pass exactly when the run does`, async t => {
    t.equal(failures.length === 0, report.pass);
  });

  t.test(`${name}: TAP is read by tap's own parser`, async t => {
    const events = Parser.parse(toTap(json, report.toText()), { strict: true });
    const points = events.filter(([event]) => event === 'assert').map(([, point]) => point as never) as {
      ok: boolean;
      name: string;
      diag: { message: string; kind: string } | null;
    }[];
    const complete = events.find(([event]) => event === 'complete')![1] as unknown as {
      ok: boolean;
      count: number;
      failures: unknown[];
    };
    t.match(complete, { ok: report.pass, count: cases.length });
    t.same(
      points.map(({ name }) => name),
      cases.map(each => each.name),
    );
    t.same(
      points.filter(({ ok }) => !ok).map(({ diag }) => diag?.message),
      failures.map(({ failure }) => failure),
    );
    t.same(
      points.filter(({ ok }) => !ok).map(({ diag }) => diag?.kind),
      failures.map(({ kind }) => kind),
    );
    t.notOk(
      events.some(([event]) => event === 'extra'),
      'and all of it is TAP',
    );
  });

  t.test(`${name}: JUnit's XML is read by an XML parser`, async t => {
    const xml = toJunit(json, report.toText());
    // expat takes nothing that is not well-formed; fast-xml-parser takes nearly all.
    execFileSync('python3', ['-c', 'import sys, xml.dom.minidom as dom; dom.parse(sys.stdin.buffer)'], { input: xml });
    const parser = new XMLParser({
      ignoreAttributes: false,
      attributeNamePrefix: '',
      processEntities: true,
      isArray: tag => tag === 'testcase',
    });
    const { testsuites } = parser.parse(xml) as {
      testsuites: {
        tests: string;
        failures: string;
        testsuite: { tests: string; failures: string; testcase: { name: string; failure?: { message: string } }[] };
      };
    };
    for (const counts of [testsuites, testsuites.testsuite]) {
      t.match(counts, { tests: String(cases.length), failures: String(failures.length), errors: '0' });
    }
    const { testcase } = testsuites.testsuite;
    t.same(
      testcase.map(each => each.name),
      cases.map(each => each.name),
    );
    t.equal(testcase.filter(({ failure }) => failure !== undefined).length, failures.length);
    t.notMatch(xml, /\u0007/, 'nothing in it that XML cannot say');
  });
}
