/**
 * Runs a job for all items that were added since its last run. Items that are added while it runs go into the next run
 * together, and duplicates count once. So a burst costs a few runs, not one for each item.
 */
export class CoalescingQueue<Item> {
  private queued = new Set<Item>();
  private running: Promise<void> | undefined;

  constructor(
    private readonly job: (items: ReadonlySet<Item>) => Promise<void>,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  add(...items: readonly Item[]): void {
    for (const item of items) this.queued.add(item);
    if (this.queued.size > 0) this.running ??= this.run();
  }

  /** Resolves when everything that was added before has been processed. */
  async idle(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    // Wait for the end of this turn of the event loop, so that items added in it are processed together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.queued.size > 0) {
      const items = this.queued;
      this.queued = new Set();
      try {
        await this.job(items);
      } catch (error) {
        this.onFailure(error);
      }
    }
    // In the same turn as the last check of the loop, so that no item can be missed.
    this.running = undefined;
  }
}
