/** Draws the situation into the status bar and the language status. Knows nothing of how it came to be. */
import * as vscode from 'vscode';
import { appearance, BUSY, ERROR, type Situation } from './appearance';

/** An answer that comes sooner is no thinking that anybody could see; the icon would flicker at every key. */
const THINKING_MS = 150;

export class Status implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem('parrotlet.status', vscode.StatusBarAlignment.Right, 100);
  private readonly language: vscode.LanguageStatusItem;
  private now: Situation = { server: 'starting', isEnabled: true, isThinking: false };
  private thoughts = 0;

  constructor(served: vscode.DocumentSelector) {
    this.item.name = 'Parrotlet';
    this.item.command = 'parrotlet.showMenu';
    this.language = vscode.languages.createLanguageStatusItem('parrotlet.language', served);
    this.language.name = 'Parrotlet';
    this.draw();
    this.item.show();
  }

  get situation(): Situation {
    return this.now;
  }

  /** The detail is one line; without one, the state explains itself. */
  setServer(server: Situation['server'], detail?: string): void {
    this.change({ server, detail });
    void vscode.commands.executeCommand('setContext', 'parrotlet.isReady', server === 'ready');
  }

  setSwitches(switches: Pick<Situation, 'isEnabled' | 'pausedUntil' | 'offLanguage'>): void {
    this.change(switches);
  }

  /** Shows that the model is being asked, until the answer is there. */
  async during<T>(answer: PromiseLike<T>): Promise<T> {
    this.thoughts += 1;
    const timer = setTimeout(() => { this.change({ isThinking: true }); }, THINKING_MS);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
      this.thoughts -= 1;
      if (this.thoughts === 0 && this.now.isThinking) {
        this.change({ isThinking: false });
      }
    }
  }

  dispose(): void {
    this.item.dispose();
    this.language.dispose();
  }

  private change(changes: Partial<Situation>): void {
    this.now = { ...this.now, ...changes };
    this.draw();
  }

  private draw(): void {
    const { icon, meaning } = appearance(this.now);
    const isError = icon === ERROR;
    const tooltip = new vscode.MarkdownString('', true).appendText(`Parrotlet: ${meaning}`);
    tooltip.isTrusted = { enabledCommands: ['parrotlet.showMenu', 'parrotlet.showLog'] };
    this.item.text = `${icon} Parrotlet`;
    this.item.accessibilityInformation = { label: `Parrotlet: ${meaning}` };
    this.item.tooltip = tooltip.appendMarkdown('\n\n[Menu](command:parrotlet.showMenu) · [Log](command:parrotlet.showLog)');
    this.item.backgroundColor = isError ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    this.language.text = isError ? 'Parrotlet is not running' : `Parrotlet: ${meaning}`;
    this.language.detail = isError ? meaning : '';
    this.language.busy = icon === BUSY;
    this.language.severity = isError ? vscode.LanguageStatusSeverity.Error : vscode.LanguageStatusSeverity.Information;
    this.language.command = { command: 'parrotlet.showMenu', title: isError ? 'What to Do' : 'Menu' };
  }
}
