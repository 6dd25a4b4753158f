// Choosing a model, and training one on the workspace, through a stand-in for the command line: it notes what it is asked.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { parrotlet, scenario, SCREEN_MS } from './scenario.mjs';
import { until } from './workbench.mjs';

const event = (stage, done, message) => `echo '${JSON.stringify({ stage, done, message })}'`;

/** Programs beside each other: `models` and the trainer are played, everything else is the real `parrotlet`. */
function playCommandLine({ sandbox }) {
  const folder = path.join(sandbox.folders.home, 'bin');
  fs.mkdirSync(folder);
  const write = (name, ...lines) => fs.writeFileSync(path.join(folder, name), ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
  const asked = path.join(folder, 'asked');
  const chosen = path.join(folder, 'chosen');
  fs.writeFileSync(chosen, 'embedded');
  write(
    'parrotlet',
    `[ "$1" = models ] || exec '${parrotlet}' "$@"`,
    `echo "$@" >>'${asked}'`,
    'case "$2" in',
    `  --json) for name in embedded workspace; do use=false; [ "$(cat '${chosen}')" = $name ] && use=true; printf '%s{"name": "%s", "in_use": %s}' "$sep" $name $use; sep=,; done | sed 's/.*/{"models": [&]}/';;`,
    `  use) printf %s "$3" >'${chosen}';;`,
    `  back) printf %s embedded >'${chosen}';;`,
    'esac',
  );
  write(
    'parrotlet-train',
    `echo "$@" >>'${asked}'`,
    event('corpus', 0.1, 'reading 1 file'),
    'sleep 1',
    event('fit', 0.6, 'step 30 of 50'),
    'sleep 3',
    `printf %s workspace >'${chosen}'`,
    event('evaluate', 0.9, 'comparing with the present model'),
    `echo '{"stage": "end", "accepted": true, "report": "${folder}/report.html", "model": "workspace"}'`,
  );
  return { 'parrotlet.server.path': path.join(folder, 'parrotlet') };
}

const notices = /^Training on this workspace|knows this workspace now/;
await scenario('models', { file: 'a.py', files: { 'a.py': 'x = 1\n' }, prepare: playCommandLine, notices }, async ({ workbench, sandbox, output, say }) => {
  const folder = path.join(sandbox.folders.home, 'bin');
  const asked = () => fs.readFileSync(path.join(folder, 'asked'), 'utf8').trim().split('\n');
  const inUse = async () => {
    await workbench.command('Parrotlet: Choose Model');
    const labels = await workbench.listed('Choose Model');
    await workbench.press('Escape');
    return labels.find((label) => label.includes('in use'));
  };

  assert.match(await inUse(), /^embedded/);
  await workbench.command('Parrotlet: Train on This Workspace');
  await workbench.listed('Train for');
  await workbench.pick('10 minutes');
  await workbench.page.locator('.notification-list-item', { hasText: 'step 30 of 50' }).waitFor();
  await workbench.screenshot(path.join(output, 'training.png'));
  await workbench.page.locator('.notification-list-item', { hasText: 'knows this workspace now' }).waitFor();
  await workbench.screenshot(path.join(output, 'trained.png'));
  assert.equal(asked().at(-1), `personal ${sandbox.folders.workspace} --minutes 10 --progress json`);
  assert.match(await inUse(), /^workspace/);
  say('a training shows its progress, and its model is used');

  await workbench.button('Back to Previous Model');
  await until('the command line is asked', SCREEN_MS, () => asked().at(-1) === 'models back');
  assert.match(await inUse(), /^embedded/);

  await workbench.command('Parrotlet: Choose Model');
  await workbench.listed('Choose Model');
  await workbench.pick('workspace');
  await until('the command line is asked', SCREEN_MS, () => asked().at(-1) === 'models use workspace');
  assert.match(await inUse(), /^workspace/);
  say('the model is chosen from a list, and the previous one by a button');
});
