/** A small stand-in for the `vscode` module: settings live in a table, and what the user would see is recorded. */
import { readFileSync } from 'node:fs';
import * as path from 'node:path';

type Listener<T> = (event: T) => unknown;

export class Disposable {
  constructor(private readonly onDispose: () => unknown) {}

  static from(...parts: Disposable[]): Disposable {
    return new Disposable(() => {
      for (const part of parts) {
        part.dispose();
      }
    });
  }

  dispose(): void {
    this.onDispose();
  }
}

export class EventEmitter<T> {
  private readonly listeners = new Set<Listener<T>>();

  readonly event = (listener: Listener<T>): Disposable => {
    this.listeners.add(listener);
    return new Disposable(() => this.listeners.delete(listener));
  };

  /** Waits for what the listeners began, which a real event does not. */
  async fire(event: T): Promise<void> {
    await Promise.all([...this.listeners].map((listener) => listener(event)));
  }
}

export enum ConfigurationTarget {
  Global = 1,
  Workspace = 2,
}

export enum StatusBarAlignment {
  Left = 1,
  Right = 2,
}

export enum TextEditorSelectionChangeKind {
  Keyboard = 1,
  Mouse = 2,
  Command = 3,
}

export enum LanguageStatusSeverity {
  Information = 0,
  Warning = 1,
  Error = 2,
}

export enum ProgressLocation {
  Notification = 15,
}

export enum ViewColumn {
  Active = -1,
}

export class CancellationError extends Error {}

export class ThemeColor {
  constructor(readonly id: string) {}
}

export class Range {
  constructor(readonly start: unknown, readonly end: unknown) {}
}

export class MarkdownString {
  isTrusted: unknown;

  constructor(public value = '') {}

  appendText(text: string): this {
    this.value += text;
    return this;
  }

  appendMarkdown(text: string): this {
    this.value += text;
    return this;
  }
}

export class Uri {
  readonly scheme = 'file';

  private constructor(readonly fsPath: string) {}

  static file(file: string): Uri {
    return new Uri(file);
  }

  static joinPath(base: { fsPath: string }, ...names: string[]): Uri {
    return new Uri(path.join(base.fsPath, ...names));
  }

  toString(): string {
    return `file://${this.fsPath}`;
  }
}

export interface Editor {
  document: { uri: { toString(): string; scheme: string }; languageId?: string };
  selection: { active: { line: number; character: number } };
}

/** What a test does with the progress that the code shows. */
export interface Progress {
  title: string;
  reports: { message?: string; increment?: number }[];
}

/** A token that a test cancels. */
export class Cancellation {
  isCancellationRequested = false;
  private readonly requested = new EventEmitter<undefined>();
  readonly onCancellationRequested = this.requested.event;

  cancel(): Promise<void> {
    this.isCancellationRequested = true;
    return this.requested.fire(undefined);
  }
}

export interface Log {
  lines: string[];
  shown: number;
}

const configurationChanged = new EventEmitter<{ affectsConfiguration(setting: string): boolean }>();
const trustGranted = new EventEmitter<undefined>();
export const activeEditorChanged = new EventEmitter<Editor | undefined>();
export const selectionChanged = new EventEmitter<{ textEditor: Editor; kind: TextEditorSelectionChangeKind | undefined }>();

/** What the tests read and steer; `reset` gives each test a fresh one. */
export const world = {
  settings: {} as Record<string, unknown>,
  workspaceValues: {} as Record<string, unknown>,
  updates: [] as [string, unknown, ConfigurationTarget][],
  /** Boxes, of any kind, with their buttons. */
  messages: [] as string[],
  /** Presses a button of a box: the first of these that it has. */
  choices: [] as string[],
  /** Titles of the lists shown, with their entries. */
  lists: [] as [string, string[]][],
  /** Entries to pick, by the title of the list. */
  picks: {} as Record<string, string>,
  /** What dialogs for files answer. */
  file: undefined as string | undefined,
  progress: [] as Progress[],
  cancellation: new Cancellation(),
  panels: [] as Panel[],
  opened: [] as string[],
  shownDocuments: [] as { language: string; content: string }[],
  selections: [] as Range[],
  commands: new Map<string, (...values: unknown[]) => unknown>(),
  executed: [] as unknown[][],
  statusItem: {
    text: '', tooltip: new MarkdownString(), command: '', name: '', accessibilityInformation: { label: '' },
    backgroundColor: undefined as ThemeColor | undefined, show: (): void => undefined, dispose: (): void => undefined,
  },
  languageItem: { text: '', detail: '', busy: false, severity: 0, command: undefined as unknown, dispose: (): void => undefined },
  log: { lines: [], shown: 0 } as Log,
  pythonApi: undefined as unknown,
  changeSetting: (setting: string, value: unknown): Promise<void> => {
    world.settings[setting] = value;
    return configurationChanged.fire({ affectsConfiguration: (name) => setting === name || setting.startsWith(`${name}.`) });
  },
  grantTrust: (): Promise<void> => {
    workspace.isTrusted = true;
    return trustGranted.fire(undefined);
  },
  reset: (): void => {
    Object.assign(world, { settings: {}, workspaceValues: {}, updates: [], messages: [], choices: [], lists: [], picks: {} });
    Object.assign(world, { executed: [], commands: new Map(), log: { lines: [], shown: 0 }, pythonApi: undefined, file: undefined });
    Object.assign(world, { progress: [], cancellation: new Cancellation(), panels: [], opened: [], shownDocuments: [], selections: [] });
    Object.assign(workspace, { isTrusted: true, workspaceFolders: undefined });
    window.activeTextEditor = undefined;
    env.remoteName = undefined;
  },
};

export const workspace = {
  isTrusted: true,
  workspaceFolders: undefined as { name: string; uri: { scheme: string; fsPath: string } }[] | undefined,
  fs: { readFile: (uri: Uri) => Promise.resolve(new Uint8Array(readFileSync(uri.fsPath))) },
  openTextDocument: (document: { language: string; content: string }) => {
    world.shownDocuments.push(document);
    return Promise.resolve({ ...document, positionAt: (offset: number) => offset });
  },
  onDidChangeConfiguration: configurationChanged.event,
  onDidGrantWorkspaceTrust: trustGranted.event,
  getConfiguration: (section?: string) => ({
    get: (name: string, fallback: unknown): unknown =>
      section === undefined ? tree(name) : (world.settings[`${section}.${name}`] ?? fallback),
    inspect: (name: string) => ({ workspaceValue: world.workspaceValues[`${section ?? ''}.${name}`] }),
    update: (name: string, value: unknown, target: ConfigurationTarget): Promise<void> => {
      world.updates.push([`${section ?? ''}.${name}`, value, target]);
      return Promise.resolve();
    },
  }),
};

/** The settings below a section as one nested object, the way VS Code gives them. */
function tree(section: string): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [setting, value] of Object.entries(world.settings)) {
    const [first, ...names] = setting.split('.');
    const last = names.pop();
    if (first === section && last !== undefined) {
      const parent = names.reduce((node, name) => (node[name] ??= {}) as Record<string, unknown>, root);
      parent[last] = value;
    }
  }
  return root;
}

export interface Panel {
  revealed: number;
  webview: { html: string; posted: unknown[]; cspSource: string };
  ask(question: unknown): Promise<void>;
  dispose(): void;
}

function makePanel(): Panel {
  const asked = new EventEmitter<unknown>();
  const closed = new EventEmitter<undefined>();
  const posted: unknown[] = [];
  const webview = {
    html: '', posted, cspSource: 'https://panel', onDidReceiveMessage: asked.event,
    asWebviewUri: (uri: Uri) => `https://panel${uri.fsPath}`,
    postMessage: (message: unknown) => Promise.resolve(posted.push(message)),
  };
  const panel = {
    revealed: 0, webview, onDidDispose: closed.event, ask: (question: unknown) => asked.fire(question),
    reveal: () => (panel.revealed += 1), dispose: () => void closed.fire(undefined),
  };
  world.panels.push(panel);
  return panel;
}

export const languages = {
  createLanguageStatusItem: () => world.languageItem,
  match: (selector: { scheme: string }[], document: Editor['document']): number =>
    selector.some(({ scheme }) => scheme === document.uri.scheme) ? 10 : 0,
};

function showMessage(message: string, ...buttons: string[]): Promise<string | undefined> {
  world.messages.push([message, ...buttons].join(' | '));
  return Promise.resolve(world.choices.find((choice) => buttons.includes(choice)));
}

export const window = {
  activeTextEditor: undefined as Editor | undefined,
  onDidChangeActiveTextEditor: activeEditorChanged.event,
  onDidChangeTextEditorSelection: selectionChanged.event,
  createStatusBarItem: () => world.statusItem,
  createOutputChannel: () => {
    const write = (line: string): void => void world.log.lines.push(line);
    return { info: write, warn: write, error: write, debug: write, show: () => world.log.shown++, dispose: () => undefined };
  },
  showErrorMessage: showMessage,
  showInformationMessage: showMessage,
  showQuickPick: (items: { label: string }[], options: { title: string; canPickMany?: boolean }) => {
    world.lists.push([options.title, items.map(({ label }) => label)]);
    const picked = items.filter(({ label }) => label === world.picks[options.title]);
    return Promise.resolve(options.canPickMany ? picked : picked[0]);
  },
  showOpenDialog: () => Promise.resolve(world.file && [Uri.file(world.file)]),
  showTextDocument: (_document: unknown, options: { selection: Range }) => Promise.resolve(void world.selections.push(options.selection)),
  withProgress: (options: { title: string }, work: (progress: { report(value: object): void }, token: Cancellation) => unknown) => {
    const progress: Progress = { title: options.title, reports: [] };
    world.progress.push(progress);
    return work({ report: (value) => progress.reports.push(value) }, world.cancellation);
  },
  createWebviewPanel: makePanel,
};

export const commands = {
  registerCommand: (id: string, run: (...values: unknown[]) => unknown): Disposable => {
    world.commands.set(id, run);
    return new Disposable(() => world.commands.delete(id));
  },
  executeCommand: (...call: unknown[]): Promise<void> => {
    world.executed.push(call);
    return Promise.resolve();
  },
};

export const env = {
  remoteName: undefined as string | undefined,
  openExternal: (uri: Uri) => Promise.resolve(world.opened.push(uri.fsPath)),
};

export const extensions = {
  getExtension: () => (world.pythonApi === undefined ? undefined : { activate: () => Promise.resolve(world.pythonApi) }),
};
