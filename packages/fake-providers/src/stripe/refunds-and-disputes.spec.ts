import type Stripe from 'stripe';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startStripe, type StripeBench } from '../testing/stripe.js';

let bench: StripeBench;
let charge: string;
let subscription: Stripe.Subscription;
beforeEach(async () => {
  bench = await startStripe();
  subscription = await bench.subscribe();
  const [paid] = (await bench.stripe.charges.list({ customer: subscription.customer as string })).data;
  charge = paid?.id ?? '';
});
afterEach(() => bench.fake.close());

const retrieve = () => bench.stripe.charges.retrieve(charge, { expand: ['refunds'] });
const eventsOf = async (type: RegExp) => {
  const { data } = await bench.stripe.events.list({ limit: 100 });
  return data.filter((event) => type.test(event.type)).reverse();
};
const statusOf = async () => (await bench.stripe.subscriptions.retrieve(subscription.id)).status;

describe('a charge of FakeStripe', () => {
  it('is linked to its invoice and subscription through the invoice payment', async () => {
    const { payment_intent } = await retrieve();
    const payment = { type: 'payment_intent', payment_intent: payment_intent as string } as const;
    const expand = ['data.invoice'];
    const [found] = (await bench.stripe.invoicePayments.list({ payment, expand })).data;
    const { parent } = found?.invoice as Stripe.Invoice;
    expect(parent?.subscription_details?.subscription).toBe(subscription.id);
    expect(await retrieve()).not.toHaveProperty('invoice');
  });
});

describe('a refund in FakeStripe', () => {
  it('can be partial, followed by a refund of the rest', async () => {
    const part = await bench.stripe.refunds.create({ charge, amount: 200, reason: 'requested_by_customer' });
    expect(part).toMatchObject({ status: 'succeeded', amount: 200, charge });
    expect(await retrieve()).toMatchObject({ amount_refunded: 200, refunded: false });
    const rest = await bench.stripe.refunds.create({ payment_intent: part.payment_intent as string });
    expect(rest.amount).toBe(299);
    const refunded = await retrieve();
    expect(refunded).toMatchObject({ amount_refunded: 499, refunded: true });
    expect(refunded.refunds?.data.map(({ amount }) => amount)).toEqual([299, 200]);
    expect((await eventsOf(/refund/)).map(({ type }) => type)).toEqual([
      ...['refund.created', 'charge.refunded'],
      ...['refund.created', 'charge.refunded'],
    ]);
    expect(await statusOf()).toBe('active');
  });

  it('is never more than the charge', async () => {
    await expect(bench.stripe.refunds.create({ charge, amount: 500 })).rejects.toMatchObject({ param: 'amount' });
    await expect(bench.stripe.refunds.create({ charge, amount: 0 })).rejects.toMatchObject({ param: 'amount' });
    await bench.stripe.refunds.create({ charge });
    await expect(bench.stripe.refunds.create({ charge })).rejects.toMatchObject({ code: 'charge_already_refunded' });
    await expect(bench.stripe.refunds.create({})).rejects.toThrow('payment_intent or charge');
    expect((await bench.stripe.refunds.list({ charge })).data).toHaveLength(1);
  });

  it('is refused for a declined charge', async () => {
    bench.fake.declineCharges(subscription.customer as string);
    bench.fake.advanceTo(new Date('2030-02-01T13:00:00Z'));
    const [declined] = (await bench.stripe.charges.list({ customer: subscription.customer as string })).data;
    expect(declined).toMatchObject({ status: 'failed', paid: false, failure_code: 'card_declined' });
    await expect(bench.stripe.refunds.create({ charge: declined?.id })).rejects.toMatchObject({
      code: 'charge_not_refundable',
    });
  });
});

describe('a dispute in FakeStripe', () => {
  it('withdraws the funds, and reinstates them when it is won', async () => {
    const { id } = bench.fake.openDispute(charge);
    expect(await bench.stripe.disputes.retrieve(id)).toMatchObject({ status: 'needs_response', amount: 499, charge });
    expect((await retrieve()).disputed).toBe(true);
    await expect(bench.stripe.refunds.create({ charge })).rejects.toMatchObject({ code: 'charge_disputed' });
    bench.fake.contestDispute(id);
    bench.fake.closeDispute(id, 'won');
    const won = await bench.stripe.disputes.retrieve(id, { expand: ['charge'] });
    expect(won).toMatchObject({ status: 'won', charge: { id: charge } });
    expect(won.balance_transactions.map(({ amount, fee, net }) => [amount, fee, net])).toEqual([
      [-499, 1500, -1999],
      [499, 0, 499],
    ]);
    const events = await eventsOf(/dispute/);
    expect(events.map(({ type, data }) => [type, (data.object as Stripe.Dispute).status])).toEqual([
      ['charge.dispute.created', 'needs_response'],
      ['charge.dispute.funds_withdrawn', 'needs_response'],
      ['charge.dispute.updated', 'under_review'],
      ['charge.dispute.funds_reinstated', 'won'],
      ['charge.dispute.closed', 'won'],
    ]);
    expect(await statusOf()).toBe('active');
  });

  it('does not reinstate the funds when it is lost', async () => {
    const { id } = bench.fake.openDispute(charge, { reason: 'product_not_received' });
    bench.fake.closeDispute(id, 'lost');
    const [lost] = (await bench.stripe.disputes.list({ charge })).data;
    expect(lost).toMatchObject({ id, status: 'lost', reason: 'product_not_received' });
    expect(lost?.balance_transactions).toHaveLength(1);
  });

  it('can start as an inquiry, which withdraws nothing, and become a chargeback', async () => {
    const inquiry = bench.fake.openDispute(charge, { inquiry: true });
    expect(inquiry).toMatchObject({ status: 'warning_needs_response', balance_transactions: [] });
    bench.fake.closeDispute(inquiry.id, 'won');
    expect((await bench.stripe.disputes.retrieve(inquiry.id)).status).toBe('warning_closed');

    const other = bench.fake.openDispute(charge, { inquiry: true });
    bench.fake.escalateDispute(other.id);
    expect(await bench.stripe.disputes.retrieve(other.id)).toMatchObject({ status: 'needs_response' });
    expect((await eventsOf(/dispute/)).map(({ type }) => type)).toEqual([
      'charge.dispute.created',
      'charge.dispute.closed',
      'charge.dispute.created',
      'charge.dispute.updated',
      'charge.dispute.funds_withdrawn',
    ]);
  });

  it('cancels the subscription when the account settings say so', async () => {
    bench.fake.changeSettings({ onDispute: 'cancel' });
    bench.fake.openDispute(charge);
    expect(await bench.stripe.subscriptions.retrieve(subscription.id)).toMatchObject({
      status: 'canceled',
      cancellation_details: { reason: 'payment_disputed' },
    });
  });
});

describe('the billing portal in FakeStripe', () => {
  const openPortal = async () =>
    bench.stripe.billingPortal.sessions.create({
      customer: subscription.customer as string,
      return_url: 'https://vpn.example/account',
    });
  const submit = (url: string, form: Record<string, string>) =>
    fetch(url, { method: 'POST', body: new URLSearchParams({ subscription: subscription.id, ...form }) });

  it('lets a customer cancel at the end of the period, and undo that', async () => {
    const { url } = await openPortal();
    expect(await (await fetch(url)).text()).toContain('active until 2030-02-01');
    await submit(url, { action: 'cancel' });
    expect((await bench.stripe.subscriptions.retrieve(subscription.id)).cancel_at_period_end).toBe(true);
    await submit(url, { action: 'renew' });
    expect((await bench.stripe.subscriptions.retrieve(subscription.id)).cancel_at_period_end).toBe(false);
  });

  it('replaces the card, and pays the latest invoice', async () => {
    bench.fake.declineCharges(subscription.customer as string, 'expired_card', 1);
    bench.fake.advanceTo(new Date('2030-02-01T13:00:00Z'));
    expect(await statusOf()).toBe('past_due');
    const { url } = await openPortal();
    await submit(url, { action: 'card', card: '5555555555554444' });
    await submit(url, { action: 'pay' });
    expect(await statusOf()).toBe('active');
    const [paid] = (await bench.stripe.charges.list({ customer: subscription.customer as string })).data;
    expect(paid?.payment_method_details?.card).toMatchObject({ brand: 'mastercard', last4: '4444' });
  });

  it('refuses an unknown customer', async () => {
    await expect(bench.stripe.billingPortal.sessions.create({ customer: 'cus_unknown' })).rejects.toMatchObject({
      code: 'resource_missing',
      param: 'customer',
    });
  });
});
