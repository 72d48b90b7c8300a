import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { startPayments, type TestPayments } from '../support/payments.js';
import { disturbed, expectTruth, livesPerWorld, liveThrough, rounds } from '../support/random-lives.js';
import { ReconciliationService } from '../../src/payment/reconciliation/reconciliation.service.js';

/** Enough rounds to subscribe, have a payment problem and recover. A thousand longer lives would take too long. */
const roundsPerLife = 4;

/** A world has its own service, databases and providers. All lives in it share its clock. */
async function inNewWorld(use: (payments: TestPayments) => Promise<void>): Promise<void> {
  const payments = await startPayments();
  try {
    await use(payments);
  } finally {
    await payments.stop();
  }
}

describe('events that arrive late, twice, shuffled and in parallel', () => {
  it('lead to the same state as at the providers, for a thousand random lives', async () => {
    let compared = 0;
    const world = fc.asyncProperty(rounds(roundsPerLife), (all) =>
      inNewWorld(async (payments) => {
        await expectTruth(payments, await liveThrough(payments, all, disturbed));
        compared += livesPerWorld;
      }),
    );
    await fc.assert(world, { numRuns: 20, endOnFailure: true });
    expect(compared).toBe(1_000);
  }, 1_800_000);

  it('are completed by the reconciliation when a random third of them is lost', async () => {
    const world = fc.asyncProperty(rounds(roundsPerLife), (all) =>
      inNewWorld(async (payments) => {
        const lives = await liveThrough(payments, all, { ...disturbed, drop: 0.33 });
        await payments.service.app.get(ReconciliationService, { strict: false }).run(179);
        const jobs = () => payments.sql('SELECT key FROM identity_jobs.jobs');
        await expect.poll(jobs, { timeout: 60_000 }).toEqual([]);
        await expectTruth(payments, lives);
        // A second run finds nothing to repair.
        const again = await payments.service.app.get(ReconciliationService, { strict: false }).run(179);
        expect(again.stripe).toBe(0);
      }),
    );
    await fc.assert(world, { numRuns: 1, endOnFailure: true });
  }, 600_000);
});
