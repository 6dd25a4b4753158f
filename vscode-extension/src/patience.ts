/** Keeps a question that comes while the model loads: the editor holds on to an empty answer, and would not ask again there. */
import type * as vscode from 'vscode';

const POLL_MS = 300;

/** The part of the server's status that is used here. */
interface ServerStatus {
  readonly state: string;
  readonly window_is_ready: boolean;
}

type Items = vscode.InlineCompletionItem[] | vscode.InlineCompletionList | null | undefined;

export class Patience {
  private isReady = false;

  constructor(private readonly status: () => Promise<ServerStatus>) {}

  /** What `ask` gives; while the model loads, what it gives when that is there, unless the question is cancelled before. */
  async answer(ask: () => Promise<Items>, token: vscode.CancellationToken): Promise<Items> {
    let found = await ask();
    while (!this.isReady && isEmpty(found) && !token.isCancellationRequested) {
      const { state, window_is_ready } = await this.status();
      if (state === 'failed') {
        return found;
      }
      this.isReady = state === 'ready' && window_is_ready;
      await new Promise((resolve) => setTimeout(resolve, this.isReady ? 0 : POLL_MS));
      found = await ask();
    }
    this.isReady ||= !isEmpty(found);
    return found;
  }
}

function isEmpty(found: Items): boolean {
  return (Array.isArray(found) ? found : (found?.items ?? [])).length === 0;
}
