import type Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startStripe, type StripeBench } from '../testing/stripe.js';

let bench: StripeBench;
beforeEach(async () => {
  bench = await startStripe();
});
afterEach(() => bench.fake.close());

const seconds = (date: string) => Date.parse(date) / 1000;
const retrieve = (id: string) => bench.stripe.subscriptions.retrieve(id, { expand: ['latest_invoice'] });
const invoiceOf = ({ latest_invoice }: Stripe.Subscription) => latest_invoice as Stripe.Invoice;
const periodOf = ({ items }: Stripe.Subscription) => [
  items.data[0]?.current_period_start,
  items.data[0]?.current_period_end,
];

/** The types of all later events, oldest first. */
async function since(time: number): Promise<string[]> {
  const types: string[] = [];
  for await (const event of bench.stripe.events.list({ created: { gt: time }, limit: 100 })) types.unshift(event.type);
  return types;
}

const change = (subscription: Stripe.Subscription, price: string, more: Stripe.SubscriptionUpdateParams = {}) =>
  bench.stripe.subscriptions.update(subscription.id, {
    items: [{ id: subscription.items.data[0]?.id ?? '', price }],
    ...more,
  });

describe('a renewal in FakeStripe', () => {
  it('starts a new period at once, and charges the invoice after an hour as a draft', async () => {
    const { id } = await bench.subscribe();
    bench.fake.advanceTo(new Date('2030-02-01T12:00:00Z'));
    const renewed = await retrieve(id);
    expect(periodOf(renewed)).toEqual([seconds('2030-02-01T12:00:00Z'), seconds('2030-03-01T12:00:00Z')]);
    const draft = invoiceOf(renewed);
    expect(draft).toMatchObject({ status: 'draft', billing_reason: 'subscription_cycle', amount_paid: 0 });
    expect([draft.period_start, draft.period_end]).toEqual([
      seconds('2030-01-01T12:00:00Z'),
      seconds('2030-02-01T12:00:00Z'),
    ]);
    expect(draft.lines.data[0]?.period.start).toBe(seconds('2030-02-01T12:00:00Z'));

    bench.fake.advanceTo(new Date('2030-02-01T13:00:00Z'));
    expect(invoiceOf(await retrieve(id))).toMatchObject({ id: draft.id, status: 'paid', amount_paid: 499 });
    expect(await since(seconds('2030-01-31T00:00:00Z'))).toEqual([
      'invoice.created',
      'customer.subscription.updated',
      'customer.updated',
      'invoice.finalized',
      'payment_intent.created',
      'charge.succeeded',
      'payment_intent.succeeded',
      'invoice_payment.paid',
      'invoice.updated',
      'invoice.paid',
      'invoice.payment_succeeded',
    ]);
  });

  it('happens each month by itself, on the last day of shorter months', async () => {
    bench.clock.set('2030-01-31T08:00:00Z');
    const { id } = await bench.subscribe();
    const ends = [];
    for (const day of ['2030-02-28', '2030-03-31', '2030-04-30']) {
      bench.clock.set(`${day}T10:00:00Z`);
      ends.push(new Date((periodOf(await retrieve(id))[0] ?? 0) * 1000).toISOString().slice(0, 10));
    }
    expect(ends).toEqual(['2030-02-28', '2030-03-31', '2030-04-30']);
    expect((await bench.stripe.invoices.list({ subscription: id, status: 'paid' })).data).toHaveLength(4);
  });

  it('makes the subscription past due when it fails, is retried, and recovers', async () => {
    const { id, customer } = await bench.subscribe();
    bench.fake.declineCharges(customer as string, 'insufficient_funds', 2);
    bench.fake.advanceTo(new Date('2030-02-01T13:00:00Z'));
    const failed = await retrieve(id);
    expect(failed.status).toBe('past_due');
    expect(invoiceOf(failed)).toMatchObject({
      status: 'open',
      attempt_count: 1,
      next_payment_attempt: seconds('2030-02-04T13:00:00Z'),
    });
    bench.fake.advanceTo(new Date('2030-02-04T13:00:00Z'));
    expect((await retrieve(id)).status).toBe('past_due');
    bench.fake.advanceTo(new Date('2030-02-09T13:00:00Z'));
    const recovered = await retrieve(id);
    expect(recovered.status).toBe('active');
    expect(invoiceOf(recovered)).toMatchObject({ status: 'paid', attempt_count: 3 });
    expect((await since(seconds('2030-02-01T12:30:00Z'))).filter((type) => /failed|paid/.test(type))).toEqual([
      ...['charge.failed', 'payment_intent.payment_failed', 'invoice.payment_failed'],
      ...['charge.failed', 'payment_intent.payment_failed', 'invoice.payment_failed'],
      ...['invoice_payment.paid', 'invoice.paid'],
    ]);
  });

  it.each([
    ['cancel', 'canceled'],
    ['unpaid', 'unpaid'],
    ['past_due', 'past_due'],
  ] as const)('follows the account setting after the last failed retry: %s', async (afterRetries, status) => {
    bench.fake.changeSettings({ afterRetries });
    const { id, customer } = await bench.subscribe();
    bench.fake.declineCharges(customer as string);
    bench.fake.advanceTo(new Date('2030-02-16T13:00:00Z'));
    const found = await retrieve(id);
    expect(found.status).toBe(status);
    expect(found.cancellation_details?.reason).toBe(status === 'canceled' ? 'payment_failed' : null);
    expect(invoiceOf(found)).toMatchObject({ status: 'open', attempt_count: 4, auto_advance: false });
  });

  it('creates uncollected drafts while unpaid, and becomes active when the latest invoice is paid', async () => {
    bench.fake.changeSettings({ afterRetries: 'unpaid' });
    const { id, customer } = await bench.subscribe();
    bench.fake.declineCharges(customer as string);
    bench.fake.advanceTo(new Date('2030-02-20T00:00:00Z'));
    bench.fake.acceptCharges(customer as string);
    expect(bench.fake.payOpenInvoice(id)).toBe('paid');
    expect((await retrieve(id)).status).toBe('active');

    bench.fake.declineCharges(customer as string);
    bench.fake.advanceTo(new Date('2030-04-02T00:00:00Z'));
    const unpaid = await retrieve(id);
    expect([unpaid.status, invoiceOf(unpaid).status]).toEqual(['unpaid', 'draft']);
  });

  it('waits for the customer when the card requires authentication', async () => {
    const { id } = await bench.subscribe({ card: '4000002760003184' });
    bench.fake.advanceTo(new Date('2030-02-01T13:00:00Z'));
    expect((await retrieve(id)).status).toBe('past_due');
    expect(await since(seconds('2030-02-01T12:30:00Z'))).toContain('invoice.payment_action_required');
    expect(bench.fake.payOpenInvoice(id)).toBe('paid');
    expect((await retrieve(id)).status).toBe('active');
  });
});

describe('a trial in FakeStripe', () => {
  it('announces its end three days before, becomes active at its end, and is charged an hour later', async () => {
    const { id } = await bench.subscribe({ trialDays: 7 });
    bench.fake.advanceTo(new Date('2030-01-05T12:00:00Z'));
    expect(await since(seconds('2030-01-02T00:00:00Z'))).toEqual(['customer.subscription.trial_will_end']);
    bench.fake.advanceTo(new Date('2030-01-08T12:00:00Z'));
    expect(await retrieve(id)).toMatchObject({ status: 'active', latest_invoice: { status: 'draft', total: 499 } });
    bench.fake.advanceTo(new Date('2030-01-08T13:00:00Z'));
    expect(await retrieve(id)).toMatchObject({ status: 'active', latest_invoice: { status: 'paid' } });
  });

  it('becomes past due when its card is declined at the end', async () => {
    const { id } = await bench.subscribe({ trialDays: 7, card: '4000000000000341' });
    bench.fake.advanceTo(new Date('2030-01-08T13:00:00Z'));
    expect((await retrieve(id)).status).toBe('past_due');
    bench.fake.replaceCard((await retrieve(id)).customer as string, '5555555555554444');
    bench.fake.advanceTo(new Date('2030-01-11T13:00:00Z'));
    expect((await retrieve(id)).status).toBe('active');
  });

  it.each([
    ['pause', 'paused', 'customer.subscription.paused'],
    ['cancel', 'canceled', 'customer.subscription.deleted'],
    ['create_invoice', 'past_due', 'invoice.payment_failed'],
  ] as const)(
    'follows the requested end behavior without a card: %s',
    async (missing_payment_method, status, event) => {
      const customer = await bench.customer();
      const session = await bench.stripe.checkout.sessions.create({
        mode: 'subscription',
        customer,
        line_items: [{ price: bench.prices.basic, quantity: 1 }],
        success_url: 'https://vpn.example/',
        payment_method_collection: 'if_required',
        subscription_data: { trial_period_days: 7, trial_settings: { end_behavior: { missing_payment_method } } },
      });
      bench.fake.pay(session.id, { card: null });
      bench.fake.advanceTo(new Date('2030-01-08T13:00:00Z'));
      const [found] = (await bench.stripe.subscriptions.list({ customer, status: 'all' })).data;
      expect(found?.status).toBe(status);
      expect(await since(seconds('2030-01-07T00:00:00Z'))).toContain(event);
    },
  );

  it('can be ended early', async () => {
    const { id } = await bench.subscribe({ trialDays: 7 });
    await bench.stripe.subscriptions.update(id, { trial_end: 'now' });
    expect(await retrieve(id)).toMatchObject({ status: 'active', latest_invoice: { total: 499 } });
  });
});

describe('a cancellation in FakeStripe', () => {
  it('can be requested for the end of the period, and undone', async () => {
    const { id } = await bench.subscribe();
    const leaving = await bench.stripe.subscriptions.update(id, {
      cancel_at_period_end: true,
      cancellation_details: { feedback: 'too_expensive' },
    });
    expect(leaving).toMatchObject({
      status: 'active',
      cancel_at_period_end: true,
      cancel_at: seconds('2030-02-01T12:00:00Z'),
      cancellation_details: { feedback: 'too_expensive', reason: 'cancellation_requested' },
    });
    const staying = await bench.stripe.subscriptions.update(id, { cancel_at_period_end: false });
    expect(staying).toMatchObject({ cancel_at_period_end: false, cancel_at: null, canceled_at: null });
    await bench.stripe.subscriptions.update(id, { cancel_at_period_end: true });
    bench.fake.advanceTo(new Date('2030-02-01T12:00:00Z'));
    expect(await retrieve(id)).toMatchObject({ status: 'canceled', ended_at: seconds('2030-02-01T12:00:00Z') });
    expect((await bench.stripe.invoices.list({ subscription: id })).data).toHaveLength(1);
  });

  it('is final when it takes effect at once', async () => {
    const { id, customer } = await bench.subscribe();
    expect((await bench.stripe.subscriptions.cancel(id)).status).toBe('canceled');
    await expect(bench.stripe.subscriptions.cancel(id)).rejects.toMatchObject({
      statusCode: 404,
      code: 'resource_missing',
    });
    await expect(bench.stripe.subscriptions.update(id, { cancel_at_period_end: true })).rejects.toThrow('A canceled');
    const listed = async (status?: 'all' | 'ended') =>
      (await bench.stripe.subscriptions.list({ customer: customer as string, status })).data.length;
    expect([await listed(), await listed('all'), await listed('ended')]).toEqual([0, 1, 1]);
    bench.fake.advanceDays(60);
    expect((await bench.stripe.invoices.list({ subscription: id })).data).toHaveLength(1);
  });

  it('follows the deletion of the customer, which stays visible as deleted', async () => {
    const { id, customer } = await bench.subscribe();
    expect(await bench.stripe.customers.del(customer as string)).toMatchObject({ id: customer, deleted: true });
    expect((await retrieve(id)).status).toBe('canceled');
    expect(await bench.stripe.customers.retrieve(customer as string)).toMatchObject({ deleted: true });
    await expect(bench.stripe.customers.update(customer as string, { name: 'x' })).rejects.toThrow('No such customer');
    const types = await since(seconds('2030-01-01T00:00:00Z'));
    expect(types.slice(-2)).toEqual(['customer.subscription.deleted', 'customer.deleted']);
    bench.fake.advanceDays(90);
    expect(await since(seconds('2030-01-02T00:00:00Z'))).toEqual([]);
  });
});

describe('a pause in FakeStripe', () => {
  it('stops billing, and resumes with a new period', async () => {
    const { id } = await bench.subscribe();
    bench.fake.advanceTo(new Date('2030-01-16T12:00:00Z'));
    expect(await bench.stripe.subscriptions.pause(id)).toMatchObject({
      status: 'paused',
      status_details: { paused: { subscription: { type: 'pause_requested' } } },
    });
    bench.fake.advanceTo(new Date('2030-04-01T00:00:00Z'));
    expect((await bench.stripe.invoices.list({ subscription: id })).data).toHaveLength(1);
    await bench.stripe.subscriptions.resume(id);
    const resumed = await retrieve(id);
    expect(resumed.status).toBe('active');
    expect(periodOf(resumed)).toEqual([seconds('2030-04-01T00:00:00Z'), seconds('2030-05-01T00:00:00Z')]);
    // Credits 16 unused days of 31 at 4.99.
    expect(invoiceOf(resumed)).toMatchObject({ total: 499 - 258, amount_paid: 241, status: 'paid' });
  });
});

describe('a price change in FakeStripe', () => {
  it('is prorated to the second and billed with the next invoice', async () => {
    const subscription = await bench.subscribe();
    bench.fake.advanceTo(new Date('2030-01-16T12:00:00Z'));
    const changed = await change(subscription, bench.prices.plus);
    expect(changed.items.data[0]?.price.id).toBe(bench.prices.plus);
    expect(changed.latest_invoice).toBe(subscription.latest_invoice);
    bench.fake.advanceTo(new Date('2030-02-01T13:00:00Z'));
    const { lines, total } = invoiceOf(await retrieve(subscription.id));
    // 16 of 31 days remained.
    expect(lines.data.map(({ amount }) => amount)).toEqual([-258, 516, 999]);
    expect(total).toBe(1257);
    expect(lines.data[0]?.parent?.subscription_item_details).toMatchObject({
      proration: true,
      proration_details: { credited_items: { invoice: subscription.latest_invoice } },
    });
  });

  it('can be billed at once, or not at all', async () => {
    const subscription = await bench.subscribe();
    bench.fake.advanceTo(new Date('2030-01-16T12:00:00Z'));
    await change(subscription, bench.prices.plus, { proration_behavior: 'always_invoice' });
    expect(invoiceOf(await retrieve(subscription.id))).toMatchObject({
      billing_reason: 'subscription_update',
      total: 258,
      status: 'paid',
    });
    await change(subscription, bench.prices.basic, { proration_behavior: 'none' });
    bench.fake.advanceTo(new Date('2030-02-01T13:00:00Z'));
    expect(invoiceOf(await retrieve(subscription.id))).toMatchObject({ total: 499 });
  });

  it('creates a credit for the next invoices when a downgrade is billed at once', async () => {
    const subscription = await bench.subscribe({ price: bench.prices.plus });
    bench.fake.advanceTo(new Date('2030-01-02T12:00:00Z'));
    await change(subscription, bench.prices.basic, { proration_behavior: 'always_invoice' });
    const credit = invoiceOf(await retrieve(subscription.id));
    expect(credit).toMatchObject({ total: -484, amount_due: 0, status: 'paid', ending_balance: -484 });
    expect(await bench.stripe.customers.retrieve(subscription.customer as string)).toMatchObject({ balance: -484 });
    bench.fake.advanceTo(new Date('2030-03-01T13:00:00Z'));
    const { data } = await bench.stripe.invoices.list({ subscription: subscription.id });
    // 15 cents are below the minimum charge, so they are due with the next invoice.
    expect(
      data.slice(0, 2).map(({ total, starting_balance, amount_paid }) => [total, starting_balance, amount_paid]),
    ).toEqual([
      [499, 15, 514],
      [499, -484, 0],
    ]);
  });

  it('starts a new period at once for another interval', async () => {
    const subscription = await bench.subscribe();
    bench.fake.advanceTo(new Date('2030-01-16T12:00:00Z'));
    await change(subscription, bench.prices.yearly);
    const yearly = await retrieve(subscription.id);
    expect(periodOf(yearly)).toEqual([seconds('2030-01-16T12:00:00Z'), seconds('2031-01-16T12:00:00Z')]);
    expect(invoiceOf(yearly)).toMatchObject({ total: 4999 - 258, status: 'paid' });
  });

  it('costs nothing during a trial and keeps the end of the trial', async () => {
    const subscription = await bench.subscribe({ trialDays: 7 });
    const changed = await change(subscription, bench.prices.plus);
    expect(changed).toMatchObject({ status: 'trialing', trial_end: subscription.trial_end });
    bench.fake.advanceTo(new Date('2030-01-08T13:00:00Z'));
    expect(invoiceOf(await retrieve(subscription.id)).total).toBe(999);
  });

  it('is refused or makes the subscription past due when the card is declined, depending on payment_behavior', async () => {
    const subscription = await bench.subscribe();
    bench.fake.declineCharges(subscription.customer as string);
    const billNow = { proration_behavior: 'always_invoice' } as const;
    await expect(
      change(subscription, bench.prices.plus, { ...billNow, payment_behavior: 'error_if_incomplete' }),
    ).rejects.toMatchObject({ type: 'StripeCardError', code: 'card_declined', decline_code: 'generic_decline' });
    expect((await retrieve(subscription.id)).items.data[0]?.price.id).toBe(bench.prices.basic);
    await change(subscription, bench.prices.plus, billNow);
    expect((await retrieve(subscription.id)).status).toBe('past_due');
  });
});
