import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blindedTexts } from '../support/issuing.js';
import { startPayments, type TestPayments } from '../support/payments.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

describe('POST /auth/vpn-token', () => {
  it('signs tokens while the user has access: not during a dispute, again after it is won, not after a refund', async () => {
    const user = await payments.subscribe();
    const issue = async () => {
      const [blindedToken] = blindedTexts(1);
      return (await payments.post('/auth/vpn-token', user.headers, { blindedToken })).status;
    };
    const deliveriesSettled = () => payments.stripe.fake.deliveriesSettled();
    expect(await issue()).toBe(200);

    const { id: charge } = await payments.lastCharge(user.customer);
    const dispute = payments.stripe.fake.openDispute(charge);
    await deliveriesSettled();
    await expect.poll(issue, { timeout: 10_000, interval: 10 }).toBe(403);

    payments.stripe.fake.closeDispute(dispute.id, 'won');
    await deliveriesSettled();
    await expect.poll(issue, { timeout: 10_000, interval: 10 }).toBe(200);

    await payments.stripe.stripe.refunds.create({ charge });
    await deliveriesSettled();
    await expect.poll(issue, { timeout: 10_000, interval: 10 }).toBe(403);
  });
});
