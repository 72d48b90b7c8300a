import { collectTraces } from './sources/index.js';
import { judge, type Judgement } from './statistics/index.js';
import { type Problem, type Trace } from './trace.js';
import { startWorld, type WorldOptions } from './world/world.js';

/** What the adversary knew, asked and found in one run. */
export interface Run {
  readonly traces: readonly Trace[];
  readonly problems: readonly Problem[];
  readonly judgement: Judgement;
}

/** Lets a population live on real stacks, seizes what is left one hour later, and tries to link it. */
export async function runAdversary(options: WorldOptions): Promise<Run> {
  const world = await startWorld(options);
  try {
    await world.live();
    const traces = await collectTraces(await world.seize());
    const problems = world.problems();
    return { traces, problems, judgement: judge(traces, problems, { seed: options.seed }) };
  } finally {
    await world.stop();
  }
}
