import { describe, expect, it, vi } from 'vitest';
import * as ofAuth from '../../src/auth/events.js';
import { IdentityJobs } from '../../src/platform/jobs/index.js';
import * as ofSubscription from '../../src/subscription/events.js';
import { startGatekeeper } from '../support/gatekeeper.js';

/** What a gatekeeper without payment providers declares: tasks, and those of them that the clock adds. */
async function declared(): Promise<{ tasks: unknown[]; byTheClock: unknown[][] }> {
  const [handle, every] = (['handle', 'every'] as const).map((name) => vi.spyOn(IdentityJobs.prototype, name));
  const gatekeeper = await startGatekeeper({ IDENTITY_WORKER: 'apart' });
  await gatekeeper.stop();
  return { tasks: handle?.mock.calls.map(([task]) => task) ?? [], byTheClock: every?.mock.calls ?? [] };
}

describe('PaymentModule', () => {
  it('compares payments with the providers every night at 03:17 UTC', async () => {
    expect((await declared()).byTheClock).toContainEqual(['17 3 * * *', 'reconcile-payments']);
  });

  it('handles every event that lower modules raise: one without a subscriber would wait for ever', async () => {
    const events = Object.values({ ...ofAuth, ...ofSubscription });
    expect(events).toHaveLength(2);
    expect((await declared()).tasks).toEqual(expect.arrayContaining(events));
  });

  it('leaves the jobs of a provider that is not set up for a worker where it is', async () => {
    const { tasks } = await declared();
    expect(tasks).toContain('reconcile-payments');
    expect(tasks.filter((task) => /^sync-/.test(String(task)))).toEqual([]);
  });
});
