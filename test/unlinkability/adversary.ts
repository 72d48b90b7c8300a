import { type Evidence } from './evidence.js';
import { collectTraces } from './sources/index.js';
import { judge, type Judgement } from './statistics/index.js';
import { type Problem, type Trace } from './trace.js';
import { startWorld, type WorldOptions } from './world/world.js';

/** What the adversary knew, asked and found in one run. */
export interface Run {
  readonly seed: number;
  readonly traces: readonly Trace[];
  readonly problems: readonly Problem[];
  readonly judgement: Judgement;
}

/** Lets a population live on real stacks, seizes what is left one hour later, and tries to link it. */
export async function runAdversary(options: WorldOptions): Promise<Run> {
  const world = await startWorld(options);
  try {
    await world.live();
    const evidence = await world.seize();
    const traces = await collectTraces(evidence);
    refuseSilence(evidence, traces);
    const problems = world.problems();
    const { seed } = options;
    return { seed, traces, problems, judgement: judge(traces, problems, { seed }) };
  } finally {
    await world.stop();
  }
}

/** The evidence of a living service always has these. Without them, a source was not read, and its silence means nothing. */
function refuseSilence({ clusters, redis, processes, logs }: Evidence, found: readonly Trace[]): void {
  const missing = [
    ...(['user', 'connection'] as const).flatMap((of) =>
      (['row order', 'transaction id', 'write-ahead log'] as const)
        .filter((kind) => !found.some((trace) => trace.of === of && trace.kind === kind))
        .map((kind) => `no ${kind} of any ${of}`),
    ),
    ...processes.filter(({ metrics }) => metrics.length < 2).map(({ name }) => `no metrics of ${name}`),
    ...logs.filter(({ text }) => text === '').map(({ name }) => `nothing in the log ${name}`),
    ...(clusters.length === 0 || redis.length === 0 ? ['no store'] : []),
  ];
  if (missing.length > 0) throw new Error(`The adversary was given too little: ${missing.join(', ')}.`);
}
