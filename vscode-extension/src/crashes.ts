/** Decides whether a server that went away is started again, so that a broken one does not start for ever. */
import { CloseAction, ErrorAction, type CloseHandlerResult, type ErrorHandler, type ErrorHandlerResult } from 'vscode-languageclient/node';

const MOST_RESTARTS = 4;
const WINDOW_MS = 3 * 60 * 1000;

/** `handled` everywhere: the client would otherwise open a message box, perhaps in the middle of a word. */
export class Crashes implements ErrorHandler {
  private times: number[] = [];

  constructor(
    private readonly onGivenUp: (message: string) => void,
    private readonly now: () => number = Date.now,
  ) {}

  error(): ErrorHandlerResult {
    return { action: ErrorAction.Continue, handled: true };
  }

  closed(): CloseHandlerResult {
    const now = this.now();
    this.times = [...this.times.filter((time) => now - time < WINDOW_MS), now];
    if (this.times.length <= MOST_RESTARTS) {
      return { action: CloseAction.Restart, handled: true };
    }
    const message = `the server stopped ${this.times.length} times in three minutes; see the log, then restart it`;
    this.onGivenUp(message);
    return { action: CloseAction.DoNotRestart, message, handled: true };
  }
}
