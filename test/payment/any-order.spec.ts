import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPayments, type TestPayments } from '../support/payments.js';
import { disturbed, expectTruth, livesPerWorld, liveThrough, rounds } from '../support/random-lives.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

describe('events that arrive late, twice, shuffled and in parallel', () => {
  it('lead to the same state as at the providers, for fifty random lives', async () => {
    expect(livesPerWorld).toBe(50);
    await fc.assert(
      fc.asyncProperty(rounds(3), async (all) => expectTruth(payments, await liveThrough(payments, all, disturbed))),
      // Do not shrink a failing world: each try would take as long again.
      { numRuns: 1, endOnFailure: true },
    );
  }, 300_000);
});
