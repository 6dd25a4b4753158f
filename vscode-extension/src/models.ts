/** The user's models, through the `parrotlet` command line: the only module that knows how that is spelled. */
import * as path from 'node:path';
import type * as vscode from 'vscode';
import { executable } from './locate';
import { runProgram } from './program';

export interface Model {
  readonly name: string;
  /** Whether the server answers from it now. */
  readonly in_use: boolean;
}

export interface TrainingProgress {
  readonly stage: string;
  /** 0 to 1, of the whole. */
  readonly done: number;
  readonly message: string;
}

export interface TrainingEnd {
  readonly stage: 'end';
  /** Whether the new model was better than the old one, and is in use now. */
  readonly accepted: boolean;
  /** Path of the page that says how it went. */
  readonly report: string;
  readonly model: string;
}

/** `command` is the path of `parrotlet`; `parrotlet-train` lies beside it. All may raise Error; `train` CancellationError. */
export class Models {
  constructor(private readonly command: string) {}

  async list(): Promise<Model[]> {
    return (JSON.parse(await runProgram(this.command, ['models', '--json'])) as { models: Model[] }).models;
  }

  async use(name: string): Promise<void> {
    await runProgram(this.command, ['models', 'use', name]);
  }

  /** To the model that was used before. */
  async back(): Promise<void> {
    await runProgram(this.command, ['models', 'back']);
  }

  async train(
    folders: readonly string[],
    minutes: number,
    onProgress: (progress: TrainingProgress) => void,
    cancellation: vscode.CancellationToken,
  ): Promise<TrainingEnd> {
    const trainer = path.join(path.dirname(this.command), executable('parrotlet-train', process.platform));
    let end: TrainingEnd | undefined;
    const onLine = (line: string): void => {
      const event = eventOf(line);
      if (event !== undefined && 'accepted' in event) {
        end = event;
      } else if (event !== undefined) {
        onProgress(event);
      }
    };
    await runProgram(trainer, ['personal', ...folders, '--minutes', String(minutes), '--progress', 'json'], { onLine, cancellation });
    if (end === undefined) {
      throw new Error(`${trainer} ended without saying how it went: run it in a terminal to see more`);
    }
    return end;
  }
}

/** Undefined for a line that some library has printed. */
function eventOf(line: string): TrainingProgress | TrainingEnd | undefined {
  return line.startsWith('{"') ? (JSON.parse(line) as TrainingProgress | TrainingEnd) : undefined;
}
