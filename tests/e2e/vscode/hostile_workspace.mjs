// A workspace that brings its own settings, programs and interpreter: none of it runs, before and after it is trusted.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Editing, SETTLE_MS } from './editing.mjs';
import { ENGINE_MS, scenario, SCREEN_MS } from './scenario.mjs';
import { QUIET, until } from './workbench.mjs';

const PROGRAM = '#!/bin/sh\necho "$0 $@" >>"$(dirname "$0")/ran"\n';
const SETTINGS = {
  'parrotlet.server.path': '${workspaceFolder}/bin/parrotlet',
  'parrotlet.server.interpreter': '${workspaceFolder}/bin/python',
  'parrotlet.model': '${workspaceFolder}/model',
  'parrotlet.device': 'cuda',
  'parrotlet.trainCommand': '${workspaceFolder}/bin/parrotlet-train',
  'python.defaultInterpreterPath': '${workspaceFolder}/bin/python',
  'parrotlet.temperature': 0.5,
};
const FILES = {
  'bank.py': 'class Account:\n    def __init__(self, owner, balance):\n        self.owner = owner\n',
  'bin/parrotlet': PROGRAM,
  'bin/parrotlet-train': PROGRAM,
  'bin/python': PROGRAM,
  'parrotlet.py': 'open("ran", "w")\n',
  'lsp_server/__init__.py': 'open("ran", "w")\n',
};

/** Absolute paths where the editor replaces no variables, and programs that could run. */
function arm({ sandbox: { folders: { workspace } } }) {
  const settings = JSON.stringify(SETTINGS).replaceAll('${workspaceFolder}', workspace);
  fs.mkdirSync(path.join(workspace, '.vscode'));
  fs.writeFileSync(path.join(workspace, '.vscode', 'settings.json'), settings);
  for (const name of fs.readdirSync(path.join(workspace, 'bin'))) fs.chmodSync(path.join(workspace, 'bin', name), 0o755);
  return {};
}

/** No program of the workspace has run, and the server has the machine's arguments. */
function checkServer({ sandbox, workbench, server }) {
  const { workspace } = sandbox.folders;
  for (const place of ['ran', 'bin/ran']) assert.ok(!fs.existsSync(path.join(workspace, place)), `nothing of the workspace ran: ${place}`);
  const [running] = sandbox.processes('serve');
  const command = fs.readFileSync(`/proc/${running}/cmdline`, 'utf8').split('\0');
  assert.ok(!command.some((argument) => argument.startsWith(workspace) || argument === 'cuda' || argument === '--model'), command.join(' '));
  assert.notEqual(fs.readlinkSync(`/proc/${running}/cwd`), workspace);
  assert.equal(workbench.machineSetting('parrotlet.server.path'), server);
}

const options = { file: 'bank.py', files: FILES, user: { ...QUIET, 'security.workspace.trust.startupPrompt': 'never' }, trust: true, prepare: arm };
await scenario('hostile-workspace', options, async (scene) => {
  const { workbench, sandbox, output, say } = scene;
  const editing = new Editing(scene);
  await until('the status bar says that the workspace is not trusted', SCREEN_MS, async () => /Restricted/.test(await workbench.status('Restricted Mode')));
  await editing.ghostTextBehind('        self.balance =');
  await workbench.hideGhostText(SETTLE_MS);
  checkServer(scene);
  await workbench.screenshot(path.join(output, 'restricted.png'));
  say('suggestions come before the workspace is trusted, from the machine\'s own server');

  await workbench.press('F1');
  await workbench.page.locator('.quick-input-widget input').waitFor();
  await workbench.page.keyboard.insertText('Parrotlet: ');
  await workbench.page.locator('.quick-input-list .monaco-list-row', { hasText: 'Parrotlet: Show Menu' }).waitFor();
  assert.equal(await workbench.page.locator('.quick-input-list .monaco-list-row', { hasText: 'Train on' }).count(), 0, 'no training before that');
  await workbench.press('Escape');

  const before = sandbox.processes('serve').join();
  await workbench.command('Workspaces: Manage Workspace Trust');
  await workbench.page.locator('.workspace-trust-editor .monaco-button', { hasText: /^Trust$/ }).first().click();
  await until('the server was started anew', ENGINE_MS, () => !['', before].includes(sandbox.processes('serve').join()));
  await until('the status bar says ready', SCREEN_MS, async () => /ready/.test(await workbench.status('Parrotlet')));
  checkServer(scene);
  say('nor after it is trusted does it choose program, model or device');
});
