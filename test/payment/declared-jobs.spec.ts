import { describe, expect, it, vi } from 'vitest';
import * as authEvents from '../../src/auth/events.js';
import { IdentityJobs } from '../../src/platform/jobs/index.js';
import * as subscriptionEvents from '../../src/subscription/events.js';
import { startGatekeeper } from '../support/gatekeeper.js';

/** The tasks and cron jobs that a gatekeeper without payment providers declares. */
async function declared(): Promise<{ tasks: unknown[]; cronJobs: unknown[][] }> {
  const [handle, every] = (['handle', 'every'] as const).map((name) => vi.spyOn(IdentityJobs.prototype, name));
  const gatekeeper = await startGatekeeper({ IDENTITY_WORKER: 'apart' });
  await gatekeeper.stop();
  return { tasks: handle?.mock.calls.map(([task]) => task) ?? [], cronJobs: every?.mock.calls ?? [] };
}

describe('PaymentModule', () => {
  it('reconciles payments with the providers every night at 03:17 UTC', async () => {
    expect((await declared()).cronJobs).toContainEqual(['17 3 * * *', 'reconcile-payments']);
  });

  it('handles every event that lower modules raise, because one without a subscriber would wait for ever', async () => {
    const events = Object.values({ ...authEvents, ...subscriptionEvents });
    expect(events).toHaveLength(2);
    expect((await declared()).tasks).toEqual(expect.arrayContaining(events));
  });

  it('does not handle the jobs of a provider that is not set up, so another worker can', async () => {
    const { tasks } = await declared();
    expect(tasks).toContain('reconcile-payments');
    expect(tasks.filter((task) => /^sync-/.test(String(task)))).toEqual([]);
  });
});
