import type Stripe from 'stripe';
import { describe, expect, it } from 'vitest';
import { disputeStanding, paymentMethodFingerprint, readStripeSubscription, stripeMovements } from './stripe-state.js';

const seconds = (text: string) => Date.parse(text) / 1000;
const start = seconds('2030-01-01T00:00:00Z');
const end = seconds('2030-02-01T00:00:00Z');
const at = (text: string) => new Date(text);

/** As much of Stripe's objects as is read; the rest says nothing here. */
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

const factsOf = (fields: object, invoices = [invoice()], charges = [charge()]) =>
  readStripeSubscription(subscription(fields), { invoices, charges }, 7);

describe('the state of a subscription', () => {
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
  ])('%s is %s', (status, state) => {
    expect(factsOf({ status })).toMatchObject({ status: state, providerRef: 'stripe:sub_1', priceRef: 'price_1' });
  });

  it('is paid to the end of the period, or to where it ended before', () => {
    expect(factsOf({}).paidThrough).toEqual(at('2030-02-01T00:00:00Z'));
    const ended = seconds('2030-01-10T00:00:00Z');
    expect(factsOf({ status: 'canceled', ended_at: ended }).paidThrough).toEqual(at('2030-01-10T00:00:00Z'));
    expect(factsOf({ cancel_at: ended })).toMatchObject({
      paidThrough: at('2030-01-10T00:00:00Z'),
      cancelAtPeriodEnd: true,
    });
  });

  it('is settled to where money has come: not while the next period’s invoice is a draft, open or void', () => {
    const before = start - 31 * 86_400;
    const paidBefore = invoice({ id: 'in_0', lines: { data: [{ period: { start: before, end: start } }] } });
    expect(factsOf({}, [paidBefore, invoice()]).settledThrough).toEqual(at('2030-02-01T00:00:00Z'));
    for (const status of ['draft', 'open', 'void', 'uncollectible']) {
      expect(factsOf({}, [paidBefore, invoice({ status })]).settledThrough).toEqual(at('2030-01-01T00:00:00Z'));
    }
    const wasForAYear = invoice({ id: 'in_0', lines: { data: [{ period: { start: before, end: end + 1 } }] } });
    expect(factsOf({}, [wasForAYear, invoice({ status: 'draft' })]).settledThrough).toEqual(at('2030-01-01T00:00:00Z'));
    expect(factsOf({}, []).settledThrough).toBeNull();
  });

  it('knows a cancellation at the end of the period', () => {
    expect(factsOf({}).cancelAtPeriodEnd).toBe(false);
    expect(factsOf({ cancel_at_period_end: true })).toMatchObject({ cancelAtPeriodEnd: true, status: 'ACTIVE' });
  });
});

describe('grace', () => {
  it('lasts our days from when the invoice fell due', () => {
    const facts = factsOf({ status: 'past_due' }, [invoice({ status: 'open' })], []);
    expect(facts).toMatchObject({
      status: 'GRACE',
      paidThrough: at('2030-01-01T01:00:00Z'),
      graceUntil: at('2030-01-08T01:00:00Z'),
    });
  });

  it('counts from the first of several unpaid invoices, and not from those of another subscription', () => {
    const later = { status: 'open', status_transitions: { finalized_at: start + 86_400 } };
    const other = {
      status: 'open',
      created: 1,
      status_transitions: { finalized_at: 1 },
      parent: { subscription_details: { subscription: 'sub_2' } },
    };
    const invoices = [invoice(later), invoice({ status: 'open' }), invoice(other)];
    expect(factsOf({ status: 'past_due' }, invoices, []).graceUntil).toEqual(at('2030-01-08T01:00:00Z'));
  });

  it('counts from the beginning of the period when no invoice shows why', () => {
    expect(factsOf({ status: 'past_due' }, [], []).graceUntil).toEqual(at('2030-01-08T00:00:00Z'));
  });
});

describe('money given back', () => {
  const refunded = charge({ refunded: true });

  it('in full revokes, whatever the status', () => {
    expect(factsOf({}, [invoice()], [refunded]).status).toBe('REVOKED');
    expect(factsOf({ status: 'canceled' }, [invoice()], [refunded]).status).toBe('REVOKED');
  });

  it('in part changes nothing', () => {
    expect(factsOf({}, [invoice()], [charge({ amount_refunded: 100 })]).status).toBe('ACTIVE');
  });

  it('of a period before the current one changes nothing', () => {
    const before = invoice({ lines: { data: [{ period: { start: start - 86_400, end: start } }] } });
    const now = invoice({ payments: { data: [{ payment: { type: 'payment_intent', payment_intent: 'pi_2' } }] } });
    const charges = [refunded, charge({ id: 'ch_2', payment_intent: 'pi_2' })];
    expect(factsOf({}, [before, now], charges).status).toBe('ACTIVE');
  });

  it('in full revokes, also when the month before, cut short by a change to a year, was not given back', () => {
    const month = invoice({ lines: { data: [{ period: { start: start - 20 * 86_400, end: start + 11 * 86_400 } }] } });
    const year = invoice({ payments: { data: [{ payment: { type: 'payment_intent', payment_intent: 'pi_2' } }] } });
    const charges = [charge(), charge({ id: 'ch_2', payment_intent: 'pi_2', refunded: true })];
    expect(factsOf({}, [month, year], charges).status).toBe('REVOKED');
  });

  it('of one of two payments for the period changes nothing; of both it revokes', () => {
    const upgrade = invoice({
      id: 'in_2',
      payments: { data: [{ payment: { type: 'payment_intent', payment_intent: 'pi_2' } }] },
    });
    const second = { id: 'ch_2', payment_intent: 'pi_2' };
    expect(factsOf({}, [invoice(), upgrade], [refunded, charge(second)]).status).toBe('ACTIVE');
    expect(factsOf({}, [invoice(), upgrade], [refunded, charge({ ...second, refunded: true })]).status).toBe('REVOKED');
  });

  it('a declined attempt before the payment is no payment', () => {
    const declined = charge({ id: 'ch_0', status: 'failed', captured: false, refunded: false });
    expect(factsOf({}, [invoice()], [declined, refunded]).status).toBe('REVOKED');
  });
});

describe('movements', () => {
  const movementsOf = (charges: Stripe.Charge[], disputes: Stripe.Dispute[] = []) =>
    stripeMovements({ charges, disputes });
  const brief = (charges: Stripe.Charge[], disputes: Stripe.Dispute[] = []) =>
    movementsOf(charges, disputes).map(({ providerRef, kind, amount }) => [providerRef, kind, amount]);
  const dispute = (status: string) =>
    ({ id: 'du_1', amount: 499, currency: 'eur', created: start, status }) as unknown as Stripe.Dispute;

  it('a charge is one, a declined or uncaptured one is none', () => {
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

  it('each refund that left is one; of one that the bank did not take, the money came back', () => {
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
  ])('a dispute that is %s', (status, expected) => {
    expect(brief([], [dispute(status)])).toEqual(expected);
  });
});

describe('a dispute', () => {
  it.each([
    ['needs_response', 'against'],
    ['under_review', 'against'],
    ['lost', 'against'],
    ['appeal_under_review', 'against'],
    ['won', 'settled'],
    ['prevented', 'settled'],
    ['warning_needs_response', 'settled'],
    ['warning_under_review', 'settled'],
    ['warning_closed', 'settled'],
    ['something_new', undefined],
  ])('that is %s is %s', (status, standing) => expect(disputeStanding({ status })).toBe(standing));
});

describe('what a trial is remembered by', () => {
  it.each([
    ['a card', { card: { fingerprint: 'f' } }, 'f'],
    ['a bank account', { sepa_debit: { fingerprint: 'g' } }, 'g'],
    ['a wallet that tells nothing', { link: {} }, undefined],
    ['a card without a fingerprint', { card: { fingerprint: null } }, undefined],
    ['nothing', null, undefined],
    ['what was not asked for', 'pm_1', undefined],
  ])('%s', (_what, default_payment_method, fingerprint) => {
    expect(paymentMethodFingerprint(subscription({ default_payment_method }))).toBe(fingerprint);
  });
});
