/** Turns suggestions off and on: for good, for a language, for an hour. Tells the status and the server. */
import * as vscode from 'vscode';
import { Pause } from './pause';
import { isDisabledLanguage, isEnabled, serverSettings, setEnabled, toggleLanguage } from './settings';
import type { Status } from './status';

export class Switches implements vscode.Disposable {
  private readonly pause: Pause;
  private readonly editors: vscode.Disposable;

  /** `onPause` is called when one begins or ends: no setting tells the server. */
  constructor(memory: vscode.Memento, private readonly status: Status, onPause: () => Promise<void>) {
    this.pause = new Pause(memory, () => {
      this.show();
      void onPause();
    });
    this.editors = vscode.window.onDidChangeActiveTextEditor(() => { this.show(); });
    this.show();
  }

  /** The user's settings, as a pause changes them. */
  readonly settings = (): Record<string, unknown> => ({ ...serverSettings(), ...(this.pause.until !== undefined && { enabled: false }) });

  /** Tells the status and the menus what is so now. */
  show(): void {
    const language = frontLanguage();
    const offLanguage = language !== undefined && isDisabledLanguage(language) ? language : undefined;
    const pausedUntil = this.pause.until;
    this.status.setSwitches({ isEnabled: isEnabled(), pausedUntil, offLanguage });
    void vscode.commands.executeCommand('setContext', 'parrotlet.isPaused', pausedUntil !== undefined);
    if (!isEnabled() || pausedUntil !== undefined || offLanguage !== undefined) {
      void vscode.commands.executeCommand('editor.action.inlineSuggest.hide');
    }
  }

  async toggle(): Promise<void> {
    await setEnabled(!isEnabled());
  }

  async toggleLanguage(): Promise<void> {
    const language = frontLanguage();
    await (language === undefined
      ? vscode.window.showInformationMessage('Open a file first: its language is the one to turn on or off.')
      : toggleLanguage(language));
  }

  begin(): Promise<void> {
    return this.pause.begin();
  }

  end(): Promise<void> {
    return this.pause.end();
  }

  dispose(): void {
    this.pause.dispose();
    this.editors.dispose();
  }
}

function frontLanguage(): string | undefined {
  return vscode.window.activeTextEditor?.document.languageId;
}
