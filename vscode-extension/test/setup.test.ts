import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findPython, makeEnvironment, pipArguments } from '../src/environment';
import * as client from './fakes/languageclient';
import { CancellationError, ConfigurationTarget, world } from './fakes/vscode';
import { command, eachTestHasAWindow } from './window';

const held = eachTestHasAWindow();
const INSTALL_MS = 120_000;

/** A folder with one wheel, whose `parrotlet` command prints what it is called with. */
function folderOfWheels(): string {
  const source = path.join(held.current.folder, 'source');
  const info = path.join(source, 'parrotlet-0.1.0.dist-info');
  mkdirSync(info, { recursive: true });
  writeFileSync(path.join(source, 'parrotlet_fake.py'), 'import sys\ndef main(): print("parrotlet", *sys.argv[1:])\n');
  writeFileSync(path.join(info, 'METADATA'), 'Metadata-Version: 2.1\nName: parrotlet\nVersion: 0.1.0\nProvides-Extra: train\n');
  writeFileSync(path.join(info, 'WHEEL'), 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n');
  writeFileSync(path.join(info, 'entry_points.txt'), '[console_scripts]\nparrotlet = parrotlet_fake:main\n');
  writeFileSync(path.join(info, 'RECORD'), '');
  const wheels = path.join(held.current.folder, 'wheels');
  mkdirSync(wheels);
  const wheel = path.join(wheels, 'parrotlet-0.1.0-py3-none-any.whl');
  execFileSync('python3', ['-m', 'zipfile', '-c', wheel, path.join(source, 'parrotlet_fake.py'), info]);
  return wheels;
}

/** Of the machine that the test runs on. */
function hideOtherServers(): void {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => !existsSync(path.join(folder, 'parrotlet')));
  vi.stubEnv('PATH', folders.join(path.delimiter));
  vi.stubEnv('HOME', held.current.folder);
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('a missing server', () => {
  beforeEach(() => {
    world.settings['parrotlet.server.path'] = '/no/such/parrotlet';
  });

  it('is told once, with the value and both remedies', async () => {
    await held.current.start();
    expect(world.messages).toEqual([expect.stringMatching(/"\/no\/such\/parrotlet".*correct it.*\| Install Parrotlet \| Choose an Interpreter/)]);
    expect(client.made).toEqual([]);
    await command('showMenu');
    expect(world.lists).toEqual([[expect.stringMatching(/^Parrotlet: .*correct it/), ['Install Parrotlet…', 'Choose an Interpreter…', 'Restart Server', 'Show Log']]]);
  });

  it.each([
    ['Install Parrotlet', 'parrotlet.install'],
    ['Choose an Interpreter', 'parrotlet.chooseInterpreter'],
  ])('has a button for each (%s)', async (button, expected) => {
    world.choices = [button];
    await held.current.start();
    await vi.waitFor(() => { expect(world.executed).toContainEqual([expected]); });
  });

  it('is chosen in the setting of the machine', async () => {
    world.file = '/venv/bin/python';
    await held.current.start();
    await command('chooseInterpreter');
    expect(world.updates).toEqual([['parrotlet.server.path', '/venv/bin/python', ConfigurationTarget.Global]]);
  });

  it('is not chosen when the dialog is left', async () => {
    await held.current.start();
    await command('chooseInterpreter');
    expect(world.updates).toEqual([]);
  });
});

describe('installing', () => {
  const OWN = path.join('storage', 'server', 'bin', 'parrotlet');

  it('makes a private environment from a folder of wheels, and starts the server that is in it', { timeout: INSTALL_MS }, async () => {
    world.settings['parrotlet.server.path'] = '';
    hideOtherServers();
    Object.assign(world, { picks: { 'Install Parrotlet': 'From a folder of wheels…' }, file: folderOfWheels() });
    await held.current.start();
    await command('install');
    expect(world.messages.filter((message) => message.includes('could not'))).toEqual([]);
    const own = path.join(held.current.folder, OWN);
    expect(execFileSync(own, ['serve'], { encoding: 'utf8' })).toBe('parrotlet serve\n');
    expect(client.made.at(-1)?.server.command).toBe(own);
    expect(world.progress[0]?.reports.map(({ message }) => message)).toContainEqual(expect.stringMatching(/^Successfully installed parrotlet/));
  });

  it('says why it failed, and leaves nothing half made', { timeout: INSTALL_MS }, async () => {
    const empty = path.join(held.current.folder, 'empty');
    mkdirSync(empty);
    Object.assign(world, { picks: { 'Install Parrotlet': 'From a folder of wheels…' }, file: empty, choices: ['Show Log'] });
    await held.current.start();
    await command('install');
    expect(world.messages).toEqual([expect.stringMatching(/could not be installed: .*No matching distribution found for parrotlet/)]);
    expect([existsSync(path.join(held.current.folder, 'storage', 'server')), world.log.shown]).toEqual([false, 1]);
  });

  it('can be stopped, and then says nothing', { timeout: INSTALL_MS }, async () => {
    const slow = held.current.program('python', 'trap "exit 130" INT', 'while :; do sleep 0.02; done');
    const making = makeEnvironment(path.join(held.current.folder, 'own'), slow, { kind: 'cpu' }, { cancellation: world.cancellation });
    await world.cancellation.cancel();
    await expect(making).rejects.toBeInstanceOf(CancellationError);
  });

  it.each(['Install Parrotlet', 'folder'])('does nothing when its question is left (%s)', async (question) => {
    world.picks = question === 'folder' ? { 'Install Parrotlet': 'From a folder of wheels…' } : {};
    await held.current.start();
    await command('install');
    expect([world.progress, world.messages]).toEqual([[], []]);
  });

  it('passes over interpreters that cannot make environments', async () => {
    const old = held.current.program('old-python', 'exit 1');
    const good = held.current.program('good-python', 'exit 0');
    expect(await findPython(['/no/such/python', old, good])).toBe(good);
  });

  it.each([
    ['linux', 'cpu', [['--index-url', 'https://download.pytorch.org/whl/cpu', 'torch'], ['parrotlet[train]']]],
    ['linux', 'gpu', [['parrotlet[train]']]],
    ['darwin', 'cpu', [['parrotlet[train]']]],
  ] as const)('asks the index, on %s for a %s, for the right PyTorch', (platform, kind, expected) => {
    expect(pipArguments({ kind }, platform)).toEqual(expected);
  });

  it('never asks an index when it has a folder', () => {
    expect(pipArguments({ kind: 'wheels', folder: '/wheels' }, 'linux')).toEqual([['--no-index', '--find-links', '/wheels', 'parrotlet[train]']]);
  });
});
