/** A file to try suggestions in, with the cursor where one is due. Nothing of it is saved. */
import * as vscode from 'vscode';
import type { Session } from './session';

export async function openSample(extension: vscode.Uri, session: Session): Promise<void> {
  const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(extension, 'media', 'sample.py'));
  const content = new TextDecoder().decode(bytes).trimEnd();
  const document = await vscode.workspace.openTextDocument({ language: 'python', content });
  const end = document.positionAt(content.length);
  await vscode.window.showTextDocument(document, { selection: new vscode.Range(end, end) });
  await session.settled();
  await vscode.commands.executeCommand('parrotlet.suggest');
}
