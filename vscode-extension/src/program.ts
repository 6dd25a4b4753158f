/** Runs another program to its end: its lines as they come, its failure as one line. */
import { spawn } from 'node:child_process';
import * as os from 'node:os';
import * as readline from 'node:readline';
import * as vscode from 'vscode';

export interface RunOptions {
  readonly onLine?: (line: string) => void;
  readonly cancellation?: vscode.CancellationToken;
}

/**
 * Resolves with all of stdout. Raises: CancellationError; Error with the last line that the program wrote to stderr, which
 * for ours holds the remedy.
 */
export function runProgram(command: string, args: readonly string[], { onLine, cancellation }: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    // At home, because a program must find nothing to load in the folder that happens to be open.
    const child = spawn(command, args, { cwd: os.homedir(), stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
    const written: string[] = [];
    let lastError = '';
    readline.createInterface({ input: child.stdout }).on('line', (line) => {
      written.push(line);
      onLine?.(line);
    });
    readline.createInterface({ input: child.stderr }).on('line', (line) => {
      lastError = line.trim() || lastError;
    });
    // Like Ctrl-C in a terminal: the trainer then saves what it has.
    const subscription = cancellation?.onCancellationRequested(() => child.kill('SIGINT'));
    child.on('error', (error) => { reject(new Error(`${command} could not be started: ${error.message}`)); });
    child.on('close', (code, signal) => {
      subscription?.dispose();
      if (cancellation?.isCancellationRequested === true) {
        reject(new vscode.CancellationError());
      } else if (code === 0) {
        resolve(written.join('\n'));
      } else {
        reject(new Error(lastError || `${command} ended with ${code ?? signal ?? 'an unknown error'} and said nothing`));
      }
    });
  });
}
