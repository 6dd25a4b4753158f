/** Runs one task at a time. Requests that come while one waits share it: it has not begun, so it will see their reason too. */
export class Serial {
  private running: Promise<void> = Promise.resolve();
  private waiting: Promise<void> | undefined;

  constructor(private readonly task: () => Promise<void>) {}

  run(): Promise<void> {
    this.waiting ??= this.next();
    return this.waiting;
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    await this.running;
  }

  private next(): Promise<void> {
    const run = this.running.then(() => {
      this.waiting = undefined;
      return this.task();
    });
    this.running = run.catch(() => undefined);
    return run;
  }
}
