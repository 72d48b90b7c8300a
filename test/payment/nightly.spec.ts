import { expect, it, vi } from 'vitest';
import { startGatekeeper } from '../support/gatekeeper.js';
import { IdentityJobs } from '../../src/platform/jobs/index.js';

it('the payments are compared with the providers every night at 03:17 UTC', async () => {
  const byTheClock = vi.spyOn(IdentityJobs.prototype, 'every');
  const gatekeeper = await startGatekeeper({ IDENTITY_WORKER: 'apart' });
  const jobs = byTheClock.mock.calls;
  await gatekeeper.stop();
  expect(jobs).toContainEqual(['17 3 * * *', 'reconcile-payments']);
});
