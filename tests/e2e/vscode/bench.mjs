// Measures what the extension adds: its activation in the host, and the time from a key to ghost text beside the server's own.
import fs from 'node:fs';
import path from 'node:path';
import { Editing, SUGGESTION_MS } from './editing.mjs';
import { parrotlet, scenario } from './scenario.mjs';

const KEYS = 40;
const SETTLE_MS = 400;
const CODE = 'class Account:\n    def __init__(self, owner, balance):\n        self.owner = owner\n        self.balance = balance\n\n\n';
const NAMES = ['name', 'age', 'city', 'street', 'country', 'email', 'phone', 'title'];

/** The server, with a stand-in before it that notes when it was asked and when it answered. */
function tap({ sandbox, output }) {
  Object.assign(sandbox.variables, { PARROTLET_BIN: parrotlet, PARROTLET_TAP: path.join(output, 'tap') });
  return { 'parrotlet.server.path': path.join(import.meta.dirname, 'tap.mjs') };
}

/** Runs in the page: notes when a key went down, and when ghost text next appeared. */
function watchKeys() {
  globalThis.lastKey = 0;
  globalThis.shown = [];
  const isShown = () => document.querySelector('.ghost-text-decoration, .ghost-text-decoration-preview, .suggest-preview-text .view-line') !== null;
  const now = () => performance.timeOrigin + performance.now();
  addEventListener('keydown', () => { globalThis.lastKey = isShown() ? 0 : now(); }, { capture: true });
  new MutationObserver(() => {
    if (globalThis.lastKey === 0 || !isShown()) return;
    globalThis.shown.push({ key: globalThis.lastKey, shown: now() });
    globalThis.lastKey = 0;
  }).observe(document, { childList: true, subtree: true, characterData: true, attributes: true });
}

/** Milliseconds of our activation, as the editor itself shows them. */
async function activation({ workbench }) {
  await workbench.command('Developer: Show Running Extensions');
  const row = workbench.page.locator('.runtime-extensions-editor .monaco-list-row, .runtime-extension').filter({ hasText: /parrotlet/i }).first();
  await row.waitFor();
  return Number(/(\d+)\s*ms/.exec(await row.innerText())[1]);
}

await scenario('bench', { file: 'a.py', files: { 'a.py': CODE }, prepare: tap }, async (scene) => {
  const { workbench, output } = scene;
  const editing = new Editing(scene);
  await editing.suggest('class Person:\ndef __init__(self, name, age, city, street, country, email, phone, title):\nself.name =');
  await workbench.press('Tab');
  await workbench.page.evaluate(watchKeys);
  for (let key = 0; key < KEYS; key++) {
    await workbench.hideGhostText(SETTLE_MS);
    await workbench.type(`\nself.${NAMES[key % NAMES.length]}${Math.floor(key / NAMES.length) || ''} `);
    await workbench.hideGhostText(SETTLE_MS);
    await workbench.type('=');
    await workbench.ghostTextWithin(SUGGESTION_MS / 2);
  }
  const seen = await workbench.page.evaluate(() => globalThis.shown);
  const answers = fs.readFileSync(path.join(output, 'tap'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const keystrokes = seen.flatMap(({ key, shown }) => {
    const answer = answers.find(({ asked, answered, text }) => asked > key && answered < shown && text !== '');
    return answer === undefined ? [] : [{ whole_ms: shown - key, server_ms: answer.answered - answer.asked }];
  });
  await workbench.hideGhostText(SETTLE_MS);
  const result = { activation_ms: await activation(scene), keystrokes };
  fs.writeFileSync(process.env.PARROTLET_BENCH, JSON.stringify(result));
});
