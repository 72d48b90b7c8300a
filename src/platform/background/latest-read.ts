/** Orders concurrent reads: the result of an older read never replaces the result of a newer one. */
export class LatestRead {
  private started = 0;
  private applied = 0;

  async run<T>(read: () => Promise<T>, apply: (found: T) => void): Promise<void> {
    this.started += 1;
    const turn = this.started;
    const found = await read();
    if (turn < this.applied) return;
    this.applied = turn;
    apply(found);
  }
}
