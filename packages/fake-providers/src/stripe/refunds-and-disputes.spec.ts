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
const happened = async (type: RegExp) => {
  const { data } = await bench.stripe.events.list({ limit: 100 });
  return data.filter((event) => type.test(event.type)).reverse();
};
const statusOf = async () => (await bench.stripe.subscriptions.retrieve(subscription.id)).status;

describe('a charge', () => {
  it('leads to its invoice and its subscription, through the payment of the invoice', async () => {
    const { payment_intent } = await retrieve();
    const payment = { type: 'payment_intent', payment_intent: payment_intent as string } as const;
    const expand = ['data.invoice'];
    const [found] = (await bench.stripe.invoicePayments.list({ payment, expand })).data;
    const { parent } = found?.invoice as Stripe.Invoice;
    expect(parent?.subscription_details?.subscription).toBe(subscription.id);
    expect(await retrieve()).not.toHaveProperty('invoice');
  });
});

describe('a refund', () => {
  it('can be of a part, and of the rest', async () => {
    const part = await bench.stripe.refunds.create({ charge, amount: 200, reason: 'requested_by_customer' });
    expect(part).toMatchObject({ status: 'succeeded', amount: 200, charge });
    expect(await retrieve()).toMatchObject({ amount_refunded: 200, refunded: false });
    const rest = await bench.stripe.refunds.create({ payment_intent: part.payment_intent as string });
    expect(rest.amount).toBe(299);
    const refunded = await retrieve();
    expect(refunded).toMatchObject({ amount_refunded: 499, refunded: true });
    expect(refunded.refunds?.data.map(({ amount }) => amount)).toEqual([299, 200]);
    expect((await happened(/refund/)).map(({ type }) => type)).toEqual([
      ...['refund.created', 'charge.refunded'],
      ...['refund.created', 'charge.refunded'],
    ]);
    expect(await statusOf()).toBe('active');
  });

  it('is never more than was charged', async () => {
    await expect(bench.stripe.refunds.create({ charge, amount: 500 })).rejects.toMatchObject({ param: 'amount' });
    await expect(bench.stripe.refunds.create({ charge, amount: 0 })).rejects.toMatchObject({ param: 'amount' });
    await bench.stripe.refunds.create({ charge });
    await expect(bench.stripe.refunds.create({ charge })).rejects.toMatchObject({ code: 'charge_already_refunded' });
    await expect(bench.stripe.refunds.create({})).rejects.toThrow('payment_intent or charge');
    expect((await bench.stripe.refunds.list({ charge })).data).toHaveLength(1);
  });

  it('of a charge that was declined is refused', async () => {
    bench.fake.declineCharges(subscription.customer as string);
    bench.fake.advanceTo(new Date('2030-02-01T13:00:00Z'));
    const [declined] = (await bench.stripe.charges.list({ customer: subscription.customer as string })).data;
    expect(declined).toMatchObject({ status: 'failed', paid: false, failure_code: 'card_declined' });
    await expect(bench.stripe.refunds.create({ charge: declined?.id })).rejects.toMatchObject({
      code: 'charge_not_refundable',
    });
  });
});

describe('a dispute', () => {
  it('takes the money, and gives it back when it is won', async () => {
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
    const told = await happened(/dispute/);
    expect(told.map(({ type, data }) => [type, (data.object as Stripe.Dispute).status])).toEqual([
      ['charge.dispute.created', 'needs_response'],
      ['charge.dispute.funds_withdrawn', 'needs_response'],
      ['charge.dispute.updated', 'under_review'],
      ['charge.dispute.funds_reinstated', 'won'],
      ['charge.dispute.closed', 'won'],
    ]);
    expect(await statusOf()).toBe('active');
  });

  it('that is lost keeps the money', async () => {
    const { id } = bench.fake.openDispute(charge, { reason: 'product_not_received' });
    bench.fake.closeDispute(id, 'lost');
    const [lost] = (await bench.stripe.disputes.list({ charge })).data;
    expect(lost).toMatchObject({ id, status: 'lost', reason: 'product_not_received' });
    expect(lost?.balance_transactions).toHaveLength(1);
  });

  it('can begin as a question, which takes nothing, and become a chargeback', async () => {
    const asked = bench.fake.openDispute(charge, { inquiry: true });
    expect(asked).toMatchObject({ status: 'warning_needs_response', balance_transactions: [] });
    bench.fake.closeDispute(asked.id, 'won');
    expect((await bench.stripe.disputes.retrieve(asked.id)).status).toBe('warning_closed');

    const other = bench.fake.openDispute(charge, { inquiry: true });
    bench.fake.escalateDispute(other.id);
    expect(await bench.stripe.disputes.retrieve(other.id)).toMatchObject({ status: 'needs_response' });
    expect((await happened(/dispute/)).map(({ type }) => type)).toEqual([
      'charge.dispute.created',
      'charge.dispute.closed',
      'charge.dispute.created',
      'charge.dispute.updated',
      'charge.dispute.funds_withdrawn',
    ]);
  });

  it('ends the subscription where the account has it so', async () => {
    bench.fake.changeSettings({ onDispute: 'cancel' });
    bench.fake.openDispute(charge);
    expect(await bench.stripe.subscriptions.retrieve(subscription.id)).toMatchObject({
      status: 'canceled',
      cancellation_details: { reason: 'payment_disputed' },
    });
  });
});

describe('the billing portal', () => {
  const visit = async () =>
    bench.stripe.billingPortal.sessions.create({
      customer: subscription.customer as string,
      return_url: 'https://vpn.example/account',
    });
  const press = (url: string, form: Record<string, string>) =>
    fetch(url, { method: 'POST', body: new URLSearchParams({ subscription: subscription.id, ...form }) });

  it('lets a person leave at the end of the period, and stay after all', async () => {
    const { url } = await visit();
    expect(await (await fetch(url)).text()).toContain('active until 2030-02-01');
    await press(url, { action: 'cancel' });
    expect((await bench.stripe.subscriptions.retrieve(subscription.id)).cancel_at_period_end).toBe(true);
    await press(url, { action: 'renew' });
    expect((await bench.stripe.subscriptions.retrieve(subscription.id)).cancel_at_period_end).toBe(false);
  });

  it('takes another card, and pays what is due', async () => {
    bench.fake.declineCharges(subscription.customer as string, 'expired_card', 1);
    bench.fake.advanceTo(new Date('2030-02-01T13:00:00Z'));
    expect(await statusOf()).toBe('past_due');
    const { url } = await visit();
    await press(url, { action: 'card', card: '5555555555554444' });
    await press(url, { action: 'pay' });
    expect(await statusOf()).toBe('active');
    const [paid] = (await bench.stripe.charges.list({ customer: subscription.customer as string })).data;
    expect(paid?.payment_method_details?.card).toMatchObject({ brand: 'mastercard', last4: '4444' });
  });

  it('is for customers that are there', async () => {
    await expect(bench.stripe.billingPortal.sessions.create({ customer: 'cus_nobody' })).rejects.toMatchObject({
      code: 'resource_missing',
      param: 'customer',
    });
  });
});
