import { loadAverage } from './machine.js';
import { type LoadRequest, runLoad } from './load.js';
import { residentMb } from './server-process.js';
import { type Percentiles, median, percentiles } from './statistics.js';

/** A server that is compared with others. */
export interface Competitor {
  readonly name: string;
  readonly url: string;
  /** The server's pid, for its memory. */
  readonly pid: number;
  readonly connections: number;
  /** Prepares the requests of the next round, and resets the stores for it. */
  readonly prepare: (requests: number) => Promise<() => LoadRequest | undefined>;
  /** An upper bound of its requests per second, until the first round has measured it. */
  readonly maxRate: number;
  /** CPU seconds so far of all processes that work for it, by name; the server's are under `server`. */
  readonly cpu: Readonly<Record<string, () => number>>;
}

export interface Timing {
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** The results of one competitor. */
export interface Measured {
  readonly name: string;
  readonly connections: number;
  /** Requests per second in each round. */
  readonly rates: readonly number[];
  readonly rate: number;
  /** Milliseconds, over the requests of all rounds. */
  readonly latency: Percentiles;
  /** CPU milliseconds per request; the median of the rounds. */
  readonly cpuMs: Readonly<Record<string, number>>;
  /** The server's CPU seconds per second: 1 is one fully used core. */
  readonly serverCores: number;
  /** The highest value, in MB. */
  readonly residentMb: number;
  readonly refusals: Readonly<Record<string, number>>;
  /** The machine's load average at the end of each round. */
  readonly loadAverages: readonly number[];
}

interface Round {
  readonly rate: number;
  readonly latencies: readonly number[];
  readonly refusals: Readonly<Record<string, number>>;
  readonly cpuSeconds: Readonly<Record<string, number>>;
  readonly residentMb: number;
  readonly loadAverage: number;
}

/**
 * Measures the competitors in turns, so that other work on the machine affects all of them alike: forwards in one round,
 * backwards in the next. The first round is a warm-up and is not counted.
 */
export async function measureInTurns(
  competitors: readonly Competitor[],
  timing: Timing,
  log: Log,
): Promise<Measured[]> {
  const rounds = new Map<Competitor, Round[]>(competitors.map((competitor) => [competitor, []]));
  const warmUps = new Map<Competitor, number>();
  for (let round = 0; round <= timing.rounds; round += 1) {
    const order = round % 2 === 0 ? competitors : competitors.toReversed();
    for (const competitor of order) {
      const bestRate = Math.max(
        ...(rounds.get(competitor) ?? []).map(({ rate }) => rate),
        warmUps.get(competitor) ?? 0,
      );
      const result = await runRound(
        competitor,
        timing,
        bestRate > 0 ? Math.max(bestRate * rateMargin, competitor.maxRate / 3) : competitor.maxRate,
      );
      if (round === 0) warmUps.set(competitor, result.rate);
      if (round > 0) rounds.get(competitor)?.push(result);
      const label = round === 0 ? 'warm-up' : `round ${round}`;
      log(`${label.padEnd(8)} ${competitor.name.padEnd(34)} ${result.rate.toFixed(0).padStart(6)} /s`);
    }
  }
  return competitors.map((competitor) => summarise(competitor, rounds.get(competitor) ?? [], timing));
}

/** A round may be this much faster than all rounds before, and still has enough prepared requests. */
const rateMargin = 1.7;

export type Log = (line: string) => void;

/** @param perSecond number of requests to prepare for each second */
async function runRound(competitor: Competitor, { warmUpMs, measureMs }: Timing, perSecond: number): Promise<Round> {
  const { url, pid, connections, cpu } = competitor;
  const next = await competitor.prepare(Math.ceil((perSecond * (warmUpMs + measureMs)) / 1000) + connections);
  const read = () => Object.fromEntries(Object.entries(cpu).map(([name, seconds]) => [name, seconds()]));
  let [before, after]: Record<string, number>[] = [{}, {}];
  let maxMb = 0;
  const watch = setInterval(() => (maxMb = Math.max(maxMb, residentMb(pid))), 250);
  try {
    const { rate, latencies, refusals } = await runLoad({
      url,
      connections,
      warmUpMs,
      measureMs,
      next,
      onWindow: (edge) => {
        if (edge === 'begin') before = read();
        else after = read();
      },
    });
    const used = Object.keys(cpu).map((name) => [name, (after?.[name] ?? NaN) - (before?.[name] ?? NaN)]);
    const cpuSeconds = Object.fromEntries(used) as Record<string, number>;
    return { rate, latencies, refusals, cpuSeconds, residentMb: maxMb, loadAverage: loadAverage() };
  } finally {
    clearInterval(watch);
  }
}

function summarise({ name, connections, cpu }: Competitor, rounds: readonly Round[], { measureMs }: Timing): Measured {
  const seconds = measureMs / 1000;
  const ofRounds = (pick: (round: Round) => number) => rounds.map(pick);
  const perRequest = (process: string) =>
    median(ofRounds(({ cpuSeconds, rate }) => ((cpuSeconds[process] ?? NaN) * 1000) / (rate * seconds)));
  const refusals: Record<string, number> = {};
  for (const round of rounds) {
    for (const [answer, count] of Object.entries(round.refusals)) refusals[answer] = (refusals[answer] ?? 0) + count;
  }
  return {
    name,
    connections,
    rates: ofRounds(({ rate }) => rate),
    rate: median(ofRounds(({ rate }) => rate)),
    latency: percentiles(rounds.flatMap(({ latencies }) => latencies)),
    cpuMs: Object.fromEntries(Object.keys(cpu).map((process) => [process, perRequest(process)])),
    serverCores: median(ofRounds(({ cpuSeconds }) => (cpuSeconds['server'] ?? NaN) / seconds)),
    residentMb: Math.max(0, ...ofRounds((round) => round.residentMb)),
    refusals,
    loadAverages: ofRounds((round) => round.loadAverage),
  };
}
