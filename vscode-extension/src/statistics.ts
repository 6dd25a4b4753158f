/** The panel that shows the server's figures. It asks for them and hands them on; `webview/` draws. */
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { Session } from './session';

/** What the panel's page says to the extension. */
interface Question {
  readonly days: number;
}

export class Statistics implements vscode.Disposable {
  private panel: vscode.WebviewPanel | undefined;

  constructor(
    private readonly extension: vscode.Uri,
    private readonly session: Session,
  ) {}

  show(): void {
    if (this.panel === undefined) {
      this.panel = this.open();
    } else {
      this.panel.reveal();
    }
  }

  dispose(): void {
    this.panel?.dispose();
  }

  private open(): vscode.WebviewPanel {
    const folder = vscode.Uri.joinPath(this.extension, 'dist');
    const options = { enableScripts: true, enableCommandUris: false, localResourceRoots: [folder] };
    const panel = vscode.window.createWebviewPanel('parrotlet.statistics', 'Parrotlet: Statistics', vscode.ViewColumn.Active, options);
    panel.webview.onDidReceiveMessage((question: Question) => this.answer(panel.webview, question));
    panel.onDidDispose(() => { this.panel = undefined; });
    panel.webview.html = page(panel.webview, folder);
    return panel;
  }

  private async answer(webview: vscode.Webview, { days }: Question): Promise<void> {
    try {
      await webview.postMessage({ statistics: await this.session.request('parrotlet/statistics', { days }) });
    } catch (error) {
      await webview.postMessage({ error: error instanceof Error ? error.message : String(error) });
    }
  }
}

function page(webview: vscode.Webview, folder: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64');
  const file = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(folder, name)).toString();
  const policy = `default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="stylesheet" href="${file('statistics.css')}">
  <title>Parrotlet: Statistics</title>
</head>
<body>
  <main></main>
  <script nonce="${nonce}" src="${file('statistics.js')}"></script>
</body>
</html>`;
}
