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

/** Simulated users of both providers, in one world with one clock. */
export interface Lives {
  readonly atStripe: readonly Life[];
  readonly atApple: readonly AppleLife[];
}

/** What each user does in a round, and how many hours pass after it. */
export interface Round {
  readonly atStripe: readonly StripeAction[];
  readonly atApple: readonly AppleAction[];
  readonly hours: number;
}

/** Number of users in a world, by provider. */
const users = { stripe: 40, apple: 10 };
export const livesPerWorld = users.stripe + users.apple;

const times = (count: number) => ({ minLength: count, maxLength: count });

/** @param count how many rounds a life has */
export const rounds = (count: number): fc.Arbitrary<Round[]> =>
  fc.array(
    fc.record({
      atStripe: fc.array(fc.constantFrom(...stripeActions), times(users.stripe)),
      atApple: fc.array(fc.constantFrom(...appleActions), times(users.apple)),
      // At least one hour: Apple's refunds are identified by their time.
      // At most 150 days in all: Apple keeps notifications for 180 days.
      hours: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 24, max: 24 * 15 })),
    }),
    times(count),
  );

/** How the providers' events are delivered: late, twice, out of order, several at once. */
export const disturbed = { duplicate: 0.3, delayMs: 60, shuffle: 15 };

export async function liveThrough(
  payments: TestPayments,
  all: readonly Round[],
  disturbance: Parameters<TestPayments['apple']['setDeliveryFaults']>[0],
): Promise<Lives> {
  const [atStripe, atApple] = await Promise.all([
    newLives(payments, users.stripe),
    newAppleLives(payments, users.apple),
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

/** Expects that each user's stored state and access match the provider. */
export async function expectTruth(payments: TestPayments, { atStripe, atApple }: Lives): Promise<void> {
  await Promise.all([
    ...atStripe.map(async (user) => {
      const truth = await truthOf(payments, user);
      expect(await writtenOf(payments, user)).toEqual(truth);
      const expected = givesAccess(truth);
      if (expected !== undefined) expect((await payments.report(user)).active).toBe(expected);
    }),
    ...atApple.map(async (user) => {
      expect(await writtenAtApple(payments, user)).toEqual(await truthAtApple(payments, user));
    }),
  ]);
}
