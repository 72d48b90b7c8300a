import { relative } from 'node:path';
import { type Reporter, type TestModule } from 'vitest/node';

const rows = 10;

/** Prints the ten slowest spec files, each with its slowest test, to show where a slow run spends its time. */
export class SlowestSpecs implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const slowest = [...modules].sort((a, b) => secondsOf(b) - secondsOf(a)).slice(0, rows);
    if (slowest.length < 2) return;
    console.log(
      `\nThe slowest ${slowest.length} of ${modules.length} spec files, in seconds, and the slowest test of each:`,
    );
    for (const module of slowest) {
      const [test] = [...module.children.allTests()]
        .map((each) => ({ name: each.fullName, seconds: (each.diagnostic()?.duration ?? 0) / 1000 }))
        .sort((a, b) => b.seconds - a.seconds);
      const name = relative(process.cwd(), module.moduleId);
      console.log(`${padded(secondsOf(module))}  ${name}`);
      if (test !== undefined) console.log(`${padded(test.seconds, 14)}  ${test.name}`);
    }
  }
}

/** Includes imports and hooks. */
function secondsOf(module: TestModule): number {
  const { duration, collectDuration, setupDuration } = module.diagnostic();
  return (duration + collectDuration + setupDuration) / 1000;
}

const padded = (seconds: number, width = 7) => seconds.toFixed(1).padStart(width);
