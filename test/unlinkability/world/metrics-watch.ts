import { type SeizedProcess } from '../evidence.js';
import { type ServiceClock } from './service-clock.js';
import { type RunningStack } from './stacks.js';

const intervalMs = 1_000;

/** Reads the metrics of each process once a second of the machine's clock, in which hours of the service may pass. */
export class MetricsWatch {
  private readonly scrapes = new Map<string, { atMs: number; text: string }[]>();
  private timer: NodeJS.Timeout | undefined;
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly stacks: readonly RunningStack[],
    private readonly clock: ServiceClock,
  ) {}

  start(): void {
    this.timer = setInterval(() => this.scrape(), intervalMs);
  }

  /** Reads them once more. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.scrape();
    await this.last;
  }

  of(role: string): SeizedProcess['metrics'] {
    return this.scrapes.get(role) ?? [];
  }

  private scrape(): void {
    this.last = this.last.then(() => Promise.all(this.stacks.map((stack) => this.read(stack))));
    // Thrown by `stop`.
    this.last.catch(() => undefined);
  }

  private async read(stack: RunningStack): Promise<void> {
    const atMs = this.clock.now().getTime();
    const text = await stack.metrics();
    this.scrapes.set(stack.role, [...(this.scrapes.get(stack.role) ?? []), { atMs, text }]);
  }
}
