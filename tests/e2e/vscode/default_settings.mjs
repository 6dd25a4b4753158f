// The editor as it comes, its suggest widget included: one Tab, one meaning.
import assert from 'node:assert/strict';
import path from 'node:path';
import { Editing, SETTLE_MS, SUGGESTION_MS } from './editing.mjs';
import { scenario, SCREEN_MS } from './scenario.mjs';
import { until } from './workbench.mjs';

const CODE = `class Account:
    def __init__(self, owner, balance):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        self.balance = self.balance + amount
        return self.balance

    def withdraw(self, amount):
        self.balance = self`;

/** The selected entry of the suggest widget; empty where it is not open. */
function selected({ page }) {
  return page.evaluate(() => document.querySelector('.suggest-widget.visible .monaco-list-row.focused .label-name')?.textContent ?? '');
}

await scenario('default-settings', { file: 'bank.py', files: { 'bank.py': CODE }, user: { 'editor.fontFamily': 'DejaVu Sans Mono' } }, async (scene) => {
  const { workbench, output, say } = scene;
  const editing = new Editing(scene);
  await workbench.press('Control+End');
  await editing.ghostTextBehind('.');
  await workbench.hideGhostText(SETTLE_MS);

  const before = `${CODE}.`;
  await workbench.type('bal');
  assert.notEqual(await workbench.ghostTextWithin(SUGGESTION_MS), '', 'ghost text inside a word');
  assert.equal(await selected(workbench), '', 'the editor leaves its widget closed while there is ghost text');
  await workbench.press('Control+Space');
  await until('the suggest widget is open', SCREEN_MS, async () => (await selected(workbench)) !== '');
  await workbench.ghostTextWithin(SETTLE_MS);
  await workbench.screenshot(path.join(output, 'widget.png'));
  const word = await selected(workbench);
  const ghost = await workbench.ghostText();
  say(`the widget offers ${JSON.stringify(word)}, ghost text behind it: ${JSON.stringify(ghost)}`);
  await workbench.press('Tab');
  await editing.expectSaved(before + word, 'Tab takes the entry of the widget, no more and no less');
  assert.equal(await selected(workbench), '');

  await workbench.hideGhostText(SETTLE_MS);

  await workbench.type('\nself.owner =');
  const shown = await workbench.ghostTextWithin(SUGGESTION_MS);
  assert.notEqual(shown, '', 'ghost text where no widget is');
  assert.equal(await selected(workbench), '', 'the server puts nothing into the widget');
  await until('the typed text is saved', SCREEN_MS, () => editing.onDisk().endsWith('self.owner ='));
  await editing.accept(editing.onDisk(), shown);
});
