import { existsSync } from 'node:fs';
import * as path from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import * as client from './fakes/languageclient';
import { env, workspace, world } from './fakes/vscode';
import { command, eachTestHasAWindow } from './window';

const held = eachTestHasAWindow();
const asked = (): string => held.current.read('asked').trim();

beforeEach(() => {
  const log = path.join(held.current.folder, 'asked');
  const models = '{"models": [{"name": "embedded", "in_use": true}, {"name": "mine", "in_use": false}]}';
  held.current.program('parrotlet', `echo "$@" >>'${log}'`, `[ "$2" = --json ] && echo '${models}'`, 'exit 0');
  workspace.workspaceFolders = [{ name: 'shop', uri: { scheme: 'file', fsPath: '/work/shop' } }];
});

/** A trainer that prints these lines, and the arguments into a file. */
function trainer(...lines: string[]): void {
  held.current.program('parrotlet-train', `echo "$@" >'${path.join(held.current.folder, 'trained')}'`, ...lines);
}

const end = (accepted: boolean): string => `echo '{"stage": "end", "accepted": ${String(accepted)}, "report": "/data/report.html", "model": "shop"}'`;
const reloads = (): unknown[] => client.made[0]?.asked.filter(([method]) => method === 'workspace/executeCommand') ?? [];

describe('choosing a model', () => {
  it('shows the user\'s, uses the picked one, and has the server take it', async () => {
    world.picks['Choose Model'] = 'mine';
    await held.current.start();
    await command('chooseModel');
    expect(world.lists).toEqual([['Choose Model', ['embedded', 'mine']]]);
    expect(asked()).toBe('models --json\nmodels use mine');
    expect(reloads()).toEqual([['workspace/executeCommand', { command: 'parrotlet.reload' }]]);
  });

  it('changes nothing when the list is left', async () => {
    await held.current.start();
    await command('chooseModel');
    expect([asked(), reloads()]).toEqual(['models --json', []]);
  });

  it('goes back', async () => {
    await held.current.start();
    await command('previousModel');
    expect([asked(), reloads().length]).toEqual(['models back', 1]);
  });

  it('says which setting stands against it', async () => {
    world.settings['parrotlet.model'] = '/models/fixed';
    await held.current.start();
    await command('previousModel');
    expect(world.messages).toEqual([expect.stringMatching(/parrotlet\.model is "\/models\/fixed".*clear it/)]);
    expect(existsSync(path.join(held.current.folder, 'asked'))).toBe(false);
  });

  it('says what the command line says, when that fails', async () => {
    held.current.program('parrotlet', 'echo "a traceback" >&2', 'echo "parrotlet: there is no previous model" >&2', 'exit 2');
    await held.current.start();
    await command('previousModel');
    expect([world.messages, reloads()]).toEqual([['parrotlet: there is no previous model'], []]);
  });

  it('says which program does not run', async () => {
    held.current.program('parrotlet', 'kill -9 $$');
    await held.current.start();
    await command('previousModel');
    expect(world.messages).toEqual([expect.stringMatching(/parrotlet ended with SIGKILL and said nothing/)]);
  });
});

describe('training', () => {
  beforeEach(() => {
    world.picks['Train for'] = '10 minutes';
  });

  it('shows how far it is, and the server takes the better model', async () => {
    const line = (stage: string, done: number, message: string): string => `echo '${JSON.stringify({ stage, done, message })}'`;
    trainer(line('corpus', 0.1, 'reading 12 files'), 'echo a warning of a library', line('fit', 0.5, 'step 3 of 6'), line('fit', 0.4, 'back'), end(true));
    await held.current.start();
    await command('train');
    expect(held.current.read('trained').trim()).toBe('personal /work/shop --minutes 10 --progress json');
    expect(world.progress[0]?.reports).toEqual([
      { message: 'reading 12 files', increment: 10 }, { message: 'step 3 of 6', increment: 40 }, { message: 'back', increment: 0 },
    ]);
    expect(world.messages).toEqual(['The model shop knows this workspace now, and suggests from here on. | Open Report | Back to Previous Model']);
    expect(reloads()).toHaveLength(1);
  });

  it('leaves the present model where the new one is no better', async () => {
    trainer(end(false));
    await held.current.start();
    await command('train');
    expect([world.messages, reloads()]).toEqual([[expect.stringMatching(/not better.*\| Open Report$/)], []]);
  });

  it.each([[undefined, ['/data/report.html']], ['ssh-remote', []]])('opens the report where it can be seen (remote: %s)', async (remoteName, opened) => {
    env.remoteName = remoteName;
    world.choices = ['Open Report'];
    trainer(end(false));
    await held.current.start();
    await command('train');
    await vi.waitFor(() => {
      expect(world.opened).toEqual(opened);
      expect(world.executed.filter(([name]) => name === 'vscode.open')).toHaveLength(opened.length === 0 ? 1 : 0);
    });
  });

  it('goes back to the previous model by a button', async () => {
    world.choices = ['Back to Previous Model'];
    trainer(end(true));
    await held.current.start();
    await command('train');
    await vi.waitFor(() => { expect(asked()).toBe('models back'); });
  });

  it('asks which folders, where there are several', async () => {
    workspace.workspaceFolders = ['shop', 'lib'].map((name) => ({ name, uri: { scheme: 'file', fsPath: `/work/${name}` } }));
    world.picks['Train on These Folders'] = 'lib';
    trainer(end(true));
    await held.current.start();
    await command('train');
    expect(held.current.read('trained')).toMatch(/^personal \/work\/lib --minutes/);
  });

  it.each([
    ['Train for', {}],
    ['Train on These Folders', { 'Train for': '10 minutes' }],
  ])('is not begun when its question is left (%s)', async (_question, picks) => {
    workspace.workspaceFolders?.push({ name: 'lib', uri: { scheme: 'file', fsPath: '/work/lib' } });
    Object.assign(world, { picks });
    trainer(end(true));
    await held.current.start();
    await command('train');
    expect(existsSync(path.join(held.current.folder, 'trained'))).toBe(false);
  });

  it.each([[undefined], [[{ name: 'web', uri: { scheme: 'vscode-vfs', fsPath: '/web' } }]]])('needs a folder on this machine', async (folders) => {
    workspace.workspaceFolders = folders;
    await held.current.start();
    await command('train');
    expect(world.messages).toEqual([expect.stringMatching(/no folder to train on: open one/)]);
  });

  it('that is stopped is over without a word', async () => {
    trainer('trap "exit 130" INT', 'echo \'{"stage": "fit", "done": 0.5, "message": "step 1"}\'', 'while :; do sleep 0.02; done');
    await held.current.start();
    const training = command('train');
    await vi.waitFor(() => { expect(world.progress[0]?.reports).toHaveLength(1); });
    await world.cancellation.cancel();
    await training;
    expect([world.messages, reloads()]).toEqual([[], []]);
  });

  it.each([
    ['fails', 'echo "parrotlet-train: the corpus is empty: choose another folder" >&2; exit 2', /^parrotlet-train: the corpus is empty/],
    ['ends in silence', 'exit 0', /ended without saying how it went/],
  ])('that %s is told', async (_what, line, message) => {
    trainer(line);
    await held.current.start();
    await command('train');
    expect([world.messages, reloads()]).toEqual([[expect.stringMatching(message)], []]);
  });
});
