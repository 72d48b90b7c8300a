import { type Half } from './cohort.js';

/** What the best attack can have been, at most. */
export interface Bound {
  /** Users, each with the connection of theirs that was asked about first. */
  readonly asked: number;
  /** Right guesses of the attack that was the best one on the other half of the users. */
  readonly hits: number;
  /** With 99 % confidence, the attack links no larger share of all users than this. */
  readonly upper99: number;
  /** The hits of someone who knows the class of each right answer and guesses. */
  readonly chance: number;
  /** The attack chosen on each half. Empty if no pair of traces could be tried. */
  readonly attacks: readonly string[];
}

/** The hits of one attack on each half of the users. */
export interface SplitHits {
  readonly attack: string;
  readonly hits: readonly [number, number];
}

/**
 * The best of a thousand attacks is good by luck. So the best on one half is judged on the other, and the other way round. An
 * attack that learns has seen the other half too, which can only make the bound larger.
 */
export function boundOf(attacks: readonly SplitHits[], asked: number, chance: number): Bound {
  const bestOn = (half: Half) =>
    attacks.reduce<SplitHits | undefined>(
      (best, attack) => (best === undefined || attack.hits[half] > best.hits[half] ? attack : best),
      undefined,
    );
  const [first, second] = [bestOn(0), bestOn(1)];
  const hits = (first?.hits[1] ?? 0) + (second?.hits[0] ?? 0);
  const names = [first, second].flatMap((best) => (best === undefined ? [] : [best.attack]));
  return { asked, hits, upper99: upperBound99(hits, asked), chance, attacks: [...new Set(names)] };
}

/** The one-sided 99 % upper bound of Clopper and Pearson: the share with which so few hits have a probability of 1 %. */
export function upperBound99(hits: number, asked: number): number {
  if (hits >= asked) return 1;
  let [low, high] = [hits / asked, 1];
  // Halving a hundred times is exact to the last digit.
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2;
    if (probabilityOfAtMost(hits, asked, middle) > 0.01) low = middle;
    else high = middle;
  }
  return high;
}

/** The binomial distribution function. */
function probabilityOfAtMost(hits: number, asked: number, share: number): number {
  if (share >= 1) return hits >= asked ? 1 : 0;
  let logarithm = asked * Math.log1p(-share);
  let sum = Math.exp(logarithm);
  for (let hit = 1; hit <= hits; hit++) {
    logarithm += Math.log((asked - hit + 1) / hit) + Math.log(share) - Math.log1p(-share);
    sum += Math.exp(logarithm);
  }
  return sum;
}
