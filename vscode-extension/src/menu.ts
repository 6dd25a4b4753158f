/** The menu behind the status bar item: commands by their names in package.json, what is needed most first. */
import * as vscode from 'vscode';
import { appearance, type Situation } from './appearance';

const MODEL = ['chooseModel', 'train', 'previousModel'];
const MEND = ['restart', 'showLog'];

/** Commands that make sense now, without the prefix `parrotlet.`. */
export function menuCommands({ server, isEnabled, pausedUntil }: Situation): string[] {
  if (server === 'missing') {
    return ['install', 'chooseInterpreter', ...MEND];
  }
  const pause = pausedUntil === undefined ? 'pause' : 'resume';
  const switches = ['toggle', ...(isEnabled ? ['toggleLanguage', pause] : [])];
  return server === 'failed' ? [...MEND, ...switches, ...MODEL] : [...switches, 'openStatistics', ...MODEL, ...MEND];
}

export async function showMenu(extension: vscode.Extension<unknown>, situation: Situation): Promise<void> {
  const { contributes } = extension.packageJSON as { contributes: { commands: { command: string; title: string }[] } };
  const titles = new Map(contributes.commands.map(({ command, title }) => [command, title]));
  const items = menuCommands(situation).map((name) => ({ label: titles.get(`parrotlet.${name}`) ?? name, command: `parrotlet.${name}` }));
  const item = await vscode.window.showQuickPick(items, { title: `Parrotlet: ${appearance(situation).meaning}` });
  await (item && vscode.commands.executeCommand(item.command));
}
