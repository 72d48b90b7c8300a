import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { type SignedIn } from '../support/gatekeeper.js';
import { dayMs, startPayments, type TestPayments } from '../support/payments.js';

/** Apple shows of a payment the refund that stands now, and none that was reversed: the books must have them all. */

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());
afterEach(() => payments.apple.releaseDeliveries());

async function buyer() {
  const person = await payments.signIn();
  const response = await payments.get('/payment/apple/account', person.headers);
  const account = (await response.json()) as { appAccountToken: string };
  const bought = payments.apple.buy({ product: appleProducts.plus.id, ...account });
  await payments.settled();
  return { ...person, ...bought };
}
const later = async () => {
  payments.advance(dayMs);
  await payments.settled();
};
const movements = async (person: SignedIn) =>
  (await payments.history(person)).map(({ kind, amount }) => [kind, amount]);

it('a refund, its reversal and another refund are three, though the reversal was never looked up', async () => {
  const person = await buyer();
  await later();
  payments.apple.refund(person.transactionId);
  await payments.settled();
  payments.apple.holdDeliveries();
  payments.advance(dayMs);
  payments.apple.reverseRefund(person.transactionId);
  payments.advance(dayMs);
  payments.apple.refund(person.transactionId);
  payments.apple.releaseDeliveries();
  await payments.settled();
  expect(await payments.report(person)).toMatchObject({ active: false, state: 'REVOKED' });
  const expected = [
    ['charge', 999],
    ['refund', 999],
    ['refund', 999],
    ['reversal', 999],
  ];
  expect((await movements(person)).sort()).toEqual(expected);
  await later();
  payments.apple.reverseRefund(person.transactionId);
  await payments.settled();
  expect((await movements(person)).sort()).toEqual([...expected, ['reversal', 999]]);
  expect(await payments.report(person)).toMatchObject({ active: true });
});

it('a part is a refund of that part, and ends the subscription that it is a part of', async () => {
  const person = await buyer();
  payments.advance(dayMs * 10);
  payments.apple.refundPart(person.transactionId, 62.5);
  await payments.settled();
  expect(await movements(person)).toEqual([
    ['charge', 999],
    ['refund', 624],
  ]);
  expect(await payments.report(person)).toMatchObject({ active: false, state: 'REVOKED' });
});

it('a part of an older payment takes no access', async () => {
  const person = await buyer();
  payments.advance(dayMs * 31);
  await payments.settled();
  payments.apple.refundPart(person.transactionId, 10);
  await payments.settled();
  expect((await movements(person)).sort()).toEqual([
    ['charge', 999],
    ['charge', 999],
    ['refund', 100],
  ]);
  expect(await payments.report(person)).toMatchObject({ active: true, state: 'ACTIVE' });
});
