/** A stand-in for `vscode-languageclient/node` that records the clients made and the order in which they start and stop. */
import { EventEmitter } from './vscode';

export enum State {
  Stopped = 1,
  Running = 2,
  Starting = 3,
}

export enum RevealOutputChannelOn {
  Error = 3,
  Never = 4,
}

export enum CloseAction {
  DoNotRestart = 1,
  Restart = 2,
}

export enum ErrorAction {
  Continue = 1,
  Shutdown = 2,
}

export const DidChangeConfigurationNotification = { type: 'workspace/didChangeConfiguration' };

/** Everything that happened to any client, in order. */
export const events: string[] = [];
export const made: LanguageClient[] = [];
/** `answers` are of requests, by method: an Error is thrown. */
export const behaviour = { failStart: undefined as Error | undefined, answers: {} as Record<string, unknown> };

export class LanguageClient {
  readonly sent: [string, unknown][] = [];
  readonly errors: [string, boolean][] = [];
  readonly asked: [string, unknown][] = [];
  state = State.Stopped;
  private readonly stateChanged = new EventEmitter<{ newState: State }>();
  readonly onDidChangeState = this.stateChanged.event;

  constructor(
    readonly id: string,
    readonly name: string,
    readonly server: { command: string; args: string[]; options: { cwd: string } },
    readonly options: Record<string, unknown>,
  ) {
    made.push(this);
  }

  async start(): Promise<void> {
    events.push(`start ${made.indexOf(this)}`);
    await this.stateChanged.fire({ newState: State.Starting });
    if (behaviour.failStart !== undefined) {
      throw behaviour.failStart;
    }
    this.state = State.Running;
    await this.stateChanged.fire({ newState: State.Running });
    events.push(`started ${made.indexOf(this)}`);
  }

  async dispose(): Promise<void> {
    await Promise.resolve();
    events.push(`stopped ${made.indexOf(this)}`);
  }

  error(message: string, _data: unknown, showNotification: boolean): void {
    this.errors.push([message, showNotification]);
  }

  sendRequest(method: string, parameters: unknown): Promise<unknown> {
    this.asked.push([method, parameters]);
    const answer = behaviour.answers[method];
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }

  sendNotification(type: string, parameters: unknown): Promise<void> {
    this.sent.push([type, parameters]);
    return Promise.resolve();
  }
}

export function reset(): void {
  events.length = 0;
  made.length = 0;
  behaviour.failStart = undefined;
  behaviour.answers = {};
}
