/** Prints the journey step by step, with the time of each, and remembers the times for the summary. */
export class Narrator {
  readonly times: Record<string, number> = {};
  private count = 0;

  /** Runs one step. A step that does not hold ends the journey. */
  async step<T>(name: string, title: string, run: () => Promise<T>): Promise<T> {
    const started = performance.now();
    // Who watches sees what is going on, not only what has ended.
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

  /** What one side holds, or saw, after the step. */
  knew(side: 'gatekeeper' | 'anonymizer' | 'device' | 'node' | 'website', what: string): void {
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

/** Says what did not hold. */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`This did not hold: ${what}`);
}

export const short = (text: string): string => (text.length > 20 ? `${text.slice(0, 10)}…${text.slice(-4)}` : text);
