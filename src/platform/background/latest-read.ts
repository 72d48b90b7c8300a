/** Keeps reads that overtake each other in order: what an older one finds never replaces what a newer one has found. */
export class LatestRead {
  private begun = 0;
  private applied = 0;

  async run<T>(read: () => Promise<T>, apply: (found: T) => void): Promise<void> {
    this.begun += 1;
    const turn = this.begun;
    const found = await read();
    if (turn < this.applied) return;
    this.applied = turn;
    apply(found);
  }
}
