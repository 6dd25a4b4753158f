/** Asks the Python extension, where it is installed, for the selected interpreter. Parrotlet works without it. */
import * as vscode from 'vscode';

/** The part of the Python extension's public API that is used here. */
interface PythonApi {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
    resolveEnvironment(environment: { readonly path: string }): Promise<{ readonly executable: { readonly uri?: vscode.Uri } } | undefined>;
    readonly onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

/** The interpreter selected for the first workspace folder; undefined where the workspace is not trusted. */
export async function selectedPython(): Promise<string | undefined> {
  // A workspace can bring its own interpreter, which is a program like any other.
  const api = vscode.workspace.isTrusted ? await pythonApi() : undefined;
  const active = api?.environments.getActiveEnvironmentPath(vscode.workspace.workspaceFolders?.[0]?.uri);
  return active && (await api?.environments.resolveEnvironment(active))?.executable.uri?.fsPath;
}

export async function onDidSelectPython(listener: () => unknown): Promise<vscode.Disposable> {
  const api = await pythonApi();
  return api?.environments.onDidChangeActiveEnvironmentPath(listener) ?? new vscode.Disposable(() => undefined);
}

async function pythonApi(): Promise<PythonApi | undefined> {
  const extension = vscode.extensions.getExtension<PythonApi>('ms-python.python');
  return extension?.activate();
}
