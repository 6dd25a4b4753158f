// The VS Code workbench under test: code-server on loopback, shown by a headless Chromium. Knows nothing of Parrotlet.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const cache = process.env.PARROTLET_E2E_CACHE;
const { chromium } = createRequire(path.join(cache, 'package.json'))('playwright-core');
const codeServer = path.join(cache, 'node_modules/code-server/out/node/entry.js');

// Ten seconds on an idle machine, a hundred beside a training run.
const START_MS = 240_000;
const ACTION_MS = 30_000;
const GHOST = '.ghost-text-decoration, .ghost-text-decoration-preview';
const GHOST_LINES = '.suggest-preview-text .view-line';

// Status bar items that only VS Code in a browser has; they are left out of pictures.
const BROWSER_ONLY = '[id="status.host"], [id="status.forwardedPorts"], [id="status.workbench.keyboardLayout"]';

// Everything that would speak, fetch or ask is off.
const OFFLINE = {
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'chat.disableAIFeatures': true,
  'git.enabled': false,
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'files.autoSave': 'afterDelay',
  'files.autoSaveDelay': 100,
};

// And so is what would clutter the picture, or suggest beside us.
export const QUIET = {
  'workbench.colorTheme': 'Default Dark Modern',
  'workbench.activityBar.location': 'hidden',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.layoutControl.enabled': false,
  'window.commandCenter': false,
  'window.menuBarVisibility': 'hidden',
  'breadcrumbs.enabled': false,
  'workbench.editor.editorActionsLocation': 'hidden',
  'editor.minimap.enabled': false,
  'editor.scrollbar.vertical': 'hidden',
  'editor.overviewRulerBorder': false,
  'editor.hideCursorInOverviewRuler': true,
  'editor.fontFamily': 'DejaVu Sans Mono',
  'editor.fontSize': 17,
  'editor.lineHeight': 1.6,
  'editor.cursorBlinking': 'solid',
  'editor.renderLineHighlight': 'none',
  'editor.occurrencesHighlight': 'off',
  'editor.stickyScroll.enabled': false,
  'editor.quickSuggestions': { other: 'off', comments: 'off', strings: 'off' },
  'editor.parameterHints.enabled': false,
};

export class Workbench {
  constructor(sandbox, logFolder) {
    this.sandbox = sandbox;
    this.folders = sandbox.folders;
    this.logFolder = logFolder;
    this.options = ['--user-data-dir', this.folders.user, '--extensions-dir', this.folders.extensions, '--config', '/dev/null'];
    this.errors = [];
  }

  /** `user` and `machine` are settings. */
  install(vsix, { user = QUIET, machine = {} }) {
    for (const [place, settings] of [['User', { ...OFFLINE, ...user }], ['Machine', machine]]) {
      fs.mkdirSync(path.join(this.folders.user, place), { recursive: true });
      fs.writeFileSync(path.join(this.folders.user, place, 'settings.json'), JSON.stringify(settings));
    }
    const command = [codeServer, ...this.options, '--install-extension', vsix];
    execFileSync(process.execPath, command, { env: this.sandbox.environment, stdio: 'pipe', timeout: START_MS });
  }

  /** A setting of the machine, as it is on disk. */
  machineSetting(name) {
    return JSON.parse(fs.readFileSync(path.join(this.folders.user, 'Machine', 'settings.json'), 'utf8'))[name];
  }

  /**
   * Shows a file of the workspace in a window of the given size. With `trust`, the editor asks whether to trust the workspace;
   * `hosted` are the paths, by their parameters' names, of tests to run in the extension host.
   */
  async open(file, { viewport = { width: 1100, height: 620 }, trust = false, hosted } = {}) {
    this.port = await (hosted === undefined ? this.serve(trust) : this.serveTests());
    this.browser = await chromium.launchPersistentContext(this.folders.browser, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      env: this.sandbox.environment,
      viewport,
      timeout: START_MS,
      deviceScaleFactor: 2,
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    this.page = this.browser.pages()[0] ?? (await this.browser.newPage());
    this.page.setDefaultTimeout(START_MS);
    this.page.on('console', (message) => { this.note(message.type(), message.text()); });
    this.page.on('pageerror', (error) => { this.note('error', String(error)); });
    await this.page.addInitScript(recordNotifications);
    await this.load(file, hosted);
    await this.page.keyboard.press('Control+b');
    await this.page.locator('.part.sidebar').waitFor({ state: 'hidden' });
    await this.focus();
    this.page.setDefaultTimeout(ACTION_MS);
  }

  async load(file, hosted = []) {
    const remote = ([name, target]) => [name, `vscode-remote://127.0.0.1:${this.port}${target}`];
    const payload = JSON.stringify([['openFile', file], ...hosted].map(remote));
    const query = new URLSearchParams({ folder: this.folders.workspace, payload });
    await this.page.goto(`http://127.0.0.1:${this.port}/?${query}`);
    await this.page.locator('.editor-instance .monaco-editor .view-line').first().waitFor();
  }

  focus() {
    return this.page.locator('.editor-instance .monaco-editor .view-lines').first().click();
  }

  /** Of the console's messages, the errors that name us or a page's policy are kept: other parts of an editor complain a lot. */
  note(type, text) {
    fs.appendFileSync(path.join(this.logFolder, 'console.log'), `${type} ${text}\n`);
    if (type === 'error' && /parrotlet|Content.Security.Policy/i.test(text)) this.errors.push(text);
  }

  serve(trust) {
    const options = ['--auth', 'none', '--disable-telemetry', '--disable-update-check', '--disable-getting-started-override'];
    const quiet = trust ? [] : ['--disable-workspace-trust'];
    const bind = (port) => ['--bind-addr', `127.0.0.1:${port}`, ...quiet, this.folders.workspace];
    return this.start('healthz', (port) => [codeServer, ...this.options, ...options, ...bind(port)]);
  }

  /** The server inside code-server: only it takes the option without which a built workbench runs no tests. */
  serveTests() {
    const server = path.join(cache, 'node_modules/code-server/lib/vscode/out/server-main.js');
    const options = ['--without-connection-token', '--accept-server-license-terms', '--enable-smoke-test-driver', '--telemetry-level', 'off'];
    const folders = ['--server-data-dir', this.folders.user, '--user-data-dir', this.folders.user, '--extensions-dir', this.folders.extensions];
    return this.start('version', (port) => [server, '--host', '127.0.0.1', '--port', String(port), ...options, ...folders]);
  }

  /** Starts a server on a free port, and returns that once the page answers. */
  async start(page, command) {
    const port = await freePort();
    const log = fs.openSync(path.join(this.logFolder, 'code-server.log'), 'w');
    spawn(process.execPath, command(port), { env: this.sandbox.environment, stdio: ['ignore', log, log] });
    fs.closeSync(log);
    await until('the editor\'s server answers', START_MS, async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/${page}`).catch(() => undefined);
      return answer?.ok;
    });
    return port;
  }

  /** Runs a command of the palette by its name. */
  async command(title) {
    await this.press('F1');
    await this.page.locator('.quick-input-widget input').waitFor();
    await this.page.keyboard.insertText(title);
    await this.pick(title);
  }

  /** Takes the entry of the open list that has this text. */
  async pick(label) {
    const row = this.page.locator('.quick-input-list .monaco-list-row').filter({ hasText: label }).first();
    await row.click();
  }

  /** Labels of the open list, once it is the one with this title. */
  async listed(title) {
    await this.page.locator('.quick-input-title', { hasText: title }).waitFor();
    const rows = this.page.locator('.quick-input-list .monaco-list-row');
    await rows.first().waitFor();
    return rows.evaluateAll((all) => all.map((row) => row.getAttribute('aria-label') ?? ''));
  }

  /** Presses a button of a notification on the screen. */
  async button(label) {
    await this.page.locator('.notification-list-item .monaco-button').filter({ hasText: label }).first().click();
  }

  /** What the status bar says in an item with this name, its tooltip included. */
  async status(name) {
    const labels = await this.page.locator('.statusbar-item').evaluateAll((items) => items.map((item) => item.getAttribute('aria-label') ?? ''));
    return labels.find((label) => label.includes(name)) ?? '';
  }

  async clickStatus(name) {
    await this.page.locator('.statusbar-item a').filter({ hasText: name }).click();
  }

  press(key) {
    return this.page.keyboard.press(key);
  }

  type(text) {
    return this.page.keyboard.type(text, { delay: 40 });
  }

  /** The grey text on the screen; empty when there is none. */
  async ghostText() {
    const text = await this.page.evaluate(
      async ([inline, lines]) => {
        // The first line is drawn in another frame than the lines below.
        for (let frame = 0; frame < 2; frame++) await new Promise((drawn) => requestAnimationFrame(drawn));
        const read = (selector) => [...document.querySelectorAll(selector)].map((element) => element.textContent ?? '');
        return [read(inline).join(''), ...read(lines)].join('\n');
      },
      [GHOST, GHOST_LINES],
    );
    return text.replaceAll('\u00a0', ' ').replaceAll('\u200b', '');
  }

  /** The ghost text as soon as there is some; empty when there is none in that time. */
  async ghostTextWithin(timeoutMs) {
    let text = '';
    for (const end = Date.now() + timeoutMs; text === '' && Date.now() < end; await sleep(50)) text = await this.ghostText();
    return text;
  }

  /** Dismisses the ghost text that comes within the given time. */
  async hideGhostText(timeoutMs) {
    if ((await this.ghostTextWithin(timeoutMs)) === '') return;
    await this.press('Escape');
    await until('Escape hides the ghost text', timeoutMs, async () => (await this.ghostText()) === '');
  }

  /** Text of every notification that was on the screen so far. */
  notifications() {
    return this.page.evaluate(() => globalThis.notificationsSeen);
  }

  async screenshot(file) {
    // Not by the screenshot's own option for styles, which would break the policies of the panels' pages.
    const style = await this.page.addStyleTag({ content: `${BROWSER_ONLY} { display: none !important; }` });
    await this.page.screenshot({ path: file });
    await style.evaluate((element) => element.remove());
  }

  async close() {
    await this.browser?.close();
  }
}

/** Polls until the condition holds; fails by name after the time. */
export async function until(what, timeoutMs, condition) {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(50)) {
    if (await condition()) return;
  }
  throw new Error(`after ${timeoutMs / 1000} s it is not so that ${what}`);
}

/** Runs in the page: toasts come and go between two looks, so each is noted when it appears. */
function recordNotifications() {
  globalThis.notificationsSeen = [];
  const look = () => {
    for (const element of document.querySelectorAll('.notification-list-item-message')) {
      if (!globalThis.notificationsSeen.includes(element.textContent)) globalThis.notificationsSeen.push(element.textContent);
    }
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
