import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { appearance, type Situation } from '../src/appearance';
import { activeEditorChanged, ConfigurationTarget, LanguageStatusSeverity, window, world } from './fakes/vscode';
import * as client from './fakes/languageclient';
import { command, eachTestHasAWindow, middleware } from './window';

const held = eachTestHasAWindow();
const start = (): Promise<void> => held.current.start();
const HOUR_MS = 3_600_000;

const said = (): string => world.statusItem.accessibilityInformation.label;
const sentSettings = (): unknown => (client.made.at(-1)?.sent.at(-1)?.[1] as { settings: { parrotlet: unknown } }).settings.parrotlet;

async function showEditor(languageId: string): Promise<void> {
  window.activeTextEditor = {
    document: { uri: { toString: () => 'file:///a', scheme: 'file' }, languageId },
    selection: { active: { line: 0, character: 0 } },
  };
  await activeEditorChanged.fire(window.activeTextEditor);
}

describe('what the status says', () => {
  const ready: Situation = { server: 'ready', isEnabled: true, isThinking: false };
  const now = Date.now();
  it.each<[Partial<Situation>, string, string]>([
    [{}, '$(sparkle)', 'ready'],
    [{ isThinking: true }, '$(loading~spin)', 'thinking'],
    [{ server: 'starting' }, '$(loading~spin)', 'starting the server'],
    [{ server: 'loading' }, '$(loading~spin)', 'loading the model'],
    [{ server: 'loading', detail: '40 %' }, '$(loading~spin)', 'loading the model, 40 %'],
    [{ isEnabled: false, isThinking: true }, '$(circle-slash)', 'suggestions are off'],
    [{ offLanguage: 'markdown' }, '$(circle-slash)', 'suggestions are off for markdown'],
    [{ server: 'failed', detail: 'no model there: choose another', isEnabled: false }, '$(warning)', 'no model there: choose another'],
    [{ server: 'missing', pausedUntil: now }, '$(warning)', 'not running'],
  ])('with %o is %s %s', (changes, icon, meaning) => {
    expect(appearance({ ...ready, ...changes })).toEqual({ icon, meaning });
  });

  it('names the time when a pause ends', () => {
    expect(appearance({ ...ready, pausedUntil: now, offLanguage: 'python' }).meaning).toMatch(/^paused until \d/);
  });
});

describe('loading', () => {
  it('is shown until the model is there', async () => {
    await start();
    middleware().handleWorkDoneProgress('1', { kind: 'begin' }, () => undefined);
    expect([said(), world.languageItem.busy]).toEqual(['Parrotlet: loading the model', true]);
    middleware().handleWorkDoneProgress('1', { kind: 'report', percentage: 40 }, () => undefined);
    expect(said()).toBe('Parrotlet: loading the model, 40 %');
    middleware().handleWorkDoneProgress('1', { kind: 'end', message: 'ready' }, () => undefined);
    expect([said(), world.languageItem.busy]).toEqual(['Parrotlet: ready', false]);
  });

  it('that fails is shown with its reason, as an error, and leads to what can be done', async () => {
    await start();
    middleware().handleWorkDoneProgress('1', { kind: 'end', message: 'config.json is missing' }, () => undefined);
    expect([said(), world.statusItem.command]).toEqual(['Parrotlet: config.json is missing', 'parrotlet.showMenu']);
    expect(world.statusItem.backgroundColor?.id).toBe('statusBarItem.warningBackground');
    expect(world.languageItem).toMatchObject({ detail: 'config.json is missing', severity: LanguageStatusSeverity.Error });
    await command('showMenu');
    expect(world.lists[0]?.[1].slice(0, 2)).toEqual(['Restart Server', 'Show Log']);
  });
});

describe('thinking', () => {
  beforeEach(() => { vi.useFakeTimers(); });
  afterEach(() => { vi.useRealTimers(); });

  it('is shown while an answer takes its time, and is over with the last one', async () => {
    await start();
    client.behaviour.answers['workspace/executeCommand'] = { state: 'ready', window_is_ready: true };
    const answers: ((items: string[]) => void)[] = [];
    const ask = (): Promise<unknown> =>
      middleware().provideInlineCompletionItems(0, 0, 0, 0, () => new Promise((resolve) => answers.push(resolve)));
    const asked = [ask(), ask()];
    expect(said()).toBe('Parrotlet: ready');
    vi.advanceTimersByTime(200);
    expect(said()).toBe('Parrotlet: thinking');
    answers[0]?.(['first']);
    await asked[0];
    expect(said()).toBe('Parrotlet: thinking');
    answers[1]?.(['second']);
    expect(await asked[1]).toEqual(['second']);
    expect(said()).toBe('Parrotlet: ready');
  });

  it('is over when the question fails, too', async () => {
    await start();
    const asked = middleware().provideInlineCompletionItems(0, 0, 0, 0, () => Promise.reject(new Error('gone')));
    await expect(asked).rejects.toThrow('gone');
    vi.advanceTimersByTime(200);
    expect(said()).toBe('Parrotlet: ready');
  });
});

describe('a pause', () => {
  beforeEach(() => { vi.useFakeTimers(); });
  afterEach(() => { vi.useRealTimers(); });

  it('keeps the server silent for an hour', async () => {
    world.settings['parrotlet.enabled'] = true;
    await start();
    await command('pause');
    expect(said()).toMatch(/paused until/);
    expect(sentSettings()).toEqual({ enabled: false });
    expect(world.executed).toContainEqual(['editor.action.inlineSuggest.hide']);
    expect(world.executed).toContainEqual(['setContext', 'parrotlet.isPaused', true]);
    await vi.advanceTimersByTimeAsync(HOUR_MS);
    expect(said()).toBe('Parrotlet: ready');
    expect(sentSettings()).toEqual({ enabled: true });
  });

  it('can be ended', async () => {
    world.settings['parrotlet.enabled'] = true;
    await start();
    await command('pause');
    await command('resume');
    expect([said(), sentSettings()]).toEqual(['Parrotlet: ready', { enabled: true }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('outlives the window', async () => {
    held.current.memory.set('pausedUntil', Date.now() + 1000);
    await start();
    expect((client.made[0]?.options['initializationOptions'] as () => unknown)()).toEqual({ enabled: false });
    await vi.advanceTimersByTimeAsync(1000);
    expect(said()).toBe('Parrotlet: ready');
  });
});

describe('a language', () => {
  it('is turned off and on', async () => {
    world.settings['parrotlet.disabledLanguages'] = ['lua'];
    await start();
    await showEditor('markdown');
    await command('toggleLanguage');
    await world.changeSetting('parrotlet.disabledLanguages', ['lua', 'markdown']);
    expect(said()).toBe('Parrotlet: suggestions are off for markdown');
    await command('toggleLanguage');
    expect(world.updates).toEqual([
      ['parrotlet.disabledLanguages', ['lua', 'markdown'], ConfigurationTarget.Global],
      ['parrotlet.disabledLanguages', ['lua'], ConfigurationTarget.Global],
    ]);
  });

  it('that is off is said only where it is in front', async () => {
    world.settings['parrotlet.disabledLanguages'] = ['markdown'];
    await start();
    await showEditor('markdown');
    expect(said()).toMatch(/off for markdown/);
    await showEditor('python');
    expect(said()).toBe('Parrotlet: ready');
  });

  it('cannot be turned off where no file is open', async () => {
    await start();
    await command('toggleLanguage');
    expect([world.messages, world.updates]).toEqual([[expect.stringMatching(/Open a file first/)], []]);
  });
});

describe('the menu', () => {
  it('offers what makes sense, and does what is picked', async () => {
    world.picks['Parrotlet: ready'] = 'Pause for an Hour';
    await start();
    await command('showMenu');
    expect(world.lists[0]?.[1]).toContain('Open Statistics');
    expect(world.executed).toContainEqual(['parrotlet.pause']);
    await command('pause');
    await command('showMenu');
    expect(world.lists[1]?.[1]).toContain('End the Pause');
    expect(world.lists[1]?.[1]).not.toContain('Pause for an Hour');
  });
});

it('shows that suggestions are off', async () => {
  await start();
  await world.changeSetting('parrotlet.enabled', false);
  expect(world.statusItem.text).toBe('$(circle-slash) Parrotlet');
});

it('says only known commands in its tooltip, which holds text of the server', async () => {
  await start();
  expect(world.statusItem.tooltip.isTrusted).toEqual({ enabledCommands: ['parrotlet.showMenu', 'parrotlet.showLog'] });
});
