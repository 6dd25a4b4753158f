import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { activate, deactivate } from '../src/extension';
import * as client from './fakes/languageclient';
import { activeEditorChanged, ConfigurationTarget, env, EventEmitter, workspace, world } from './fakes/vscode';

let folder: string;
let subscriptions: { dispose(): void }[];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'extension-'));
  subscriptions = [];
  world.reset();
  client.reset();
  world.settings['parrotlet.server.path'] = program('parrotlet');
});

afterEach(async () => {
  await deactivate();
  for (const subscription of subscriptions) {
    subscription.dispose();
  }
  rmSync(folder, { recursive: true });
});

function program(name: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, '#!/bin/sh\n');
  chmodSync(file, 0o755);
  return file;
}

async function start(): Promise<void> {
  await activate({ subscriptions } as never);
}

function command(id: string): unknown {
  return world.commands.get(id)?.();
}

/** The middleware of the newest client, as far as the tests call it. */
function middleware(): {
  handleWorkDoneProgress(token: string, progress: { kind: string; message?: string }, next: () => void): void;
  workspace: {
    didChangeConfiguration(): Promise<void>;
    configuration(parameters: { items: { section: string }[] }): unknown[];
  };
} {
  return client.made.at(-1)?.options['middleware'] as never;
}

describe('the server', () => {
  it('is started over stdio and shown as ready', async () => {
    await start();
    expect(client.made[0]?.server).toEqual({ command: path.join(folder, 'parrotlet'), args: ['serve', '--device', 'auto'] });
    expect(world.statusItem.text).toBe('$(sparkle) Parrotlet');
  });

  it('gets the model and the device as arguments', async () => {
    Object.assign(world.settings, { 'parrotlet.model': '/models/mine', 'parrotlet.device': 'cpu' });
    await start();
    expect(client.made[0]?.server.args).toEqual(['serve', '--model', '/models/mine', '--device', 'cpu']);
  });

  it('serves files, unsaved documents and notebook cells of every language', async () => {
    await start();
    expect(client.made[0]?.options['documentSelector']).toEqual(
      ['file', 'untitled', 'vscode-notebook-cell'].map((scheme) => ({ scheme })),
    );
  });

  it('is replaced one at a time, however often a restart is asked for', async () => {
    await start();
    await Promise.all([command('parrotlet.restart'), command('parrotlet.restart'), command('parrotlet.restart')]);
    expect(client.events).toEqual(['start 0', 'started 0', 'stopped 0', 'start 1', 'started 1']);
  });

  it('is started anew when its path changes, not when a suggestion setting does', async () => {
    await start();
    await world.changeSetting('parrotlet.length', 'line');
    expect(client.made).toHaveLength(1);
    await world.changeSetting('parrotlet.server.path', program('other'));
    expect(client.made.at(-1)?.server.command).toBe(path.join(folder, 'other'));
  });

  it('is stopped when the window closes', async () => {
    await start();
    await deactivate();
    expect(client.events.at(-1)).toBe('stopped 0');
  });

  it('that cannot start is told in the log and the status bar, without a box', async () => {
    client.behaviour.failStart = new Error('no handshake');
    await start();
    expect(world.log.lines).toContain('no handshake');
    expect([world.statusItem.text, world.statusItem.command]).toEqual(['$(warning) Parrotlet', 'parrotlet.showLog']);
    expect(world.errors).toEqual([]);
  });
});

describe('the cursor', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  async function rest(scheme: string): Promise<void> {
    const uri = { toString: () => `${scheme}:///a.py`, scheme };
    await activeEditorChanged.fire({ document: { uri }, selection: { active: { line: 1, character: 2 } } });
    vi.runAllTimers();
  }

  it('is told to the server', async () => {
    await start();
    await rest('file');
    const parameters = { textDocument: { uri: 'file:///a.py' }, position: { line: 1, character: 2 } };
    expect(client.made[0]?.sent).toEqual([['parrotlet/cursor', parameters]]);
  });

  it.each(['output', 'git'])('is kept from it in documents it does not serve (%s)', async (scheme) => {
    await start();
    await rest(scheme);
    expect(client.made[0]?.sent).toEqual([]);
  });

  it('is nobody\'s business without a server', async () => {
    client.behaviour.failStart = new Error('no handshake');
    await start();
    await rest('file');
    expect(client.made[0]?.sent).toEqual([]);
  });
});

describe('a missing server', () => {
  beforeEach(() => {
    world.settings['parrotlet.server.path'] = '/no/such/parrotlet';
  });

  it('is told once, with the value and the remedy', async () => {
    await start();
    expect(world.errors).toEqual([expect.stringMatching(/"\/no\/such\/parrotlet".*correct it/)]);
    expect(client.made).toEqual([]);
  });

  it.each([
    [undefined, 'workbench.action.openSettings'],
    ['ssh-remote', 'workbench.action.openRemoteSettings'],
  ])('leads to the setting by a button (remote: %s)', async (remoteName, page) => {
    env.remoteName = remoteName;
    world.choice = 'Open Setting';
    await start();
    await Promise.resolve();
    expect(world.executed).toEqual([[page, { query: 'parrotlet.server.path' }]]);
  });

  it('leads to the log by a button', async () => {
    world.choice = 'Show Log';
    await start();
    await Promise.resolve();
    expect(world.log.shown).toBe(1);
  });
});

describe('the selected Python', () => {
  const selected = new EventEmitter<undefined>();
  let python: string;

  beforeEach(() => {
    world.settings['parrotlet.server.path'] = '';
    python = path.join(folder, 'python');
    world.pythonApi = {
      environments: {
        getActiveEnvironmentPath: () => ({ path: python }),
        resolveEnvironment: () => Promise.resolve({ executable: { uri: { fsPath: python } } }),
        onDidChangeActiveEnvironmentPath: selected.event,
      },
    };
  });

  it('brings its own server', async () => {
    await start();
    expect(client.made[0]?.server.command).toBe(path.join(folder, 'parrotlet'));
  });

  it('is not used before the workspace is trusted', async () => {
    workspace.isTrusted = false;
    await start();
    expect(client.made.map((made) => made.server.command)).not.toContain(path.join(folder, 'parrotlet'));
    await world.grantTrust();
    expect(client.made.at(-1)?.server.command).toBe(path.join(folder, 'parrotlet'));
  });

  it('changes the server only when it has another one', async () => {
    await start();
    await selected.fire(undefined);
    expect(client.made).toHaveLength(1);
    mkdirSync(path.join(folder, 'venv'));
    python = path.join(folder, 'venv', 'python');
    const command = program(path.join('venv', 'parrotlet'));
    await selected.fire(undefined);
    expect(client.made.at(-1)?.server.command).toBe(command);
  });

  it('is done without when its extension fails', async () => {
    world.pythonApi = { environments: { onDidChangeActiveEnvironmentPath: selected.event } };
    await start();
    expect(world.log.lines[0]).toMatch(/did not tell the selected interpreter/);
  });
});

describe('settings', () => {
  it('reach the server without those that choose the server', async () => {
    Object.assign(world.settings, { 'parrotlet.enabled': false, 'parrotlet.topK': 0, 'parrotlet.trace.server': 'verbose' });
    await start();
    const settings = { enabled: false, topK: 0 };
    expect((client.made[0]?.options['initializationOptions'] as () => unknown)()).toEqual(settings);
    const items = [{ section: 'parrotlet' }, { section: 'editor' }];
    expect(middleware().workspace.configuration({ items })).toEqual([settings, null]);
    await middleware().workspace.didChangeConfiguration();
    expect(client.made[0]?.sent).toEqual([['workspace/didChangeConfiguration', { settings: { parrotlet: settings } }]]);
  });

  it('toggle where the value is set', async () => {
    await start();
    await command('parrotlet.toggle');
    world.workspaceValues['parrotlet.enabled'] = true;
    await command('parrotlet.toggle');
    expect(world.updates).toEqual([
      ['parrotlet.enabled', false, ConfigurationTarget.Global],
      ['parrotlet.enabled', false, ConfigurationTarget.Workspace],
    ]);
  });
});

describe('the status bar', () => {
  it('shows that the model is loading until it is there', async () => {
    await start();
    middleware().handleWorkDoneProgress('1', { kind: 'begin' }, () => undefined);
    expect(world.statusItem.text).toBe('$(loading~spin) Parrotlet');
    middleware().handleWorkDoneProgress('1', { kind: 'end', message: 'ready' }, () => undefined);
    expect(world.statusItem.text).toBe('$(sparkle) Parrotlet');
  });

  it('shows why the model could not be loaded', async () => {
    await start();
    middleware().handleWorkDoneProgress('1', { kind: 'end', message: 'config.json is missing' }, () => undefined);
    expect([world.statusItem.text, world.statusItem.tooltip]).toEqual(['$(warning) Parrotlet', 'Parrotlet: config.json is missing']);
  });

  it('shows that suggestions are off', async () => {
    await start();
    await world.changeSetting('parrotlet.enabled', false);
    expect(world.statusItem.text).toBe('$(circle-slash) Parrotlet');
  });
});

it('registers no command that the server has', async () => {
  await start();
  expect([...world.commands.keys()].sort()).toEqual(['parrotlet.restart', 'parrotlet.showLog', 'parrotlet.toggle']);
});
