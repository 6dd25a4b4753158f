/** Tells where the cursor has come to rest, so that the server reads the prompt there before the first key. */
import * as vscode from 'vscode';

/** Shorter than anybody needs to look at a place before typing there, longer than the pause between two arrow keys. */
const REST_MS = 150;

export function onDidRest(tell: (document: vscode.TextDocument, position: vscode.Position) => void): vscode.Disposable {
  let timer: NodeJS.Timeout | undefined;
  const wait = (editor: vscode.TextEditor | undefined): void => {
    clearTimeout(timer);
    timer = editor && setTimeout(() => { tell(editor.document, editor.selection.active); }, REST_MS);
  };
  return vscode.Disposable.from(
    vscode.window.onDidChangeActiveTextEditor(wait),
    vscode.window.onDidChangeTextEditorSelection((event) => {
      // What is typed tells the server by itself where the cursor is.
      wait(event.kind === vscode.TextEditorSelectionChangeKind.Keyboard ? undefined : event.textEditor);
    }),
    new vscode.Disposable(() => { clearTimeout(timer); }),
  );
}
