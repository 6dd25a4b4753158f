// Other documents than files: an untitled file, and the cells of a notebook.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Editing, SETTLE_MS } from './editing.mjs';
import { ENGINE_MS, scenario, SCREEN_MS } from './scenario.mjs';
import { until } from './workbench.mjs';

const CODE = 'class Account:\n    def __init__(self, owner):\n        self.owner = owner\n';
const cell = (source) => ({ cell_type: 'code', metadata: {}, source, outputs: [], execution_count: null });
const NOTEBOOK = {
  cells: [cell(['class Account:\n', '    def __init__(self, owner, balance):\n', '        self.owner = owner\n', '        self.balance = balance']), cell([''])],
  metadata: { language_info: { name: 'python' } },
  nbformat: 4,
  nbformat_minor: 5,
};
const FILES = { 'bank.py': CODE, 'shop.ipynb': JSON.stringify(NOTEBOOK, null, 1) };

/** Types behind an Escape until ghost text comes, and takes it. */
async function suggestAndAccept({ workbench }, editing, code) {
  const shown = await editing.ghostTextBehind(code);
  await workbench.press('Tab');
  await until('the ghost text is gone', SCREEN_MS, async () => (await workbench.ghostText()) === '' || (await workbench.ghostText()) !== shown);
  return shown;
}

await scenario('documents', { file: 'bank.py', files: FILES, viewport: { width: 1100, height: 760 } }, async (scene) => {
  const { workbench, sandbox, output, say } = scene;
  const editing = new Editing(scene);
  const { page } = workbench;

  await workbench.command('File: New Untitled Text File');
  await workbench.command('Change Language Mode');
  await page.keyboard.insertText('Python');
  await workbench.pick('Python');
  await workbench.type('class Person:\ndef __init__(self, name, age):\n');
  const untitled = await suggestAndAccept(scene, editing, 'self.name =');
  assert.match(await page.locator('.editor-instance .view-lines').last().innerText(), /self\.name.=.name/);
  say(`in an untitled file: ${JSON.stringify(untitled)}`);

  await workbench.press('Control+p');
  await page.keyboard.insertText('shop.ipynb');
  await workbench.pick('shop.ipynb');
  await page.locator('.notebook-editor .cell-editor-container .view-lines, .notebookOverlay .monaco-editor .view-lines').last().click();
  await workbench.type('class Person:\ndef __init__(self, name, age):\n');
  const inCell = await suggestAndAccept(scene, editing, 'self.name =');
  await workbench.screenshot(path.join(output, 'notebook.png'));
  const notebook = path.join(sandbox.folders.workspace, 'shop.ipynb');
  await until('the cell is saved', ENGINE_MS, () => JSON.parse(fs.readFileSync(notebook, 'utf8') || '{}').cells?.[1].source.at(-1).endsWith(`self.name =${inCell}`));
  say(`in a notebook's cell: ${JSON.stringify(inCell)}`);
  await workbench.hideGhostText(SETTLE_MS);
});
