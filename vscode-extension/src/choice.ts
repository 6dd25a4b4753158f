/** The commands that change the model: one of a list, the previous one, or a new one trained on this workspace. */
import * as vscode from 'vscode';
import { Models, type TrainingEnd } from './models';
import type { Session } from './session';
import { chosenModel } from './settings';

const MINUTES = [5, 10, 30, 60];

export class Choice {
  constructor(
    private readonly log: vscode.LogOutputChannel,
    private readonly session: Session,
  ) {}

  choose(): Promise<void> {
    return this.explained(async (models) => {
      const items = (await models.list()).map(({ name, in_use }) => ({ label: name, description: in_use ? 'in use' : '' }));
      const item = await vscode.window.showQuickPick(items, { title: 'Choose Model', placeHolder: 'the model that suggests, in all editors' });
      if (item !== undefined) {
        await models.use(item.label);
        await this.reload();
      }
    });
  }

  back(): Promise<void> {
    return this.explained(async (models) => {
      await models.back();
      await this.reload();
    });
  }

  train(): Promise<void> {
    return this.explained(async (models) => {
      const folders = await chooseFolders();
      const minutes = folders.length === 0 ? undefined : await chooseMinutes();
      if (minutes !== undefined) {
        const end = await this.showTraining(models, folders, minutes);
        // The message stands until it is answered: the server takes the model meanwhile.
        void this.tellEnd(end);
        await (end.accepted ? this.reload() : undefined);
      }
    });
  }

  private showTraining(models: Models, folders: string[], minutes: number): Thenable<TrainingEnd> {
    const options = { location: vscode.ProgressLocation.Notification, title: 'Training on this workspace', cancellable: true };
    return vscode.window.withProgress(options, (progress, cancellation) => {
      let shown = 0;
      return models.train(folders, minutes, ({ stage, done, message }) => {
        this.log.info(`training, ${stage}: ${message}`);
        progress.report({ message, increment: Math.max(0, 100 * done - shown) });
        shown = Math.max(shown, 100 * done);
      }, cancellation);
    });
  }

  private async tellEnd({ accepted, report, model }: TrainingEnd): Promise<void> {
    const message = accepted
      ? `The model ${model} knows this workspace now, and suggests from here on.`
      : 'The trained model was not better than the present one, which stays. The report says why.';
    const choice = await vscode.window.showInformationMessage(message, 'Open Report', ...(accepted ? ['Back to Previous Model'] : []));
    if (choice === 'Open Report') {
      await openReport(vscode.Uri.file(report));
    } else if (choice === 'Back to Previous Model') {
      await this.back();
    }
  }

  /** A server that is not running reads the model when it starts. */
  private async reload(): Promise<void> {
    await this.session.request('workspace/executeCommand', { command: 'parrotlet.reload' }).catch((error: unknown) => {
      this.log.warn(`the server did not take the other model: ${String(error)}`);
    });
  }

  private async explained(work: (models: Models) => Promise<void>): Promise<void> {
    try {
      if (chosenModel() !== '') {
        throw new Error(`parrotlet.model is "${chosenModel()}", which every other choice gives way to: clear it first.`);
      }
      await work(new Models((await this.session.locate()).command));
    } catch (error) {
      if (!(error instanceof vscode.CancellationError)) {
        const message = error instanceof Error ? error.message : String(error);
        this.log.error(message);
        void vscode.window.showErrorMessage(message);
      }
    }
  }
}

async function chooseFolders(): Promise<string[]> {
  const folders = (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === 'file');
  if (folders.length === 0) {
    throw new Error('There is no folder to train on: open one, then train again.');
  }
  const items = folders.map(({ name, uri }) => ({ label: name, description: uri.fsPath, picked: true }));
  const chosen = items.length === 1 ? items : await vscode.window.showQuickPick(items, { title: 'Train on These Folders', canPickMany: true });
  return (chosen ?? []).map(({ description }) => description);
}

async function chooseMinutes(): Promise<number | undefined> {
  const items = MINUTES.map((minutes) => ({ label: `${minutes} minutes`, minutes }));
  const placeHolder = 'everything stays on this machine; the model is taken only if it suggests better';
  return (await vscode.window.showQuickPick(items, { title: 'Train for', placeHolder }))?.minutes;
}

/** A browser shows it where the file is; from afar, the editor does. */
async function openReport(uri: vscode.Uri): Promise<void> {
  await (vscode.env.remoteName === undefined ? vscode.env.openExternal(uri) : vscode.commands.executeCommand('vscode.open', uri));
}
