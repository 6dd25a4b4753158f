// Trains a model on the workspace by the editor's command, with the real trainer, and changes between it and the embedded one.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Editing } from './editing.mjs';
import { parrotlet, scenario, SCREEN_MS } from './scenario.mjs';
import { until } from './workbench.mjs';

// The least that the editor offers is five minutes, of which a test can wait for one.
const HURRY = '--set fit.max_steps=30';
const TRAINING_MS = 480_000;
const SOURCES = path.resolve(import.meta.dirname, '../../../lsp_server');
const SCRATCH = 'scratch.py';

/** Our own server's modules: real code, enough to learn from, and none that the embedded model knows. */
function workspace() {
  const modules = fs.readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.py'));
  const files = modules.map((name) => [path.join('lsp_server', name), fs.readFileSync(path.join(SOURCES, name), 'utf8')]);
  return { [SCRATCH]: 'class Person:\n    pass\n', ...Object.fromEntries(files) };
}

/** The real trainer in a hurry, beside the server. */
function hurry({ server }) {
  const trainer = path.join(path.dirname(parrotlet), 'parrotlet-train');
  fs.writeFileSync(path.join(path.dirname(server), 'parrotlet-train'), `#!/bin/sh\nexec '${trainer}' "$@" ${HURRY}\n`, { mode: 0o755 });
}

const notices = /^Training on this workspace|knows this workspace now/;
await scenario('models', { file: SCRATCH, files: workspace(), prepare: hurry, notices }, async (scene) => {
  const { workbench, sandbox, output, say } = scene;
  const editing = new Editing(scene);
  const inUse = () => {
    const answer = execFileSync(parrotlet, ['models', '--json'], { env: sandbox.environment, encoding: 'utf8' });
    return JSON.parse(answer).in_use.name;
  };
  const expectInUse = async (name) => {
    await until(`${name} is in use`, SCREEN_MS, () => inUse() === name);
    await workbench.command('Parrotlet: Choose Model');
    const labels = await workbench.listed('Choose Model');
    await workbench.press('Escape');
    assert.deepEqual(labels.filter((label) => label.includes('in use')).map((label) => label.split(',')[0]), [name]);
  };
  const toast = (text) => workbench.page.locator('.notification-list-item', { hasText: text });

  await expectInUse('embedded');
  await workbench.focus();
  const before = await editing.suggest('\ndef add(a, b):\nreturn');
  await editing.accept(before.document, before.shown);
  say('the embedded model suggests');

  await workbench.command('Parrotlet: Train on This Workspace');
  await workbench.listed('Train for');
  await workbench.pick('5 minutes');
  await toast(/loss \d/).waitFor({ timeout: TRAINING_MS });
  await workbench.screenshot(path.join(output, 'training.png'));
  const end = toast(/knows this workspace now|was not better/);
  await end.waitFor({ timeout: TRAINING_MS });
  await workbench.screenshot(path.join(output, 'trained.png'));
  assert.match(await end.innerText(), /knows this workspace now/);
  await expectInUse('workspace');
  say('a training showed its progress, and its model is in use');

  await workbench.focus();
  const after = await editing.suggest('\n\ndef sub(a, b):\nreturn');
  await editing.check(after.document, 'return', after.shown);
  await editing.accept(after.document, after.shown);
  say(`it suggests what the command line does: ${JSON.stringify(after.shown)}`);

  await workbench.button('Back to Previous Model');
  await expectInUse('embedded');
  await workbench.command('Parrotlet: Choose Model');
  await workbench.listed('Choose Model');
  await workbench.pick('workspace');
  await expectInUse('workspace');
  say('the previous model came back by a button, and the new one from a list');
});
