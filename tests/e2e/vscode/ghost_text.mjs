// Ghost text in VS Code from the real server and model, and its survival of the engine's death.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { Sandbox } from './sandbox.mjs';
import { until, Workbench } from './workbench.mjs';

const { values: options } = parseArgs({ options: { screenshot: { type: 'string' } } });
const parrotlet = process.env.PARROTLET_BIN;
const output = path.join(process.env.PARROTLET_E2E_CACHE, 'output');
const run = promisify(execFile);
const began = Date.now();

// The engine loads torch and the model on a machine that may be busy with other things.
const ENGINE_MS = 120_000;
const SUGGESTION_MS = 5_000;
const SETTLE_MS = 3_000;
const SAVE_MS = 10_000;
const SETTING_MS = 10_000;

const CODE = `class Account:
    def __init__(self, owner, balance):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        self.balance = self.balance + amount
        return self.balance


`;

const sandbox = new Sandbox();
const workbench = new Workbench(sandbox, output);
const file = path.join(sandbox.folders.workspace, 'bank.py');

function say(message) {
  console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${message}`);
}

const onDisk = () => fs.readFileSync(file, 'utf8');

/** What the command line suggests at the end of a document. */
async function suggestion(document) {
  const asking = run(parrotlet, ['complete', '-', '--greedy', '--json'], { env: sandbox.environment, timeout: ENGINE_MS });
  asking.child.stdin.end(document);
  return JSON.parse((await asking).stdout).suggestions[0]?.text ?? '';
}

/**
 * Checks the ghost text against the command line, which asks the same model afresh.
 *
 * The server answers from an earlier suggestion where the user types along with it. So the ghost text is the suggestion for the
 * end of the document, or for a point in the code just typed, less what was typed since.
 */
async function checkGhostText(document, code, shown) {
  const rejected = [];
  for (let typed = 0; typed < code.length; typed++) {
    const end = document.length - typed;
    const expected = await suggestion(document.slice(0, end));
    if (expected === document.slice(end) + shown) return;
    rejected.push(expected);
  }
  assert.fail(`the ghost text is ${JSON.stringify(shown)}, but the command line says ${JSON.stringify(rejected[0])}`);
}

/**
 * Types code at the end of the file, and returns the document and the ghost text behind the last character.
 *
 * A suggestion that the user types along with stays on the screen. The last character is therefore typed after Escape, so
 * that what is shown answers the finished text. While the engine loads there is no suggestion, and only typing asks again.
 */
async function typeAndSuggest(code) {
  const lastLine = code.split('\n').at(-1);
  await workbench.press('Control+End');
  await workbench.type(code.slice(0, -1));
  let shown = '';
  const appears = until('ghost text is shown', ENGINE_MS, async () => {
    await workbench.hideGhostText(SETTLE_MS);
    await workbench.type(code.slice(-1));
    shown = await workbench.ghostTextWithin(SUGGESTION_MS);
    if (shown === '') await workbench.press('Backspace');
    return shown !== '';
  });
  await appears.catch(async (error) => {
    const expected = await suggestion(onDisk() + code.slice(-1));
    throw new Error(`${error.message}; the command line suggests ${JSON.stringify(expected)}`);
  });
  await until('the typed text is saved', SAVE_MS, () => onDisk().endsWith(lastLine));
  return { document: onDisk(), shown };
}

/** Accepts the ghost text. The editor empties a file before it writes it, so the file is read until it is as expected. */
async function accept(document, shown) {
  const expected = document + shown;
  await workbench.press('Tab');
  await until('the accepted text is saved', SAVE_MS, () => onDisk() === expected).catch(() => undefined);
  assert.equal(onDisk(), expected, 'Tab inserts exactly the ghost text');
}

async function ghostTextIsShownAndAccepted() {
  const code = 'class Person:\ndef __init__(self, name, age):\nself.name =';
  const { document, shown } = await typeAndSuggest(code);
  say(`ghost text: ${JSON.stringify(shown)}`);
  const picture = options.screenshot ?? path.join(output, 'ghost-text.png');
  await workbench.screenshot(picture);
  await checkGhostText(document, code, shown);
  say('the command line suggests the same');
  await accept(document, shown);
  say('Tab inserted it');
}

async function statusBarItemTurnsSuggestionsOffAndOn() {
  const code = 'return';
  await workbench.press('Control+End');
  await workbench.type('\n\ndef greet(self):\n');
  await workbench.clickStatus('Parrotlet');
  await until('the status bar says that suggestions are off', SETTING_MS, async () => /are off/.test(await workbench.status('Parrotlet')));
  await workbench.type(code);
  assert.equal(await workbench.ghostTextWithin(SETTLE_MS), '', 'no ghost text while suggestions are off');
  for (const _ of code) await workbench.press('Backspace');
  await workbench.clickStatus('Parrotlet');
  await until('the status bar says ready', SETTING_MS, async () => /ready/.test(await workbench.status('Parrotlet')));
  const { document, shown } = await typeAndSuggest(code);
  await accept(document, shown);
  say('the status bar item turns suggestions off and on');
}

async function engineDeathGoesUnnoticed() {
  const engine = onlyEngine();
  const code = 'return';
  await workbench.press('Control+End');
  await workbench.type('\n\ndef is_ad');
  process.kill(engine, 'SIGKILL');
  await workbench.type('ult(self):\n');
  say('the engine was killed while typing');
  const { document, shown } = await typeAndSuggest(code);
  say(`ghost text: ${JSON.stringify(shown)}`);
  assert.notEqual(onlyEngine(), engine);
  await checkGhostText(document, code, shown);
  await accept(document, shown);
  say('the next request was answered by a new engine');
}

/** Process id of the engine that serves the window. */
function onlyEngine() {
  const engines = sandbox.processes('engine');
  assert.equal(engines.length, 1, `one engine runs, not ${engines.length}`);
  return engines[0];
}

async function main() {
  fs.rmSync(output, { recursive: true, force: true });
  fs.mkdirSync(output, { recursive: true });
  fs.writeFileSync(file, CODE);
  workbench.install(process.env.PARROTLET_VSIX, { 'parrotlet.server.path': parrotlet, 'parrotlet.deadlineMs': 60_000 });
  say('the extension is installed');
  await workbench.open(file, { width: 1100, height: 620 });
  await until('the status bar shows Parrotlet', ENGINE_MS, async () => (await workbench.status('Parrotlet')) !== '');
  say('the workbench is open');
  await ghostTextIsShownAndAccepted();
  await statusBarItemTurnsSuggestionsOffAndOn();
  await engineDeathGoesUnnoticed();
  assert.deepEqual(await workbench.notifications(), [], 'no notification was shown');
  say('passed');
}

try {
  await main();
} catch (error) {
  console.error(error);
  await workbench.screenshot(path.join(output, 'failed.png')).catch(() => undefined);
  say(`failed; screenshot and logs are in ${output}`);
  process.exitCode = 1;
} finally {
  await workbench.close().catch(() => undefined);
  await sandbox.close();
}
