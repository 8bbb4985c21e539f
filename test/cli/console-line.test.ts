/** How `virtwl vm` shows what a guest's console prints. In a process of its own, whose standard error is looked at. */
import { spawnSync } from 'node:child_process';
import t from 'tap';

function shown(format: 'text' | 'json', part: string, line: string): string {
  const module = (path: string): string => JSON.stringify(new URL(`../../src/${path}.js`, import.meta.url));
  const program = `
    const { consoleLine } = await import(${module('cli/console-line')});
    const { configureLog } = await import(${module('observe/process-log')});
    configureLog({ format: ${JSON.stringify(format)} });
    consoleLine(${JSON.stringify(part)}, ${JSON.stringify(line)});`;
  return spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' }).stderr;
}

t.test('with the name of who printed it, and without what moves a cursor', t => {
  t.match(shown('text', 'work console', 'ready\u001b[2J'), '[work console] ready\\u001b[2J\n');
  t.match(JSON.parse(shown('json', 'work', 'ready')), { part: 'work', message: 'ready' });
  t.end();
});
