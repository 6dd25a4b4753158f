// Types into the file of a scenario, and holds its ghost text against what the command line says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { ENGINE_MS, parrotlet } from './scenario.mjs';
import { until } from './workbench.mjs';

export const SUGGESTION_MS = 5_000;
export const SETTLE_MS = 3_000;
const SAVE_MS = 10_000;
const run = promisify(execFile);

export class Editing {
  constructor({ workbench, sandbox, file }) {
    this.workbench = workbench;
    this.sandbox = sandbox;
    this.file = file;
  }

  onDisk() {
    return fs.readFileSync(this.file, 'utf8');
  }

  /** What the command line suggests at the end of a document. */
  async suggestion(document) {
    const asking = run(parrotlet, ['complete', '-', '--greedy', '--json'], { env: this.sandbox.environment, timeout: ENGINE_MS });
    asking.child.stdin.end(document);
    return JSON.parse((await asking).stdout).suggestions[0]?.text ?? '';
  }

  /**
   * Checks the ghost text against the command line, which asks the same model afresh.
   *
   * The server answers from an earlier suggestion where the user types along with it. So the ghost text is the suggestion for
   * the end of the document, or for a point in the code just typed, less what was typed since.
   */
  async check(document, code, shown) {
    const rejected = [];
    for (let typed = 0; typed < code.length; typed++) {
      const end = document.length - typed;
      const expected = await this.suggestion(document.slice(0, end));
      if (expected === document.slice(end) + shown) return;
      rejected.push(expected);
    }
    assert.fail(`the ghost text is ${JSON.stringify(shown)}, but the command line says ${JSON.stringify(rejected[0])}`);
  }

  /** Types code at the end of the file, and returns the document and the ghost text behind the last character. */
  async suggest(code) {
    await this.workbench.press('Control+End');
    const shown = await this.ghostTextBehind(code).catch(async (error) => {
      const expected = await this.suggestion(this.onDisk() + code.slice(-1));
      throw new Error(`${error.message}; the command line suggests ${JSON.stringify(expected)}`);
    });
    const lastLine = code.split('\n').at(-1);
    await until('the typed text is saved', SAVE_MS, () => this.onDisk().endsWith(lastLine));
    return { document: this.onDisk(), shown };
  }

  /**
   * Types code at the cursor, and returns the ghost text behind its last character.
   *
   * A suggestion that the user types along with stays on the screen. The last character is therefore typed after Escape, so
   * that what is shown answers the finished text. While the engine loads there is no suggestion, and only typing asks again.
   */
  async ghostTextBehind(code) {
    let shown = '';
    await this.workbench.type(code.slice(0, -1));
    await until('ghost text is shown', ENGINE_MS, async () => {
      await this.workbench.hideGhostText(SETTLE_MS);
      await this.workbench.type(code.slice(-1));
      shown = await this.workbench.ghostTextWithin(SUGGESTION_MS);
      if (shown === '') await this.workbench.press('Backspace');
      return shown !== '';
    });
    return shown;
  }

  /** Accepts the ghost text. The editor empties a file before it writes it, so the file is read until it is as expected. */
  async accept(document, shown) {
    await this.workbench.press('Tab');
    await this.expectSaved(document + shown, 'Tab inserts exactly the ghost text');
  }

  async expectSaved(expected, why) {
    await until('it is saved', SAVE_MS, () => this.onDisk() === expected).catch(() => undefined);
    assert.equal(this.onDisk(), expected, why);
  }
}
