/** The status bar item: one word on the server and its model. Knows nothing of how that came to be. */
import * as vscode from 'vscode';

export type State = 'starting' | 'loading' | 'ready' | 'failed';

const ICONS: Record<State, string> = {
  starting: '$(loading~spin)',
  loading: '$(loading~spin)',
  ready: '$(sparkle)',
  failed: '$(warning)',
};

const MEANINGS: Record<State, string> = {
  starting: 'starting the server',
  loading: 'loading the model',
  ready: 'ready',
  failed: 'not running',
};

export class Status implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem('parrotlet.status', vscode.StatusBarAlignment.Right, 100);
  private state: State = 'starting';
  private detail: string | undefined;

  constructor(private enabled: boolean) {
    this.item.name = 'Parrotlet';
    this.draw();
    this.item.show();
  }

  /** The detail is one line for the tooltip; without one, the state explains itself. */
  set(state: State, detail?: string): void {
    this.state = state;
    this.detail = detail;
    this.draw();
  }

  setEnabled(enabled: boolean): void {
    this.enabled = enabled;
    this.draw();
  }

  dispose(): void {
    this.item.dispose();
  }

  private draw(): void {
    const failed = this.state === 'failed';
    const off = !this.enabled && !failed;
    this.item.text = `${off ? '$(circle-slash)' : ICONS[this.state]} Parrotlet`;
    this.item.tooltip = `Parrotlet: ${off ? 'suggestions are off' : (this.detail ?? MEANINGS[this.state])}`;
    this.item.command = failed ? 'parrotlet.showLog' : 'parrotlet.toggle';
  }
}
