/** A small stand-in for the `vscode` module: settings live in a table, and what the user would see is recorded. */
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

export interface Editor {
  document: { uri: { toString(): string; scheme: string } };
  selection: { active: { line: number; character: number } };
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
  errors: [] as string[],
  choice: undefined as string | undefined,
  commands: new Map<string, (...values: unknown[]) => unknown>(),
  executed: [] as unknown[][],
  statusItem: { text: '', tooltip: '', command: '', name: '', show: (): void => undefined, dispose: (): void => undefined },
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
    Object.assign(world, { settings: {}, workspaceValues: {}, updates: [], errors: [], choice: undefined, executed: [] });
    Object.assign(world, { commands: new Map(), log: { lines: [], shown: 0 }, pythonApi: undefined });
    workspace.isTrusted = true;
    env.remoteName = undefined;
  },
};

export const workspace = {
  isTrusted: true,
  workspaceFolders: undefined,
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

export const languages = {
  match: (selector: { scheme: string }[], document: Editor['document']): number =>
    selector.some(({ scheme }) => scheme === document.uri.scheme) ? 10 : 0,
};

export const window = {
  onDidChangeActiveTextEditor: activeEditorChanged.event,
  onDidChangeTextEditorSelection: selectionChanged.event,
  createStatusBarItem: () => world.statusItem,
  createOutputChannel: () => {
    const write = (line: string): void => void world.log.lines.push(line);
    return { info: write, warn: write, error: write, debug: write, show: () => world.log.shown++, dispose: () => undefined };
  },
  showErrorMessage: (message: string): Promise<string | undefined> => {
    world.errors.push(message);
    return Promise.resolve(world.choice);
  },
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

export const env = { remoteName: undefined as string | undefined };

export const extensions = {
  getExtension: () => (world.pythonApi === undefined ? undefined : { activate: () => Promise.resolve(world.pythonApi) }),
};
