/** Wires Parrotlet into VS Code: commands, settings and the server's life. What to suggest is the server's business. */
import * as vscode from 'vscode';
import { onDidRest } from './cursor';
import { onDidSelectPython } from './python';
import { Session } from './session';
import { LAUNCH_SETTINGS, SECTION, toggleEnabled } from './settings';
import { Status } from './status';

let session: Session | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel('Parrotlet', { log: true });
  const status = new Status(isEnabled());
  const current = new Session(log, status);
  session = current;
  context.subscriptions.push(
    log,
    status,
    vscode.commands.registerCommand('parrotlet.restart', () => current.restart()),
    vscode.commands.registerCommand('parrotlet.showLog', () => {
      log.show();
    }),
    vscode.commands.registerCommand('parrotlet.toggle', toggleEnabled),
    onDidRest((document, position) => {
      current.tellCursor(document, position);
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => current.restart()),
    vscode.workspace.onDidChangeConfiguration((event) => {
      status.setEnabled(isEnabled());
      return LAUNCH_SETTINGS.some((setting) => event.affectsConfiguration(setting)) ? current.restart() : undefined;
    }),
  );
  await current.restart();
  context.subscriptions.push(await onDidSelectPython(() => current.restartIfMoved()));
}

export async function deactivate(): Promise<void> {
  await session?.close();
}

function isEnabled(): boolean {
  return vscode.workspace.getConfiguration(SECTION).get('enabled', true);
}
