// A new user: no server is there, one button installs it from a folder of wheels, the walkthrough leads to the first suggestion.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ENGINE_MS, parrotlet, scenario, SCREEN_MS } from './scenario.mjs';
import { until } from './workbench.mjs';

// A wheel with all of torch would be gigabytes: this one's command starts the server under test.
const BUILD = `
import sys, zipfile
folder, command = sys.argv[1:]
info = "parrotlet-0.1.0.dist-info/"
with zipfile.ZipFile(folder + "/parrotlet-0.1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("launch.py", f"import os, sys\\ndef main(): os.execv({command!r}, [{command!r}, *sys.argv[1:]])\\n")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: parrotlet\\nVersion: 0.1.0\\nProvides-Extra: train\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "entry_points.txt", "[console_scripts]\\nparrotlet = launch:main\\n")
    wheel.writestr(info + "RECORD", "")
`;

function buildWheel({ sandbox }) {
  const folder = path.join(sandbox.folders.home, 'wheels');
  fs.mkdirSync(folder);
  execFileSync('python3', ['-c', BUILD, folder, parrotlet]);
  return { 'parrotlet.server.path': '' };
}

const notices = /found no parrotlet command|^Installing Parrotlet/;
await scenario('first-minute', { file: 'a.py', files: { 'a.py': 'x = 1\n' }, prepare: buildWheel, notices }, async ({ workbench, sandbox, output, say }) => {
  const { page } = workbench;
  await until('the missing server is told', SCREEN_MS, async () => (await workbench.notifications()).some((text) => text.includes('found no parrotlet command')));
  await workbench.screenshot(path.join(output, 'missing.png'));
  assert.match(await workbench.status('Parrotlet'), /found no parrotlet command/);
  await workbench.button('Install Parrotlet');
  await workbench.listed('Install Parrotlet');
  await workbench.screenshot(path.join(output, 'sources.png'));
  await workbench.pick('From a folder of wheels');
  const dialog = page.locator('.quick-input-widget', { hasText: 'A folder of wheels' });
  await dialog.locator('.monaco-list-row').first().waitFor();
  // The dialog reads the folder that it begins with, and then writes that over what was typed too early.
  await until('the folder is taken', SCREEN_MS, async () => {
    await dialog.locator('input').first().fill(`${path.join(sandbox.folders.home, 'wheels')}/`, { timeout: 2_000 }).catch(() => undefined);
    await dialog.locator('.monaco-button', { hasText: 'Install' }).click({ timeout: 2_000 }).catch(() => undefined);
    return !(await dialog.isVisible());
  });
  await until('the installation is shown', SCREEN_MS, async () => (await workbench.notifications()).some((text) => text.startsWith('Installing Parrotlet')));
  await workbench.screenshot(path.join(output, 'installing.png'));
  await until('the installed server is ready', ENGINE_MS, async () => /ready|loading/.test(await workbench.status('Parrotlet')));
  assert.equal(sandbox.processes('serve').length, 1);
  say('one button installed the server, offline');

  await workbench.command('Welcome: Open Walkthrough');
  await page.keyboard.insertText('Parrotlet');
  await workbench.pick('Get Started with Parrotlet');
  await page.locator('.getting-started-step', { hasText: 'Try it in a sample file' }).first().click();
  await workbench.screenshot(path.join(output, 'walkthrough.png'));
  await page.locator('.monaco-button', { hasText: 'Open the Sample File' }).first().click();
  await until('the sample file has ghost text, without a key', ENGINE_MS, async () => (await workbench.ghostText()) !== '');
  await workbench.screenshot(path.join(output, 'sample.png'));
  say(`in the sample file: ${JSON.stringify(await workbench.ghostText())}`);
  await page.locator('.tab', { hasText: 'Welcome' }).click();
  const done = page.locator('.getting-started-step', { hasText: 'Try it in a sample file' }).locator('.codicon-getting-started-step-checked, .complete');
  await until('the walkthrough has that step done', SCREEN_MS, async () => (await done.count()) > 0);
});
