/** Reads the settings that package.json declares. Which of them the server takes is decided here and nowhere else. */
import * as vscode from 'vscode';

export const SECTION = 'parrotlet';

/** Settings that choose the server process: a change takes effect by a restart. */
export const LAUNCH_SETTINGS = ['parrotlet.server.path', 'parrotlet.model', 'parrotlet.device'];

/** Everything under `parrotlet` that the server knows, as it spells it. */
export function serverSettings(): Record<string, unknown> {
  const all = vscode.workspace.getConfiguration().get<Record<string, unknown>>(SECTION, {});
  const { server, model, device, trace, ...settings } = all;
  return settings;
}

/** Arguments of the `parrotlet` command. */
export function serverArguments(): string[] {
  const model = chosenModel();
  return ['serve', ...(model === '' ? [] : ['--model', model]), '--device', configuration().get('device', 'auto')];
}

/** The folder in `parrotlet.model`; empty where the server chooses. */
export function chosenModel(): string {
  return configuration().get('model', '').trim();
}

export function isEnabled(): boolean {
  return configuration().get('enabled', true);
}

export function isDisabledLanguage(language: string): boolean {
  return configuration().get<string[]>('disabledLanguages', []).includes(language);
}

export async function setEnabled(enabled: boolean): Promise<void> {
  await update('enabled', enabled);
}

export async function toggleLanguage(language: string): Promise<void> {
  const disabled = configuration().get<string[]>('disabledLanguages', []);
  const others = disabled.filter((name) => name !== language);
  await update('disabledLanguages', others.length < disabled.length ? others : [...disabled, language]);
}

/** Writes a setting where it is set now, so that a workspace's choice is not shadowed. */
async function update(name: string, value: unknown): Promise<void> {
  const { workspaceValue } = configuration().inspect(name) ?? {};
  const target = workspaceValue === undefined ? vscode.ConfigurationTarget.Global : vscode.ConfigurationTarget.Workspace;
  await configuration().update(name, value, target);
}

function configuration(): vscode.WorkspaceConfiguration {
  return vscode.workspace.getConfiguration(SECTION);
}
