import fc from 'fast-check';
import { expect, it } from 'vitest';
import { startPayments, type TestPayments } from '../support/payments.js';
import { disturbed, expectTruth, livesPerWorld, liveThrough, rounds } from '../support/random-lives.js';
import { ReconciliationService } from '../../src/payment/reconciliation/reconciliation.service.js';

/** Enough for each to subscribe, to come into trouble and out of it; a thousand longer lives would take too long. */
const roundsPerLife = 4;

/** Lives of one world share its clock; each world has a service, databases and providers of its own. */
async function inNewWorld(use: (payments: TestPayments) => Promise<void>): Promise<void> {
  const payments = await startPayments();
  try {
    await use(payments);
  } finally {
    await payments.stop();
  }
}

it('a thousand random lives, told late, doubled, shuffled and in parallel, end here as at their providers', async () => {
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

it('with a random third of all events lost, the nightly comparison repairs every life', async () => {
  const world = fc.asyncProperty(rounds(roundsPerLife), (all) =>
    inNewWorld(async (payments) => {
      const lives = await liveThrough(payments, all, { ...disturbed, drop: 0.33 });
      await payments.service.app.get(ReconciliationService, { strict: false }).run(179);
      const jobs = () => payments.sql('SELECT key FROM identity_jobs.jobs');
      await expect.poll(jobs, { timeout: 60_000 }).toEqual([]);
      await expectTruth(payments, lives);
      // And then finds nothing more.
      const again = await payments.service.app.get(ReconciliationService, { strict: false }).run(179);
      expect(again.stripe).toBe(0);
    }),
  );
  await fc.assert(world, { numRuns: 1, endOnFailure: true });
}, 600_000);
