import { afterAll, beforeAll, expect, it } from 'vitest';
import { blindedTexts } from '../support/issuing.js';
import { startPayments, type TestPayments } from '../support/payments.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

it('follows money, from webhook to token: some, none after a dispute, some again when it is won, none after a refund', async () => {
  const person = await payments.subscribe();
  const issue = async () => {
    const [blindedToken] = blindedTexts(1);
    return (await payments.post('/auth/vpn-token', person.headers, { blindedToken })).status;
  };
  const arrived = () => payments.stripe.fake.deliveriesSettled();
  expect(await issue()).toBe(200);

  const { id: charge } = await payments.lastCharge(person.customer);
  const dispute = payments.stripe.fake.openDispute(charge);
  await arrived();
  await expect.poll(issue, { timeout: 10_000, interval: 10 }).toBe(403);

  payments.stripe.fake.closeDispute(dispute.id, 'won');
  await arrived();
  await expect.poll(issue, { timeout: 10_000, interval: 10 }).toBe(200);

  await payments.stripe.stripe.refunds.create({ charge });
  await arrived();
  await expect.poll(issue, { timeout: 10_000, interval: 10 }).toBe(403);
});
