import { type Clock } from './clock.js';

/** An action that a provider takes by itself at a set time, such as a renewal or a retry. Plain data, so that it can be stored. */
export interface ScheduledAction {
  /** Unix milliseconds. */
  readonly at: number;
  readonly kind: string;
  readonly id: string;
}

/** The names are those in the stored file. */
export interface TimelineSnapshot {
  readonly ahead: number;
  readonly happenings: readonly ScheduledAction[];
}

/**
 * A provider's time: the clock's, plus the time by which it was advanced. Scheduled actions run in order of their times.
 * While an action runs, `now` is the action's own time, even when one call advances by months.
 */
export class Timeline {
  private readonly handlers = new Map<string, (id: string) => void>();
  private readonly scheduled: ScheduledAction[];
  private ahead: number;
  private frozen: number | undefined;

  constructor(
    private readonly clock: Clock,
    snapshot?: TimelineSnapshot,
  ) {
    this.ahead = snapshot?.ahead ?? 0;
    this.scheduled = [...(snapshot?.happenings ?? [])];
  }

  snapshot(): TimelineSnapshot {
    return { ahead: this.ahead, happenings: this.scheduled };
  }

  /** Unix milliseconds. */
  now(): number {
    return this.frozen ?? this.clock.now().getTime() + this.ahead;
  }

  on(kind: string, handle: (id: string) => void): void {
    this.handlers.set(kind, handle);
  }

  /** Replaces a scheduled action of the same kind and id. */
  schedule(action: ScheduledAction): void {
    this.unschedule(action.kind, action.id);
    const place = this.scheduled.findIndex(({ at }) => at > action.at);
    this.scheduled.splice(place === -1 ? this.scheduled.length : place, 0, action);
  }

  unschedule(kind: string, id: string): void {
    const place = this.scheduled.findIndex((one) => one.kind === kind && one.id === id);
    if (place !== -1) this.scheduled.splice(place, 1);
  }

  /** Runs all actions that are due, including those that they schedule in turn. */
  catchUp(): void {
    if (this.frozen !== undefined) return;
    const until = this.now();
    try {
      for (let next = this.scheduled[0]; next !== undefined && next.at <= until; next = this.scheduled[0]) {
        this.scheduled.shift();
        this.frozen = next.at;
        const handle = this.handlers.get(next.kind);
        if (!handle) throw new Error(`No handler for the scheduled action ${next.kind}.`);
        handle(next.id);
      }
    } finally {
      this.frozen = undefined;
    }
  }

  /** @throws {RangeError} when `to` is in the past. */
  advanceTo(to: Date): void {
    const by = to.getTime() - this.now();
    if (by < 0) throw new RangeError(`Cannot move time back: it is later than ${to.toISOString()}.`);
    this.ahead += by;
    this.catchUp();
  }
}
