/** Wires Parrotlet into VS Code: commands, settings and the server's life. What to suggest is the server's business. */
import * as vscode from 'vscode';
import { Choice } from './choice';
import { SERVED_DOCUMENTS } from './client';
import { onDidRest } from './cursor';
import { showMenu } from './menu';
import { onDidSelectPython } from './python';
import { openSample } from './sample';
import { Session } from './session';
import { LAUNCH_SETTINGS } from './settings';
import { chooseInterpreter, Setup } from './setup';
import { Statistics } from './statistics';
import { Status } from './status';
import { Switches } from './switches';

let session: Session | undefined;

/** What other extensions, and the tests, may wait for. */
export interface Api {
  /** The first start of the server is over, whether it went well or not. */
  readonly started: Promise<void>;
}

export function activate(context: vscode.ExtensionContext): Api {
  const log = vscode.window.createOutputChannel('Parrotlet', { log: true });
  const status = new Status(SERVED_DOCUMENTS);
  const own = vscode.Uri.joinPath(context.globalStorageUri, 'server').fsPath;
  const setup = new Setup(log, own, () => current.restart());
  const switches: Switches = new Switches(context.globalState, status, () => current.sendSettings());
  const current: Session = new Session(log, status, switches.settings, own, (message) => setup.offer(message));
  const statistics = new Statistics(context.extensionUri, current);
  const choice = new Choice(log, current);
  session = current;
  const commands: Record<string, () => unknown> = {
    toggle: () => switches.toggle(),
    toggleLanguage: () => switches.toggleLanguage(),
    pause: () => switches.begin(),
    resume: () => switches.end(),
    suggest: () => vscode.commands.executeCommand('editor.action.inlineSuggest.trigger'),
    showMenu: () => showMenu(context.extension, status.situation),
    restart: () => current.restart(),
    showLog: () => { log.show(); },
    install: () => setup.install(),
    chooseInterpreter,
    openSample: () => openSample(context.extensionUri, current),
    openStatistics: () => { statistics.show(); },
    chooseModel: () => choice.choose(),
    previousModel: () => choice.back(),
    train: () => choice.train(),
  };
  context.subscriptions.push(
    log,
    status,
    switches,
    statistics,
    ...Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(`parrotlet.${name}`, run)),
    onDidRest((document, position) => { current.tellCursor(document, position); }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => current.restart()),
    vscode.workspace.onDidChangeConfiguration((event) => {
      switches.show();
      return LAUNCH_SETTINGS.some((setting) => event.affectsConfiguration(setting)) ? current.restart() : undefined;
    }),
  );
  return { started: start(context, current) };
}

export async function deactivate(): Promise<void> {
  await session?.close();
}

/** Not awaited by `activate`: the editor measures what an extension takes, and the server takes its time. */
async function start(context: vscode.ExtensionContext, current: Session): Promise<void> {
  await current.restart();
  context.subscriptions.push(await onDidSelectPython(() => current.restartIfMoved()));
}
