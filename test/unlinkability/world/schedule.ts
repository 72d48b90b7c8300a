/** Something that happens at a simulated time (Unix milliseconds). */
export interface Act {
  readonly at: number;
  readonly run: () => Promise<void>;
}

/** Acts in the order of their times. Acts may add later acts. */
export class Schedule {
  private readonly acts: Act[] = [];

  add(at: number, run: () => Promise<void>): void {
    const after = this.acts.findLastIndex((act) => act.at <= at);
    this.acts.splice(after + 1, 0, { at, run });
  }

  clear(): void {
    this.acts.length = 0;
  }

  /** Removes the first act before a time. */
  takeBefore(time: number): Act | undefined {
    const [first] = this.acts;
    return first !== undefined && first.at < time ? this.acts.shift() : undefined;
  }
}
