// What a person does with ghost text in VS Code, with the real server and model, and what happens when they die.
import assert from 'node:assert/strict';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Editing, SETTLE_MS, SUGGESTION_MS } from './editing.mjs';
import { ENGINE_MS, scenario, SCREEN_MS } from './scenario.mjs';
import { until } from './workbench.mjs';

const { values: options } = parseArgs({ options: { screenshot: { type: 'string' } } });

const CODE = `class Account:
    def __init__(self, owner, balance):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        self.balance = self.balance + amount
        return self.balance


`;

async function ghostTextIsShownAndAccepted({ workbench, output, say }, editing) {
  const code = 'class Person:\ndef __init__(self, name, age, city, email):\nself.name =';
  const { document, shown } = await editing.suggest(code);
  say(`ghost text: ${JSON.stringify(shown)}`);
  await workbench.screenshot(options.screenshot ?? path.join(output, 'ghost-text.png'));
  await editing.check(document, code, shown);
  await editing.accept(document, shown);
  say('it is what the command line suggests, and Tab inserted it');
}

async function aWordIsAcceptedAndTheRestDismissed({ workbench, say }, editing) {
  const { document, shown } = await editing.suggest('\n\ndef greet(self):\nreturn');
  // The editor takes the space before a word by itself.
  for (let word = 0; word < (shown.startsWith(' ') ? 2 : 1); word++) await workbench.press('Control+ArrowRight');
  await until('a word of it is saved', SCREEN_MS, () => editing.onDisk().slice(document.length).trim() !== '');
  const taken = editing.onDisk().slice(document.length);
  assert.match(taken, /^ ?(\w+|\W+)$/);
  assert.ok(shown.startsWith(taken), `${taken} of ${shown}`);
  await workbench.hideGhostText(SETTLE_MS);
  await editing.expectSaved(document + taken, 'Escape inserts nothing');
  for (const _ of taken) await workbench.press('Backspace');
  say(`Ctrl+Right took ${JSON.stringify(taken)}, Escape dismissed the rest`);
}

/** Where a name is to be made up, no model is sure of one. */
async function candidatesAreShownInTurn({ workbench, say }, editing) {
  await workbench.press('Control+End');
  await workbench.type('\n\ndef ');
  await workbench.hideGhostText(SETTLE_MS);
  await workbench.press('Alt+\\');
  const seen = [await workbench.ghostTextWithin(SUGGESTION_MS)];
  assert.notEqual(seen[0], '', 'Alt+\\ asks for suggestions');
  await workbench.press('Alt+]');
  await until('another candidate is shown', SUGGESTION_MS, async () => !['', seen[0]].includes(await workbench.ghostText()));
  seen.push(await workbench.ghostText());
  say(`candidates: ${JSON.stringify(seen)}`);
  await workbench.press('Alt+[');
  await until('the first candidate is shown again', SUGGESTION_MS, async () => (await workbench.ghostText()) === seen[0]);
  await workbench.hideGhostText(SETTLE_MS);
  await workbench.press('Control+Shift+k');
  say('the first one came back');
}

/** Off by a command or the menu, no ghost text while it is, and on again. */
async function switches({ workbench, say }, editing, { off, on, said, name }) {
  const code = `self.${name} =`;
  await off();
  await until(`the status bar says ${said}`, SCREEN_MS, async () => said.test(await workbench.status('Parrotlet')));
  await workbench.focus();
  await workbench.press('Control+End');
  await workbench.type(`\n${code}`);
  assert.equal(await workbench.ghostTextWithin(SETTLE_MS), '', 'no ghost text while suggestions are off');
  for (const _ of code) await workbench.press('Backspace');
  await on();
  await until('the status bar says ready', SCREEN_MS, async () => /ready/.test(await workbench.status('Parrotlet')));
  await workbench.focus();
  const { document, shown } = await editing.suggest(code);
  await editing.accept(document, shown);
  say(`off and on again: ${said}`);
}

async function suggestionsAreTurnedOffAndOn(scene, editing) {
  const { workbench, output } = scene;
  const menu = async (label) => {
    await workbench.clickStatus('Parrotlet');
    await workbench.listed('Parrotlet');
    if (label.startsWith('Pause')) await workbench.screenshot(path.join(output, 'menu.png'));
    await workbench.pick(label);
  };
  await switches(scene, editing, { off: () => menu('Turn Suggestions On or Off'), on: () => menu('Turn Suggestions On or Off'), said: /suggestions are off$/, name: 'age' });
  const language = () => workbench.command('Parrotlet: Turn Suggestions On or Off for This Language');
  await switches(scene, editing, { off: language, on: language, said: /off for python/, name: 'city' });
  await switches(scene, editing, { off: () => menu('Pause for an Hour'), on: () => workbench.command('Parrotlet: End the Pause'), said: /paused until/, name: 'email' });
}

async function engineDeathGoesUnnoticed({ workbench, sandbox, say }, editing) {
  const engine = only(sandbox, 'engine');
  const code = 'return';
  await workbench.press('Control+End');
  await workbench.type('\n\ndef is_ad');
  process.kill(engine, 'SIGKILL');
  await workbench.type('ult(self):\n');
  const { document, shown } = await editing.suggest(code);
  assert.notEqual(only(sandbox, 'engine'), engine);
  await editing.check(document, code, shown);
  await editing.accept(document, shown);
  say('the engine was killed while typing, and a new one answered');
}

async function serverDeathLosesNoDocument({ workbench, sandbox, say }, editing) {
  const server = only(sandbox, 'serve');
  const code = 'return';
  await workbench.press('Control+End');
  process.kill(server, 'SIGKILL');
  await workbench.type('\n\ndef is_old(self):\n');
  await until('another server runs', ENGINE_MS, () => !['', String(server)].includes(sandbox.processes('serve').join()));
  await until('the status bar says ready', SCREEN_MS, async () => /ready/.test(await workbench.status('Parrotlet')));
  const { document, shown } = await editing.suggest(code);
  await editing.check(document, code, shown);
  await editing.accept(document, shown);
  say('the server was killed while typing, and the next one knows the document');
}

/** Process id of the one program of the sandbox that was started with this argument. */
function only(sandbox, argument) {
  const found = sandbox.processes(argument);
  assert.equal(found.length, 1, `one ${argument} runs, not ${found.length}`);
  return found[0];
}

await scenario('ghost-text', { file: 'bank.py', files: { 'bank.py': CODE } }, async (scene) => {
  const editing = new Editing(scene);
  await ghostTextIsShownAndAccepted(scene, editing);
  await suggestionsAreTurnedOffAndOn(scene, editing);
  await aWordIsAcceptedAndTheRestDismissed(scene, editing);
  await candidatesAreShownInTurn(scene, editing);
  await engineDeathGoesUnnoticed(scene, editing);
  await serverDeathLosesNoDocument(scene, editing);
});
