import fc from 'fast-check';
import type Stripe from 'stripe';
import { describe, expect, it } from 'vitest';
import { startStripe, type StripeBench } from '../testing/stripe.js';

/** A random step in the life of a subscription. A step that the fake refuses in the current state changes nothing. */
const step = fc.oneof(
  fc.record({ do: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 24 * 40 }) }),
  fc.record({
    do: fc.constant('change' as const),
    price: fc.constantFrom('basic' as const, 'plus' as const, 'yearly' as const),
    prorations: fc.constantFrom('always_invoice' as const, 'create_prorations' as const, 'none' as const),
  }),
  fc.record({ do: fc.constantFrom('decline' as const, 'accept' as const, 'pay' as const, 'leave' as const) }),
  fc.record({ do: fc.constant('refund' as const), amount: fc.integer({ min: 1, max: 1500 }) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function perform(bench: StripeBench, subscription: Stripe.Subscription, next: Step): Promise<void> {
  const { stripe, fake, prices } = bench;
  const customer = subscription.customer as string;
  const ignore = () => undefined;
  switch (next.do) {
    case 'wait':
      return fake.advanceTo(new Date(fake.now().getTime() + next.hours * 3600_000));
    case 'change': {
      const items = [{ id: subscription.items.data[0]?.id ?? '', price: prices[next.price] }];
      const change = { items, proration_behavior: next.prorations };
      await stripe.subscriptions.update(subscription.id, change).catch(ignore);
      return;
    }
    case 'decline':
      return fake.declineCharges(customer);
    case 'accept':
      return fake.acceptCharges(customer);
    case 'pay': {
      const [open] = (await stripe.invoices.list({ customer, status: 'open' })).data;
      if (open) await stripe.invoices.pay(open.id).catch(ignore);
      return;
    }
    case 'leave':
      await stripe.subscriptions.cancel(subscription.id, { prorate: true, invoice_now: true }).catch(ignore);
      return;
    case 'refund': {
      const [charge] = (await stripe.charges.list({ customer })).data;
      if (charge) await stripe.refunds.create({ charge: charge.id, amount: next.amount }).catch(ignore);
    }
  }
}

const sum = (amounts: readonly number[]) => amounts.reduce((total, amount) => total + amount, 0);
const all = { limit: 1000 };

/** Checks all sums, which must be right after any steps. */
async function audit({ stripe }: StripeBench, customer: string): Promise<void> {
  const invoices = await stripe.invoices.list({ customer }).autoPagingToArray(all);
  const charges = await stripe.charges.list({ customer }).autoPagingToArray(all);
  const payments = await stripe.invoicePayments.list({}).autoPagingToArray(all);
  let balance = 0;
  for (const invoice of invoices.toReversed()) {
    const { amount_due, amount_paid, amount_remaining, starting_balance, ending_balance, total, status } = invoice;
    expect(sum(invoice.lines.data.map(({ amount }) => amount))).toBe(total);
    expect(amount_paid + amount_remaining).toBe(amount_due);
    expect(amount_paid).toBe(status === 'paid' ? amount_due : 0);
    if (status === 'draft') continue;
    // The starting balance and the total are either due or carried over as the ending balance.
    expect(starting_balance + total).toBe(amount_due + (ending_balance ?? NaN));
    balance += (ending_balance ?? NaN) - starting_balance;
  }
  const { balance: stored } = (await stripe.customers.retrieve(customer)) as Stripe.Customer;
  expect(stored).toBe(balance);
  const succeeded = charges.filter(({ status }) => status === 'succeeded');
  expect(sum(succeeded.map(({ amount }) => amount))).toBe(sum(invoices.map(({ amount_paid }) => amount_paid)));
  expect(payments.filter(({ status }) => status === 'paid')).toHaveLength(succeeded.length);
  for (const charge of succeeded) {
    const refunds = await stripe.refunds.list({ charge: charge.id }).autoPagingToArray(all);
    expect(charge.amount_refunded).toBe(sum(refunds.map(({ amount }) => amount)));
    expect(charge.amount_refunded).toBeLessThanOrEqual(charge.amount);
    expect(charge.refunded).toBe(charge.amount_refunded === charge.amount);
  }
}

describe('the amounts of FakeStripe', () => {
  it('add up after any sequence of steps', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.boolean(), async (steps, isTrial) => {
        const bench = await startStripe();
        try {
          const subscription = await bench.subscribe(isTrial ? { trialDays: 7 } : {});
          for (const one of steps) await perform(bench, subscription, one);
          await audit(bench, subscription.customer as string);
        } finally {
          await bench.fake.close();
        }
      }),
      { numRuns: 40 },
    );
  });
});
