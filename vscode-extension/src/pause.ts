/** Suggestions rest for an hour, also when the window is closed meanwhile. Knows a clock, nothing of the server. */
import type * as vscode from 'vscode';

const HOUR_MS = 60 * 60 * 1000;
const KEY = 'pausedUntil';

export class Pause {
  private timer: NodeJS.Timeout | undefined;

  /** `onChange` is called when a pause begins or ends. */
  constructor(private readonly memory: vscode.Memento, private readonly onChange: () => void) {
    this.wait();
  }

  /** When it ends, in milliseconds; undefined when there is none. */
  get until(): number | undefined {
    const until = this.memory.get(KEY, 0);
    return until > Date.now() ? until : undefined;
  }

  begin(): Promise<void> {
    return this.set(Date.now() + HOUR_MS);
  }

  end(): Promise<void> {
    return this.set(0);
  }

  dispose(): void {
    clearTimeout(this.timer);
  }

  private async set(until: number): Promise<void> {
    await this.memory.update(KEY, until);
    this.wait();
    this.onChange();
  }

  private wait(): void {
    clearTimeout(this.timer);
    this.timer = this.until === undefined ? undefined : setTimeout(this.onChange, this.until - Date.now());
  }
}
