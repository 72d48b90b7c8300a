import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startPayments, type TestPayments } from '../support/payments.js';
import { disturbed, expectTruth, livesPerWorld, liveThrough, rounds } from '../support/random-lives.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

it('fifty random lives, told late, doubled, shuffled and in parallel, end here as at their providers', async () => {
  expect(livesPerWorld).toBe(50);
  await fc.assert(
    fc.asyncProperty(rounds(3), async (all) => expectTruth(payments, await liveThrough(payments, all, disturbed))),
    // A world that fails is not made smaller: it takes as long each time.
    { numRuns: 1, endOnFailure: true },
  );
}, 300_000);
