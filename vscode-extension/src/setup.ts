/** What a window without a server offers: install one, or choose the interpreter that has it. */
import { mkdir } from 'node:fs/promises';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { findPython, makeEnvironment, type Source } from './environment';
import { selectedPython } from './python';
import { SECTION } from './settings';

interface SourceItem extends vscode.QuickPickItem {
  readonly choose: () => Promise<Source | undefined>;
}

const SOURCES: SourceItem[] = [
  { label: 'For this machine\'s processor', description: 'from the Python package index, PyTorch without CUDA', choose: () => Promise.resolve({ kind: 'cpu' }) },
  { label: 'For an NVIDIA GPU', description: 'from the Python package index, gigabytes more', choose: () => Promise.resolve({ kind: 'gpu' }) },
  { label: 'From a folder of wheels…', description: 'offline: pip download \'parrotlet[train]\' filled it on another machine', choose: chooseWheels },
];

export class Setup {
  /** `own` is the folder to fill; `onInstalled` starts what was installed. */
  constructor(
    private readonly log: vscode.LogOutputChannel,
    private readonly own: string,
    private readonly onInstalled: () => Promise<void>,
  ) {}

  /** Says what is missing, with the two buttons that mend it. */
  async offer(message: string): Promise<void> {
    const choice = await vscode.window.showErrorMessage(message, 'Install Parrotlet', 'Choose an Interpreter');
    // By their commands, for which the walkthrough waits.
    if (choice === 'Install Parrotlet') {
      await vscode.commands.executeCommand('parrotlet.install');
    } else if (choice === 'Choose an Interpreter') {
      await vscode.commands.executeCommand('parrotlet.chooseInterpreter');
    }
  }

  async install(): Promise<void> {
    const item = await vscode.window.showQuickPick(SOURCES, { title: 'Install Parrotlet', placeHolder: 'into an environment of its own' });
    const source = await item?.choose();
    if (source === undefined) {
      return;
    }
    const progress = { location: vscode.ProgressLocation.Notification, title: 'Installing Parrotlet', cancellable: true };
    try {
      await vscode.window.withProgress(progress, (report, cancellation) =>
        this.fill(source, { cancellation, onLine: (line) => { this.show(line, report); } }),
      );
      await this.onInstalled();
    } catch (error) {
      await this.explain(error);
    }
  }

  private async fill(source: Source, options: { cancellation: vscode.CancellationToken; onLine: (line: string) => void }): Promise<void> {
    const selected = await selectedPython().catch(() => undefined);
    const python = await findPython(selected === undefined ? [] : [selected]);
    await mkdir(path.dirname(this.own), { recursive: true });
    await makeEnvironment(this.own, python, source, options);
  }

  private show(line: string, report: vscode.Progress<{ message: string }>): void {
    this.log.info(line);
    report.report({ message: line.trim().slice(0, 80) });
  }

  private async explain(error: unknown): Promise<void> {
    if (error instanceof vscode.CancellationError) {
      return;
    }
    const message = `Parrotlet could not be installed: ${error instanceof Error ? error.message : String(error)}`;
    this.log.error(message);
    if ((await vscode.window.showErrorMessage(message, 'Show Log')) === 'Show Log') {
      this.log.show();
    }
  }
}

/** The setting is the machine's, so no workspace is asked. The change of the setting starts the server. */
export async function chooseInterpreter(): Promise<void> {
  const chosen = await vscode.window.showOpenDialog({ title: 'A Python interpreter that has Parrotlet, or the parrotlet command', openLabel: 'Use' });
  const file = chosen?.[0]?.fsPath;
  if (file !== undefined) {
    await vscode.workspace.getConfiguration(SECTION).update('server.path', file, vscode.ConfigurationTarget.Global);
  }
}

async function chooseWheels(): Promise<Source | undefined> {
  const chosen = await vscode.window.showOpenDialog({ title: 'A folder of wheels', openLabel: 'Install', canSelectFolders: true, canSelectFiles: false });
  const folder = chosen?.[0]?.fsPath;
  return folder === undefined ? undefined : { kind: 'wheels', folder };
}
