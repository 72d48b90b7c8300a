import fc from 'fast-check';
import { expect } from 'vitest';
import {
  actAtApple,
  type AppleAction,
  appleActions,
  type AppleLife,
  newAppleLives,
  truthAtApple,
  writtenAtApple,
} from './apple-lives.js';
import { type TestPayments } from './payments.js';
import {
  actAllAtStripe,
  givesAccess,
  type Life,
  newLives,
  type StripeAction,
  stripeActions,
  truthOf,
  writtenOf,
} from './stripe-lives.js';

/** Random lives at both providers, all in one world with one clock. */
export interface Lives {
  readonly atStripe: readonly Life[];
  readonly atApple: readonly AppleLife[];
}

/** What each of them does, and how much time then passes. */
export interface Round {
  readonly atStripe: readonly StripeAction[];
  readonly atApple: readonly AppleAction[];
  readonly hours: number;
}

/** Of the fifty in a world. */
const people = { stripe: 40, apple: 10 };
export const livesPerWorld = people.stripe + people.apple;

const times = (count: number) => ({ minLength: count, maxLength: count });

/** @param count how many rounds a life has */
export const rounds = (count: number): fc.Arbitrary<Round[]> =>
  fc.array(
    fc.record({
      atStripe: fc.array(fc.constantFrom(...stripeActions), times(people.stripe)),
      atApple: fc.array(fc.constantFrom(...appleActions), times(people.apple)),
      // At least one: Apple's refunds are known by their moment.
      // At most 150 days in all: Apple shows 180 days of its notifications.
      hours: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 24, max: 24 * 15 })),
    }),
    times(count),
  );

/** How the providers' events come: late, doubled, in another order, several at once. */
export const disturbed = { duplicate: 0.3, delayMs: 60, shuffle: 15 };

export async function liveThrough(
  payments: TestPayments,
  all: readonly Round[],
  disturbance: Parameters<TestPayments['apple']['setDeliveryFaults']>[0],
): Promise<Lives> {
  const [atStripe, atApple] = await Promise.all([
    newLives(payments, people.stripe),
    newAppleLives(payments, people.apple),
  ]);
  payments.stripe.fake.setDeliveryFaults(disturbance);
  payments.apple.setDeliveryFaults(disturbance);
  for (const round of all) {
    await actAllAtStripe(payments, atStripe, round.atStripe);
    atApple.forEach((life, index) => actAtApple(payments, life, round.atApple[index] ?? 'nothing'));
    payments.advance(round.hours * 3_600_000);
  }
  await payments.settled();
  return { atStripe, atApple };
}

/** What is written of each life, and whether it gives access, is what its provider says. */
export async function expectTruth(payments: TestPayments, { atStripe, atApple }: Lives): Promise<void> {
  await Promise.all([
    ...atStripe.map(async (person) => {
      const truth = await truthOf(payments, person);
      expect(await writtenOf(payments, person)).toEqual(truth);
      const expected = givesAccess(truth);
      if (expected !== undefined) expect((await payments.report(person)).active).toBe(expected);
    }),
    ...atApple.map(async (person) => {
      expect(await writtenAtApple(payments, person)).toEqual(await truthAtApple(payments, person));
    }),
  ]);
}
