import type Stripe from 'stripe';
import { describe, expect, it } from 'vitest';
import { disputeEffect, paymentMethodFingerprint, readStripeSubscription, stripeMovements } from './stripe-state.js';

const seconds = (text: string) => Date.parse(text) / 1000;
const start = seconds('2030-01-01T00:00:00Z');
const end = seconds('2030-02-01T00:00:00Z');
const at = (text: string) => new Date(text);

/** Only the fields of Stripe's objects that the code reads. */
const subscription = (fields: object = {}) =>
  ({
    id: 'sub_1',
    status: 'active',
    cancel_at_period_end: false,
    cancel_at: null,
    ended_at: null,
    items: { data: [{ current_period_start: start, current_period_end: end, price: { id: 'price_1' } }] },
    ...fields,
  }) as unknown as Stripe.Subscription;

const invoice = (fields: object = {}) =>
  ({
    id: 'in_1',
    status: 'paid',
    created: start,
    status_transitions: { finalized_at: start + 3600 },
    parent: { subscription_details: { subscription: 'sub_1' } },
    lines: { data: [{ period: { start, end } }] },
    payments: { data: [{ payment: { type: 'payment_intent', payment_intent: 'pi_1' } }] },
    ...fields,
  }) as unknown as Stripe.Invoice;

const charge = (fields: object = {}) =>
  ({
    id: 'ch_1',
    status: 'succeeded',
    captured: true,
    amount_captured: 499,
    currency: 'eur',
    created: start,
    payment_intent: 'pi_1',
    refunded: false,
    refunds: { data: [] },
    ...fields,
  }) as unknown as Stripe.Charge;

const read = (fields: object, invoices = [invoice()], charges = [charge()]) =>
  readStripeSubscription(subscription(fields), { invoices, charges }, 7);

describe('readStripeSubscription', () => {
  it.each([
    ['incomplete', 'PENDING'],
    ['incomplete_expired', 'EXPIRED'],
    ['trialing', 'TRIAL'],
    ['active', 'ACTIVE'],
    ['past_due', 'GRACE'],
    ['unpaid', 'SUSPENDED'],
    ['paused', 'SUSPENDED'],
    ['canceled', 'EXPIRED'],
    ['something_new', undefined],
  ])('maps status %s to %s', (status, state) => {
    expect(read({ status })).toMatchObject({ status: state, providerRef: 'stripe:sub_1', priceRef: 'price_1' });
  });

  it('is paid through the end of the period, or to an earlier end of the subscription', () => {
    expect(read({}).paidThrough).toEqual(at('2030-02-01T00:00:00Z'));
    const ended = seconds('2030-01-10T00:00:00Z');
    expect(read({ status: 'canceled', ended_at: ended }).paidThrough).toEqual(at('2030-01-10T00:00:00Z'));
    expect(read({ cancel_at: ended })).toMatchObject({
      paidThrough: at('2030-01-10T00:00:00Z'),
      cancelAtPeriodEnd: true,
    });
  });

  it('is settled through the last paid period, not while the next invoice is a draft, open, void or uncollectible', () => {
    const before = start - 31 * 86_400;
    const paidBefore = invoice({ id: 'in_0', lines: { data: [{ period: { start: before, end: start } }] } });
    expect(read({}, [paidBefore, invoice()]).settledThrough).toEqual(at('2030-02-01T00:00:00Z'));
    for (const status of ['draft', 'open', 'void', 'uncollectible']) {
      expect(read({}, [paidBefore, invoice({ status })]).settledThrough).toEqual(at('2030-01-01T00:00:00Z'));
    }
    const yearlyInvoice = invoice({ id: 'in_0', lines: { data: [{ period: { start: before, end: end + 1 } }] } });
    expect(read({}, [yearlyInvoice, invoice({ status: 'draft' })]).settledThrough).toEqual(at('2030-01-01T00:00:00Z'));
    expect(read({}, []).settledThrough).toBeNull();
  });

  it('reports a cancellation at the end of the period', () => {
    expect(read({}).cancelAtPeriodEnd).toBe(false);
    expect(read({ cancel_at_period_end: true })).toMatchObject({ cancelAtPeriodEnd: true, status: 'ACTIVE' });
  });
});

describe('readStripeSubscription: the grace period', () => {
  it('lasts graceDays from when the invoice fell due', () => {
    const subscriptionNow = read({ status: 'past_due' }, [invoice({ status: 'open' })], []);
    expect(subscriptionNow).toMatchObject({
      status: 'GRACE',
      paidThrough: at('2030-01-01T01:00:00Z'),
      graceUntil: at('2030-01-08T01:00:00Z'),
    });
  });

  it('starts with the oldest unpaid invoice, ignoring invoices of other subscriptions', () => {
    const later = { status: 'open', status_transitions: { finalized_at: start + 86_400 } };
    const other = {
      status: 'open',
      created: 1,
      status_transitions: { finalized_at: 1 },
      parent: { subscription_details: { subscription: 'sub_2' } },
    };
    const invoices = [invoice(later), invoice({ status: 'open' }), invoice(other)];
    expect(read({ status: 'past_due' }, invoices, []).graceUntil).toEqual(at('2030-01-08T01:00:00Z'));
  });

  it('starts with the period when no invoice is open', () => {
    expect(read({ status: 'past_due' }, [], []).graceUntil).toEqual(at('2030-01-08T00:00:00Z'));
  });
});

describe('readStripeSubscription: refunds', () => {
  const refunded = charge({ refunded: true });

  it('revokes after a full refund, in every status', () => {
    expect(read({}, [invoice()], [refunded]).status).toBe('REVOKED');
    expect(read({ status: 'canceled' }, [invoice()], [refunded]).status).toBe('REVOKED');
  });

  it('ignores a partial refund', () => {
    expect(read({}, [invoice()], [charge({ amount_refunded: 100 })]).status).toBe('ACTIVE');
  });

  it('ignores a refund for an earlier period', () => {
    const before = invoice({ lines: { data: [{ period: { start: start - 86_400, end: start } }] } });
    const now = invoice({ payments: { data: [{ payment: { type: 'payment_intent', payment_intent: 'pi_2' } }] } });
    const charges = [refunded, charge({ id: 'ch_2', payment_intent: 'pi_2' })];
    expect(read({}, [before, now], charges).status).toBe('ACTIVE');
  });

  it('revokes after a full refund of a year, although the month before it was cut short and not refunded', () => {
    const month = invoice({ lines: { data: [{ period: { start: start - 20 * 86_400, end: start + 11 * 86_400 } }] } });
    const year = invoice({ payments: { data: [{ payment: { type: 'payment_intent', payment_intent: 'pi_2' } }] } });
    const charges = [charge(), charge({ id: 'ch_2', payment_intent: 'pi_2', refunded: true })];
    expect(read({}, [month, year], charges).status).toBe('REVOKED');
  });

  it('revokes when both payments of a period are refunded, not when only one is', () => {
    const upgrade = invoice({
      id: 'in_2',
      payments: { data: [{ payment: { type: 'payment_intent', payment_intent: 'pi_2' } }] },
    });
    const second = { id: 'ch_2', payment_intent: 'pi_2' };
    expect(read({}, [invoice(), upgrade], [refunded, charge(second)]).status).toBe('ACTIVE');
    expect(read({}, [invoice(), upgrade], [refunded, charge({ ...second, refunded: true })]).status).toBe('REVOKED');
  });

  it('ignores a declined charge before the payment', () => {
    const declined = charge({ id: 'ch_0', status: 'failed', captured: false, refunded: false });
    expect(read({}, [invoice()], [declined, refunded]).status).toBe('REVOKED');
  });
});

describe('stripeMovements', () => {
  const movementsOf = (charges: Stripe.Charge[], disputes: Stripe.Dispute[] = []) =>
    stripeMovements({ charges, disputes });
  const brief = (charges: Stripe.Charge[], disputes: Stripe.Dispute[] = []) =>
    movementsOf(charges, disputes).map(({ providerRef, kind, amount }) => [providerRef, kind, amount]);
  const dispute = (status: string) =>
    ({ id: 'du_1', amount: 499, currency: 'eur', created: start, status }) as unknown as Stripe.Dispute;

  it('reports a charge, but not a declined or uncaptured one', () => {
    expect(movementsOf([charge()])).toEqual([
      {
        providerRef: 'stripe:ch_1',
        kind: 'charge',
        amount: 499,
        currency: 'eur',
        occurredAt: at('2030-01-01T00:00:00Z'),
      },
    ]);
    expect(movementsOf([charge({ status: 'failed' }), charge({ captured: false })])).toEqual([]);
  });

  it('reports refunds that were paid out, and the reversal of one that the bank returned', () => {
    const refund = (id: string, status: string) => ({ id, amount: 100, currency: 'eur', created: start, status });
    const data = [
      refund('re_1', 'succeeded'),
      refund('re_2', 'pending'),
      refund('re_3', 'failed'),
      refund('re_4', 'canceled'),
    ];
    const movements = movementsOf([charge({ refunds: { data } })]);
    expect(movements.slice(1)).toMatchObject([
      { providerRef: 'stripe:re_1', kind: 'refund', amount: 100 },
      { providerRef: 'stripe:re_3', kind: 'refund', amount: 100 },
      { providerRef: 'stripe:re_3:reversal', kind: 'reversal', amount: 100 },
    ]);
  });

  it.each([
    ['needs_response', [['stripe:du_1', 'dispute', 499]]],
    ['under_review', [['stripe:du_1', 'dispute', 499]]],
    ['lost', [['stripe:du_1', 'dispute', 499]]],
    [
      'won',
      [
        ['stripe:du_1', 'dispute', 499],
        ['stripe:du_1:reversal', 'reversal', 499],
      ],
    ],
    ['warning_needs_response', []],
    ['warning_closed', []],
    ['prevented', []],
    ['something_new', []],
  ])('reports the movements of a dispute in status %s', (status, expected) => {
    expect(brief([], [dispute(status)])).toEqual(expected);
  });
});

describe('disputeEffect', () => {
  it.each([
    ['needs_response', 'blocks'],
    ['under_review', 'blocks'],
    ['lost', 'blocks'],
    ['appeal_under_review', 'blocks'],
    ['won', 'settled'],
    ['prevented', 'settled'],
    ['warning_needs_response', 'settled'],
    ['warning_under_review', 'settled'],
    ['warning_closed', 'settled'],
    ['something_new', undefined],
  ])('maps status %s to %s', (status, effect) => expect(disputeEffect({ status })).toBe(effect));
});

describe('paymentMethodFingerprint', () => {
  it.each([
    ['a card', { card: { fingerprint: 'f' } }, 'f'],
    ['a bank account', { sepa_debit: { fingerprint: 'g' } }, 'g'],
    ['a wallet, which has none', { link: {} }, undefined],
    ['a card without a fingerprint', { card: { fingerprint: null } }, undefined],
    ['no payment method', null, undefined],
    ['a payment method that was not expanded', 'pm_1', undefined],
  ])('reads the fingerprint of %s', (_what, default_payment_method, fingerprint) => {
    expect(paymentMethodFingerprint(subscription({ default_payment_method }))).toBe(fingerprint);
  });
});
