/** Makes a Python environment that holds Parrotlet and nothing else. Knows Python and pip, nothing of windows. */
import { rmSync } from 'node:fs';
import * as path from 'node:path';
import { executable, programFolder } from './locate';
import { runProgram, type RunOptions } from './program';

const CHECK = 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))';
const NAMES = ['python3', 'python', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10'];
const PYTORCH_FOR_CPUS = 'https://download.pytorch.org/whl/cpu';

/** Where pip takes Parrotlet from: the package index, with PyTorch for CPUs or for GPUs, or a folder of wheels. */
export type Source = { readonly kind: 'cpu' | 'gpu' } | { readonly kind: 'wheels'; readonly folder: string };

/** The first of these interpreters, or else of those on PATH, that can make an environment. Raises: Error. */
export async function findPython(preferred: readonly string[]): Promise<string> {
  for (const candidate of [...preferred, ...NAMES]) {
    if (await runProgram(candidate, ['-c', CHECK]).then(() => true, () => false)) {
      return candidate;
    }
  }
  throw new Error('no Python from 3.10 on with its venv module was found: install one (on Debian: python3-venv), then try again');
}

/** Makes the folder anew, and leaves none when that fails. Raises: Error, CancellationError. */
export async function makeEnvironment(folder: string, python: string, source: Source, options: RunOptions): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  try {
    options.onLine?.('making a private Python environment');
    await runProgram(python, ['-m', 'venv', folder], options);
    const own = path.join(programFolder(folder, process.platform), executable('python', process.platform));
    for (const args of pipArguments(source, process.platform)) {
      await runProgram(own, ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--progress-bar', 'off', ...args], options);
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The arguments of each run of `pip install`. */
export function pipArguments(source: Source, platform: NodeJS.Platform): string[][] {
  const parrotlet = ['parrotlet[train]'];
  if (source.kind === 'wheels') {
    return [['--no-index', '--find-links', source.folder, ...parrotlet]];
  }
  // On Linux, the index's own PyTorch brings gigabytes of libraries for NVIDIA GPUs.
  return source.kind === 'cpu' && platform === 'linux' ? [['--index-url', PYTORCH_FOR_CPUS, 'torch'], parrotlet] : [parrotlet];
}
