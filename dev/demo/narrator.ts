/** Prints the demo's steps with the time of each, and collects the times for the summary. */
export class Narrator {
  readonly times: Record<string, number> = {};
  private count = 0;

  /** Runs one step. A failed step ends the demo. */
  async step<T>(name: string, title: string, run: () => Promise<T>): Promise<T> {
    const started = performance.now();
    // On a terminal, the running step is shown too.
    if (process.stdout.isTTY) process.stdout.write(`    … ${title}`);
    try {
      const result = await run();
      this.line('✓', name, title, started);
      return result;
    } catch (error) {
      this.line('✗', name, title, started);
      throw error;
    }
  }

  /** Prints what one participant knows after the step. */
  learned(side: 'gatekeeper' | 'anonymizer' | 'device' | 'node' | 'website', what: string): void {
    console.log(`        ${side.padEnd(10)} ${what}`);
  }

  private line(mark: string, name: string, title: string, started: number): void {
    const ms = performance.now() - started;
    this.times[name] = Math.round(ms * 10) / 10;
    this.count += 1;
    if (process.stdout.isTTY) process.stdout.write('\r\u001b[2K');
    console.log(`${String(this.count).padStart(3)} ${mark} ${title.padEnd(66)} ${ms.toFixed(1).padStart(8)} ms`);
  }
}

/** @throws {Error} naming the claim when it is false */
export function check(isTrue: boolean, claim: string): asserts isTrue {
  if (!isTrue) throw new Error(`This is not true: ${claim}`);
}

export const short = (text: string): string => (text.length > 20 ? `${text.slice(0, 10)}…${text.slice(-4)}` : text);
