/** The whole extension in a window, with the server and the editor faked. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { deactivate } from '../src/extension';
import * as client from './fakes/languageclient';
import { activeEditorChanged, ConfigurationTarget, EventEmitter, workspace, world } from './fakes/vscode';
import { command, eachTestHasAWindow, middleware } from './window';

const held = eachTestHasAWindow();
const start = (): Promise<void> => held.current.start();
const program = (name: string): string => held.current.program(name);

describe('the server', () => {
  it('is started over stdio and shown as ready', async () => {
    await start();
    expect(client.made[0]?.server).toMatchObject({ command: path.join(held.current.folder, 'parrotlet'), args: ['serve', '--device', 'auto'] });
    expect(world.statusItem.text).toBe('$(sparkle) Parrotlet');
  });

  it('runs at home, where the opened folder has no say', async () => {
    await start();
    expect(client.made[0]?.server.options.cwd).toBe(homedir());
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
    await Promise.all([command('restart'), command('restart'), command('restart')]);
    expect(client.events).toEqual(['start 0', 'started 0', 'stopped 0', 'start 1', 'started 1']);
  });

  it('is started anew when its path changes, not when a suggestion setting does', async () => {
    await start();
    await world.changeSetting('parrotlet.length', 'line');
    expect(client.made).toHaveLength(1);
    await world.changeSetting('parrotlet.server.path', program('other'));
    expect(client.made.at(-1)?.server.command).toBe(path.join(held.current.folder, 'other'));
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
    expect(world.statusItem.text).toBe('$(warning) Parrotlet');
    expect(world.messages).toEqual([]);
  });
});

it('logs the library\'s errors, and shows none in a box', async () => {
  await start();
  client.made[0]?.error('no connection', undefined, true);
  expect(client.made[0]?.errors).toEqual([['no connection', false]]);
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

describe('the selected Python', () => {
  const selected = new EventEmitter<undefined>();
  let python: string;

  beforeEach(() => {
    world.settings['parrotlet.server.path'] = '';
    python = path.join(held.current.folder, 'python');
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
    expect(client.made[0]?.server.command).toBe(path.join(held.current.folder, 'parrotlet'));
  });

  it('is not used before the workspace is trusted', async () => {
    workspace.isTrusted = false;
    await start();
    expect(client.made.map((made) => made.server.command)).not.toContain(path.join(held.current.folder, 'parrotlet'));
    await world.grantTrust();
    expect(client.made.at(-1)?.server.command).toBe(path.join(held.current.folder, 'parrotlet'));
  });

  it('changes the server only when it has another one', async () => {
    await start();
    await selected.fire(undefined);
    expect(client.made).toHaveLength(1);
    python = path.join(held.current.folder, 'venv', 'python');
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
    await command('toggle');
    world.workspaceValues['parrotlet.enabled'] = true;
    await command('toggle');
    expect(world.updates).toEqual([
      ['parrotlet.enabled', false, ConfigurationTarget.Global],
      ['parrotlet.enabled', false, ConfigurationTarget.Workspace],
    ]);
  });
});

it('registers the commands that package.json declares, and none that the server has', async () => {
  await start();
  const { contributes } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    contributes: { commands: { command: string }[] };
  };
  expect([...world.commands.keys()].sort()).toEqual(contributes.commands.map((declared) => declared.command).sort());
  expect([...world.commands.keys()]).not.toContain('parrotlet.status');
});

it('is active before the server is', () => {
  const starting = start();
  expect(world.commands.has('parrotlet.toggle')).toBe(true);
  expect(client.events).not.toContain('started 0');
  return starting;
});
