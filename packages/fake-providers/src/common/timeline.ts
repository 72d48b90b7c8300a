import { type Clock } from './clock.js';

/** Something that a provider does by itself at a time: renew this, retry that. Plain data, so that it can be kept. */
export interface Happening {
  /** Unix milliseconds. */
  readonly at: number;
  readonly kind: string;
  readonly id: string;
}

export interface TimelineSnapshot {
  readonly ahead: number;
  readonly happenings: readonly Happening[];
}

/**
 * A provider's time: a clock's, plus however far it was advanced. What is scheduled runs in the order of its time, each
 * seeing its own time as now, however far one call jumps.
 */
export class Timeline {
  private readonly handlers = new Map<string, (id: string) => void>();
  private readonly happenings: Happening[];
  private ahead: number;
  private frozen: number | undefined;

  constructor(
    private readonly clock: Clock,
    snapshot?: TimelineSnapshot,
  ) {
    this.ahead = snapshot?.ahead ?? 0;
    this.happenings = [...(snapshot?.happenings ?? [])];
  }

  snapshot(): TimelineSnapshot {
    return { ahead: this.ahead, happenings: this.happenings };
  }

  /** Unix milliseconds. */
  now(): number {
    return this.frozen ?? this.clock.now().getTime() + this.ahead;
  }

  on(kind: string, handle: (id: string) => void): void {
    this.handlers.set(kind, handle);
  }

  /** In place of what was scheduled for the same kind and id. */
  schedule(happening: Happening): void {
    this.unschedule(happening.kind, happening.id);
    const place = this.happenings.findIndex(({ at }) => at > happening.at);
    this.happenings.splice(place === -1 ? this.happenings.length : place, 0, happening);
  }

  unschedule(kind: string, id: string): void {
    const place = this.happenings.findIndex((one) => one.kind === kind && one.id === id);
    if (place !== -1) this.happenings.splice(place, 1);
  }

  /** Does everything that is due by now, and what becomes due by doing it. */
  catchUp(): void {
    if (this.frozen !== undefined) return;
    const until = this.now();
    try {
      for (let next = this.happenings[0]; next !== undefined && next.at <= until; next = this.happenings[0]) {
        this.happenings.shift();
        this.frozen = next.at;
        const handle = this.handlers.get(next.kind);
        if (!handle) throw new Error(`Nobody handles ${next.kind}.`);
        handle(next.id);
      }
    } finally {
      this.frozen = undefined;
    }
  }

  /** @throws {RangeError} when `to` lies in the past: time does not run backwards. */
  advanceTo(to: Date): void {
    const by = to.getTime() - this.now();
    if (by < 0) throw new RangeError(`It is later than ${to.toISOString()} already.`);
    this.ahead += by;
    this.catchUp();
  }
}
