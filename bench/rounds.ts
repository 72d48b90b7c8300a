import { loadAverage } from './machine.js';
import { type LoadRequest, runLoad } from './load.js';
import { residentMb } from './server-process.js';
import { type Percentiles, median, percentiles } from './statistics.js';

/** One of those that are compared. */
export interface Contestant {
  readonly name: string;
  readonly url: string;
  /** Of the server, for its memory. */
  readonly pid: number;
  readonly connections: number;
  /** Makes what the next round will send, and brings the stores to where every round begins. */
  readonly prepare: (requests: number) => Promise<() => LoadRequest | undefined>;
  /** What it may answer in a second at most, as long as nobody has seen how much it does. */
  readonly fastest: number;
  /** CPU seconds so far of everybody who works for it, the server under `server`. */
  readonly cpu: Readonly<Record<string, () => number>>;
}

export interface Timing {
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** What one contestant did, round by round. */
export interface Measured {
  readonly name: string;
  readonly connections: number;
  /** Requests a second, of each round. */
  readonly rates: readonly number[];
  readonly rate: number;
  /** Milliseconds, over the requests of all rounds. */
  readonly latency: Percentiles;
  /** CPU milliseconds a request; the median of the rounds. */
  readonly cpuMs: Readonly<Record<string, number>>;
  /** The server's CPU seconds a second: 1 is one core, wholly used. */
  readonly serverCores: number;
  /** The most that was seen, MB. */
  readonly residentMb: number;
  readonly refusals: Readonly<Record<string, number>>;
  /** Of the machine, as each round ended. */
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
 * Lets the contestants take turns, so that whatever else the machine does meets all of them alike: forwards in one round,
 * backwards in the next. A first round warms everything up and counts for nothing.
 */
export async function takeTurns(contestants: readonly Contestant[], timing: Timing, tell: Tell): Promise<Measured[]> {
  const rounds = new Map<Contestant, Round[]>(contestants.map((contestant) => [contestant, []]));
  const warmUps = new Map<Contestant, number>();
  for (let round = 0; round <= timing.rounds; round += 1) {
    const order = round % 2 === 0 ? contestants : contestants.toReversed();
    for (const contestant of order) {
      const seen = Math.max(...(rounds.get(contestant) ?? []).map(({ rate }) => rate), warmUps.get(contestant) ?? 0);
      const result = await runRound(
        contestant,
        timing,
        seen > 0 ? Math.max(seen * headroom, contestant.fastest / 3) : contestant.fastest,
      );
      if (round === 0) warmUps.set(contestant, result.rate);
      if (round > 0) rounds.get(contestant)?.push(result);
      const label = round === 0 ? 'warm-up' : `round ${round}`;
      tell(`${label.padEnd(8)} ${contestant.name.padEnd(34)} ${result.rate.toFixed(0).padStart(6)} /s`);
    }
  }
  return contestants.map((contestant) => summarise(contestant, rounds.get(contestant) ?? [], timing));
}

/** A round may be that much quicker than all before it, or a third of the fastest, and still find enough prepared. */
const headroom = 1.7;

export type Tell = (line: string) => void;

/** @param perSecond how many requests to prepare for each second */
async function runRound(contestant: Contestant, { warmUpMs, measureMs }: Timing, perSecond: number): Promise<Round> {
  const { url, pid, connections, cpu } = contestant;
  const next = await contestant.prepare(Math.ceil((perSecond * (warmUpMs + measureMs)) / 1000) + connections);
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

function summarise({ name, connections, cpu }: Contestant, rounds: readonly Round[], { measureMs }: Timing): Measured {
  const seconds = measureMs / 1000;
  const ofRounds = (pick: (round: Round) => number) => rounds.map(pick);
  const perRequest = (who: string) =>
    median(ofRounds(({ cpuSeconds, rate }) => ((cpuSeconds[who] ?? NaN) * 1000) / (rate * seconds)));
  const refusals: Record<string, number> = {};
  for (const round of rounds) {
    for (const [what, count] of Object.entries(round.refusals)) refusals[what] = (refusals[what] ?? 0) + count;
  }
  return {
    name,
    connections,
    rates: ofRounds(({ rate }) => rate),
    rate: median(ofRounds(({ rate }) => rate)),
    latency: percentiles(rounds.flatMap(({ latencies }) => latencies)),
    cpuMs: Object.fromEntries(Object.keys(cpu).map((who) => [who, perRequest(who)])),
    serverCores: median(ofRounds(({ cpuSeconds }) => (cpuSeconds['server'] ?? NaN) / seconds)),
    residentMb: Math.max(0, ...ofRounds((round) => round.residentMb)),
    refusals,
    loadAverages: ofRounds((round) => round.loadAverage),
  };
}
