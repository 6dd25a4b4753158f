/** Finds the `parrotlet` command. Knows the file system, nothing of VS Code, so that it can be tested by itself. */
import { accessSync, constants, statSync } from 'node:fs';
import * as path from 'node:path';

/** Where to look; the first place that holds an executable file wins. */
export interface Places {
  /** The setting `parrotlet.server.path`; when it is set, nothing else is tried. */
  readonly configured: string;
  /** The selected Python interpreter, when there is one that may be used. */
  readonly python: string | undefined;
  /** The environment: PATH, and where `uv tool` and `pipx` were told to put commands. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** The environment that the command "Install Parrotlet" makes. */
  readonly own: string;
  readonly platform: NodeJS.Platform;
}

export interface Server {
  readonly command: string;
  /** For the log: why this command and not another. */
  readonly foundBy: string;
}

/** No server can be started; the message is one line for the user, with the remedy. */
export class ServerNotFound extends Error {}

const TOOL_FOLDERS = ['UV_TOOL_BIN_DIR', 'PIPX_BIN_DIR', 'XDG_BIN_HOME'];
const INTERPRETER = /^(python|pypy)[\d.]*(\.exe)?$/i;

export function locateServer(places: Places): Server {
  if (places.configured !== '') {
    return fromSetting(places);
  }
  const { environment, home, platform, python, own } = places;
  const tools = [...TOOL_FOLDERS.map((name) => environment[name] ?? ''), path.join(home, '.local', 'bin')];
  const searchPath = (environment['PATH'] ?? environment['Path'] ?? '').split(path.delimiter);
  const folders = [
    ...tools.map((folder) => [folder, 'uv tool or pipx'] as const),
    ...(python === undefined ? [] : besidePython(python, platform)).map((folder) => [folder, 'the selected Python'] as const),
    ...searchPath.map((folder) => [folder, 'PATH'] as const),
    [programFolder(own, platform), 'Install Parrotlet'] as const,
  ];
  for (const [folder, foundBy] of folders) {
    const command = path.join(folder, executable('parrotlet', platform));
    // A relative folder would let the opened one choose the program.
    if (path.isAbsolute(folder) && isExecutable(command)) {
      return { command, foundBy };
    }
  }
  throw new ServerNotFound(
    'Parrotlet found no parrotlet command: not of uv tool or pipx, not beside the selected Python, not on PATH. ' +
      'Install it, or choose a Python interpreter that has it.',
  );
}

/** Where a virtual environment keeps its programs. */
export function programFolder(environment: string, platform: NodeJS.Platform): string {
  return path.join(environment, platform === 'win32' ? 'Scripts' : 'bin');
}

export function executable(name: string, platform: NodeJS.Platform): string {
  return platform === 'win32' ? `${name}.exe` : name;
}

function fromSetting({ configured, home, platform }: Places): Server {
  const file = configured.startsWith('~/') ? path.join(home, configured.slice(2)) : configured;
  const foundBy = 'parrotlet.server.path';
  if (!path.isAbsolute(file) || !isExecutable(file)) {
    throw new ServerNotFound(
      `parrotlet.server.path is "${configured}", which is not the absolute path of an executable file: ` +
        'correct it, or clear it to let Parrotlet search.',
    );
  }
  if (!INTERPRETER.test(path.basename(file))) {
    return { command: file, foundBy };
  }
  const commands = besidePython(file, platform).map((folder) => path.join(folder, executable('parrotlet', platform)));
  const command = commands.find(isExecutable);
  if (command === undefined) {
    throw new ServerNotFound(
      `parrotlet.server.path is "${configured}", a Python interpreter without Parrotlet: ` +
        `run "${file}" -m pip install parrotlet, or choose another.`,
    );
  }
  return { command, foundBy };
}

function besidePython(python: string, platform: NodeJS.Platform): string[] {
  const folder = path.dirname(python);
  // Outside a virtual environment, Windows keeps scripts one folder below the interpreter.
  return platform === 'win32' ? [folder, path.join(folder, 'Scripts')] : [folder];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
