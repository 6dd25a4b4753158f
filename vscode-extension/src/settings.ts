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
  const configuration = vscode.workspace.getConfiguration(SECTION);
  const model = configuration.get('model', '').trim();
  return ['serve', ...(model === '' ? [] : ['--model', model]), '--device', configuration.get('device', 'auto')];
}

/** Flips `parrotlet.enabled` where it is set now, so that a workspace's choice is not shadowed. */
export async function toggleEnabled(): Promise<void> {
  const configuration = vscode.workspace.getConfiguration(SECTION);
  const { workspaceValue } = configuration.inspect<boolean>('enabled') ?? {};
  const target = workspaceValue === undefined ? vscode.ConfigurationTarget.Global : vscode.ConfigurationTarget.Workspace;
  await configuration.update('enabled', !configuration.get('enabled', true), target);
}
