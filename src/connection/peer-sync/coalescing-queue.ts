/**
 * Runs a job for what has been marked since the last run: marks that come while it runs are served together by the next
 * run, so a burst costs a few runs and not one each.
 */
export class WakeUp<Mark> {
  private marked = new Set<Mark>();
  private running: Promise<void> | undefined;

  constructor(
    private readonly job: (marks: ReadonlySet<Mark>) => Promise<void>,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  mark(...marks: readonly Mark[]): void {
    for (const mark of marks) this.marked.add(mark);
    if (this.marked.size > 0) this.running ??= this.serve();
  }

  async idle(): Promise<void> {
    await this.running;
  }

  private async serve(): Promise<void> {
    // After this turn of the event loop, so that marks made together are served together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.marked.size > 0) {
      const marks = this.marked;
      this.marked = new Set();
      try {
        await this.job(marks);
      } catch (error) {
        this.onFailure(error);
      }
    }
    // In the same turn as the last look, so that no mark falls in between.
    this.running = undefined;
  }
}
