/** Finds the `parrotlet` command. Knows the file system, nothing of VS Code, so that it can be tested by itself. */
import { accessSync, constants, statSync } from 'node:fs';
import * as path from 'node:path';

/** Where to look; the first place that holds an executable file wins. */
export interface Places {
  /** The setting `parrotlet.server.path`; when it is set, nothing else is tried. */
  readonly configured: string;
  /** The selected Python interpreter, when there is one that may be used. */
  readonly python: string | undefined;
  /** The variable PATH. */
  readonly searchPath: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
}

export interface Server {
  readonly command: string;
  /** For the log: why this command and not another. */
  readonly foundBy: string;
}

/** No server can be started; the message is one line for the user, with the remedy. */
export class ServerNotFound extends Error {}

export function locateServer(places: Places): Server {
  if (places.configured !== '') {
    return fromSetting(places.configured, places.home);
  }
  const folders = [
    ...besidePython(places.python, places.platform).map((folder) => [folder, 'the selected Python'] as const),
    // A relative entry of PATH would let the opened folder choose the program.
    ...places.searchPath.split(path.delimiter).filter((folder) => path.isAbsolute(folder)).map((folder) => [folder, 'PATH'] as const),
    [path.join(places.home, '.local', 'bin'), '~/.local/bin'] as const,
  ];
  const name = places.platform === 'win32' ? 'parrotlet.exe' : 'parrotlet';
  for (const [folder, foundBy] of folders) {
    const command = path.join(folder, name);
    if (isExecutable(command)) {
      return { command, foundBy };
    }
  }
  throw new ServerNotFound(
    'Parrotlet found no parrotlet command: not beside the selected Python, not on PATH, not in ~/.local/bin. ' +
      'Install the Python package parrotlet, or set parrotlet.server.path.',
  );
}

function fromSetting(configured: string, home: string): Server {
  const command = configured.startsWith('~/') ? path.join(home, configured.slice(2)) : configured;
  if (!path.isAbsolute(command) || !isExecutable(command)) {
    throw new ServerNotFound(
      `parrotlet.server.path is "${configured}", which is not the absolute path of an executable file: ` +
        'correct it, or clear it to let Parrotlet search.',
    );
  }
  return { command, foundBy: 'parrotlet.server.path' };
}

function besidePython(python: string | undefined, platform: NodeJS.Platform): string[] {
  if (python === undefined) {
    return [];
  }
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
