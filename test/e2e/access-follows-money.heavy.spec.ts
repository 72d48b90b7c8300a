import { afterAll, beforeAll, expect, it } from 'vitest';
import { blindedTexts } from '../support/issuing.js';
import { startPayments, type Subscriber, type TestPayments } from '../support/payments.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

const [blindedToken] = blindedTexts(1);

/** Milliseconds from now, when Stripe sends its event, until the person's next token is answered so. */
async function until({ headers }: Subscriber, status: number): Promise<number> {
  const begin = performance.now();
  // A repeated message costs no quota.
  while ((await payments.post('/auth/vpn-token', headers, { blindedToken })).status !== status) {
    if (performance.now() - begin > 30_000) throw new Error(`no ${status} in half a minute`);
  }
  return performance.now() - begin;
}

it('follows money within a second of the event, from webhook to 403 and back', async () => {
  const took: number[] = [];
  for (let round = 0; round < 8; round += 1) {
    const person = await payments.subscribe();
    await until(person, 200);
    const dispute = payments.stripe.fake.openDispute((await payments.lastCharge(person.customer)).id);
    took.push(await until(person, 403));
    await payments.settled();
    payments.stripe.fake.closeDispute(dispute.id, 'won');
    took.push(await until(person, 200));
    await payments.settled();
  }
  const [fastest = NaN, ...rest] = took.toSorted((a, b) => a - b);
  const median = rest[took.length / 2 - 1] ?? NaN;
  console.log(`access followed money in ${fastest.toFixed(0)} ms at best, ${median.toFixed(0)} ms in the median`);
  // A machine that does other work may delay any single one.
  expect(median).toBeLessThan(1000);
});
