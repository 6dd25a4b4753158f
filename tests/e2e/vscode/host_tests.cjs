// Runs inside VS Code's extension host, against the real API: what the editor itself says of the extension.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const vscode = require('vscode');

const MANIFEST = ['parrotlet.server.path', 'parrotlet.model', 'parrotlet.device'];
const ENGINE_MS = 120_000;

async function until(what, milliseconds, condition) {
  for (const end = Date.now() + milliseconds; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const found = await condition();
    if (found) return found;
  }
  throw new Error(`after ${milliseconds / 1000} s it is not so that ${what}`);
}

const tests = {
  async 'is active, and its server has been started'() {
    const extension = vscode.extensions.getExtension('parrotlet.parrotlet');
    await (await extension.activate()).started;
    assert.equal(extension.isActive, true);
    assert.equal(extension.extensionKind, vscode.ExtensionKind.Workspace);
  },

  async 'every command that is declared is there'() {
    const { contributes } = vscode.extensions.getExtension('parrotlet.parrotlet').packageJSON;
    const known = new Set(await vscode.commands.getCommands(true));
    assert.deepEqual(contributes.commands.map(({ command }) => command).filter((command) => !known.has(command)), []);
  },

  async 'its keys have no other meaning in the editor as it comes'() {
    const { contributes } = vscode.extensions.getExtension('parrotlet.parrotlet').packageJSON;
    const defaults = (await vscode.workspace.openTextDocument(vscode.Uri.parse('vscode://defaultsettings/keybindings.json'))).getText();
    const entries = JSON.parse(defaults.replace(/^\s*\/\/.*$/gm, ''));
    assert.ok(entries.some(({ key, command }) => key === 'alt+]' && command === 'editor.action.inlineSuggest.showNext'), 'the defaults were read');
    for (const { key } of contributes.keybindings) {
      const others = entries.filter((entry) => entry.key === key && !entry.command.startsWith('parrotlet.'));
      assert.deepEqual(others, [], `${key} is taken`);
    }
  },

  async 'the server answers in the editor'() {
    const status = await until('the engine is ready', ENGINE_MS, async () => {
      const answer = await vscode.commands.executeCommand('parrotlet.status');
      return answer.state === 'ready' ? answer : undefined;
    });
    assert.equal(status.window_is_ready, true);
  },

  async 'a setting of suggestions takes effect in the running server, and one of the machine starts it anew'() {
    const pid = async () => (await vscode.commands.executeCommand('parrotlet.status')).server_pid;
    const configuration = vscode.workspace.getConfiguration('parrotlet');
    const before = await pid();
    await configuration.update('length', 'line', vscode.ConfigurationTarget.Global);
    assert.equal(await pid(), before);
    await configuration.update('device', 'cpu', vscode.ConfigurationTarget.Global);
    await until('another server answers', ENGINE_MS, async () => (await pid().catch(() => before)) !== before);
    assert.throws(() => process.kill(before, 0), 'the first one has left');
  },

  async 'a workspace cannot set what is the machine\'s'() {
    for (const name of MANIFEST) {
      const [section, ...rest] = name.split('.');
      const update = vscode.workspace.getConfiguration(section).update(rest.join('.'), 'mine', vscode.ConfigurationTarget.Workspace);
      await assert.rejects(() => Promise.resolve(update), /scope|machine|Workspace/i, name);
    }
  },

  async 'restarts asked for at once are one after the other'() {
    await Promise.all([1, 2, 3].map(() => vscode.commands.executeCommand('parrotlet.restart')));
    const { server_pid } = await vscode.commands.executeCommand('parrotlet.status');
    assert.ok(server_pid > 0);
  },
};

exports.run = async function run() {
  const lines = [];
  let failure;
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      lines.push(`ok      ${name}`);
    } catch (error) {
      failure ??= error;
      lines.push(`FAILED  ${name}: ${error.stack}`);
    }
  }
  fs.writeFileSync(process.env.PARROTLET_HOST_RESULTS, `${lines.join('\n')}\n`);
  if (failure !== undefined) throw failure;
};
