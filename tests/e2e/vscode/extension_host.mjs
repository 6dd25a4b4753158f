// The extension's own tests inside the real extension host, with the real API: see host_tests.cjs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { ENGINE_MS, scenario } from './scenario.mjs';
import { until } from './workbench.mjs';

const here = import.meta.dirname;
const results = (output) => path.join(output, 'host-tests.txt');

/** The host looks for tests in the extension that is developed: an empty one beside ours, which is installed. */
function makeTestBed({ sandbox, output }) {
  const bed = path.join(sandbox.folders.home, 'bed');
  fs.mkdirSync(bed);
  fs.writeFileSync(path.join(bed, 'package.json'), JSON.stringify({ name: 'bed', publisher: 'test', version: '0.0.1', engines: { vscode: '*' } }));
  fs.copyFileSync(path.join(here, 'host_tests.cjs'), path.join(bed, 'tests.js'));
  sandbox.variables.PARROTLET_HOST_RESULTS = results(output);
  return {};
}

const bed = (sandbox) => path.join(sandbox.folders.home, 'bed');
const host = (sandbox) => [['extensionDevelopmentPath', bed(sandbox)], ['extensionTestsPath', path.join(bed(sandbox), 'tests.js')]];

await scenario('extension-host', { file: 'a.py', files: { 'a.py': 'x = 1\n' }, prepare: makeTestBed, host }, async ({ output, say }) => {
  await until('the tests in the host are over', ENGINE_MS, () => fs.existsSync(results(output)));
  const lines = fs.readFileSync(results(output), 'utf8').trim().split('\n');
  for (const line of lines) say(line);
  assert.ok(lines.length >= 7 && lines.every((line) => line.startsWith('ok ')), 'all of them passed');
});
