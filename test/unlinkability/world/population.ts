import { SeededRandom } from '@vpn-backend/fake-providers/testing';
import { type DnsBlocking } from '@vpn-backend/client';
import { locationIds } from './fleet.js';

/** How many users a whole world has of each cohort. A cohort's name is also the name of its problem. */
const sizes = {
  'steady wallet': 120,
  'quick start': 50,
  'app opened daily': 60,
  'app opened every third day': 60,
  'new user': 40,
  'renewed connection': 40,
};

export type Cohort = keyof typeof sizes;
export const cohorts = Object.keys(sizes) as Cohort[];

export interface SimulatedUser {
  /** Such as `user-17`. */
  readonly name: string;
  readonly cohort: Cohort;
  readonly email: string;
  /** No other user has it. */
  readonly address: string;
  /** What the user always connects with. */
  readonly location: string;
  readonly dnsBlocking: DnsBlocking;
  /** Whether the account has that location and level as its preferences. */
  readonly hasPreferences: boolean;
  /** The user's own draws, which do not depend on the order in which users act. */
  readonly random: SeededRandom;
}

/** Most users want the same, so the rare combinations tell most. */
const locationWeights = locationIds.map((_, rank) => 1 / (rank + 1));
const dnsWeights: Readonly<Record<DnsBlocking, number>> = { none: 6, ads: 3, ads_trackers_malware: 1 };
const preferencesShare = 0.7;

/** @param scale the share of a whole world's users; each cohort has at least two */
export function drawPopulation(seed: string, scale: number): SimulatedUser[] {
  const all = cohorts.flatMap((cohort) => Array<Cohort>(Math.max(2, Math.round(sizes[cohort] * scale))).fill(cohort));
  // Shuffled, so that neither names nor addresses tell the cohort.
  return new SeededRandom(`${seed}/population`).shuffle(all).map((cohort, index) => drawUser(seed, cohort, index));
}

function drawUser(seed: string, cohort: Cohort, index: number): SimulatedUser {
  const name = `user-${index}`;
  const random = new SeededRandom(`${seed}/${name}`);
  return {
    name,
    cohort,
    email: `${name}-${random.text(8).toLowerCase()}@example.com`,
    // 198.18.0.0/15 is reserved for tests (RFC 2544).
    address: `198.18.${index >> 8}.${index & 255}`,
    location: draw(locationIds, locationWeights, random),
    dnsBlocking: draw(Object.keys(dnsWeights) as DnsBlocking[], Object.values(dnsWeights), random),
    hasPreferences: random.next() < preferencesShare,
    random,
  };
}

/** One of the values, each as likely as its weight. */
export function draw<T>(values: readonly T[], weights: readonly number[], random: SeededRandom): T {
  let rest = random.next() * weights.reduce((sum, weight) => sum + weight, 0);
  const drawn = values.find((_, index) => (rest -= weights[index] ?? 0) < 0) ?? values.at(-1);
  if (drawn === undefined) throw new RangeError('Nothing to draw from.');
  return drawn;
}
