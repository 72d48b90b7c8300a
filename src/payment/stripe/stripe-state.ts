import type Stripe from 'stripe';
import { type SubscriptionState } from '../../subscription/index.js';
import { idOf, type StripeCustomerMoney } from './stripe.client.js';
import { type Movement, type ProviderSubscription } from '../providers/provider-subscription.js';

/**
 * The table of billing for Stripe: what its objects say, as plain values. It reads what is, never what happened, so the
 * same objects give the same answer in whatever order events told of them.
 */

const dayMs = 86_400_000;
const date = (seconds: number) => new Date(seconds * 1000);

type Money = Pick<StripeCustomerMoney, 'invoices' | 'charges'>;

/** @param graceDays how long access lasts after a renewal could not be paid */
export function readStripeSubscription(
  subscription: Stripe.Subscription,
  money: Money,
  graceDays: number,
): ProviderSubscription {
  const [item] = subscription.items.data;
  if (item === undefined) throw new TypeError('a subscription without items');
  const invoices = money.invoices.filter((invoice) => subscriptionOf(invoice) === subscription.id);
  const givenBack = isPeriodGivenBack(item.current_period_start, invoices, money.charges);
  const status = givenBack ? 'REVOKED' : states[subscription.status];
  const isOverdue = status === 'GRACE';
  const unpaidSince = isOverdue ? overdueSince(item, invoices) : undefined;
  return {
    providerRef: `stripe:${subscription.id}`,
    status,
    priceRef: item.price.id,
    paidThrough: unpaidSince ?? endOf(subscription, item),
    settledThrough: settledThrough(item, invoices),
    graceUntil: unpaidSince === undefined ? null : new Date(unpaidSince.getTime() + graceDays * dayMs),
    cancelAtPeriodEnd: subscription.cancel_at_period_end || subscription.cancel_at !== null,
  };
}

/** https://docs.stripe.com/api/subscriptions/object#subscription_object-status */
const states: Readonly<Partial<Record<string, SubscriptionState>>> = {
  incomplete: 'PENDING',
  incomplete_expired: 'EXPIRED',
  trialing: 'TRIAL',
  active: 'ACTIVE',
  past_due: 'GRACE',
  unpaid: 'SUSPENDED',
  paused: 'SUSPENDED',
  canceled: 'EXPIRED',
};

/** Since version 2025-03-31.basil a period belongs to the item, not to the subscription. */
function endOf({ ended_at, cancel_at }: Stripe.Subscription, item: Stripe.SubscriptionItem): Date {
  return date(Math.min(item.current_period_end, ended_at ?? Infinity, cancel_at ?? Infinity));
}

/**
 * Until when Stripe has been paid: to the end of this period, or of one before. A period begins an hour before anybody is asked
 * to pay for it, and its invoice may then stay open: the subscription alone does not tell. What is free counts as paid.
 */
function settledThrough(item: Stripe.SubscriptionItem, invoices: readonly Stripe.Invoice[]): Date | null {
  const { current_period_start: start, current_period_end: end } = item;
  const paid = invoices.filter(({ status }) => status === 'paid');
  const periods = paid.flatMap(({ lines }) => lines.data.map(({ period }) => period));
  if (periods.some((period) => period.start >= start)) return date(end);
  // What another interval has cut short was paid for longer than it lasted.
  return periods.length === 0 ? null : date(Math.min(start, Math.max(...periods.map((period) => period.end))));
}

/** Since when money is owed: the first of the unpaid invoices, or the beginning of the period if there is none to see. */
function overdueSince(item: Stripe.SubscriptionItem, invoices: readonly Stripe.Invoice[]): Date {
  const unpaid = invoices.filter(({ status }) => status === 'open').map(dueSince);
  return date(unpaid.length > 0 ? Math.min(...unpaid) : item.current_period_start);
}

const dueSince = ({ created, status_transitions }: Stripe.Invoice) => status_transitions.finalized_at ?? created;

/**
 * Whether all that was paid for the current period has been given back. A part of it changes nothing. What was paid for the
 * period before is no part of it, also where another interval has cut that period short.
 */
function isPeriodGivenBack(
  periodStart: number,
  invoices: readonly Stripe.Invoice[],
  charges: readonly Stripe.Charge[],
): boolean {
  const ofPeriod = invoices.filter(({ lines }) => lines.data.some(({ period }) => period.start >= periodStart));
  const payments = new Set(ofPeriod.flatMap(paymentsOf));
  const paid = charges.filter((charge) => isPaid(charge) && payments.has(paymentOf(charge)));
  return paid.length > 0 && paid.every(({ refunded }) => refunded);
}

/** Since version 2025-03-31.basil an invoice and a charge meet in an invoice payment alone. */
function paymentsOf({ payments }: Stripe.Invoice): string[] {
  return (payments?.data ?? []).flatMap(({ payment }) => {
    const reference = payment.payment_intent ?? payment.charge;
    return reference === undefined || reference === null ? [] : [idOf(reference)];
  });
}

const paymentOf = ({ id, payment_intent }: Stripe.Charge) => (payment_intent === null ? id : idOf(payment_intent));

function subscriptionOf({ parent }: Stripe.Invoice): string | undefined {
  const subscription = parent?.subscription_details?.subscription;
  return subscription ? idOf(subscription) : undefined;
}

const isPaid = ({ status, captured }: Stripe.Charge) => status === 'succeeded' && captured;

/** What moved, of everything the customer ever paid. */
export function stripeMovements({ charges, disputes }: Pick<StripeCustomerMoney, 'charges' | 'disputes'>): Movement[] {
  return [...charges.filter(isPaid).flatMap(chargeMovements), ...disputes.flatMap(disputeMovements)];
}

function chargeMovements({ id, amount_captured, currency, created, refunds }: Stripe.Charge): Movement[] {
  const charge = { providerRef: `stripe:${id}`, kind: 'charge', amount: amount_captured, currency } as const;
  return [{ ...charge, occurredAt: date(created) }, ...(refunds?.data ?? []).flatMap(refundMovements)];
}

export function refundMovements({ id, amount, currency, created, status }: Stripe.Refund): Movement[] {
  const common = { amount, currency, occurredAt: date(created) };
  const refund = { ...common, providerRef: `stripe:${id}`, kind: 'refund' } as const;
  if (status === 'succeeded') return [refund];
  // The money had left and came back: the bank did not take it, perhaps weeks after it seemed to.
  if (status === 'failed') return [refund, { ...common, providerRef: `stripe:${id}:reversal`, kind: 'reversal' }];
  return [];
}

export function disputeMovements(dispute: Stripe.Dispute): Movement[] {
  const standing = disputeStanding(dispute);
  const common = { amount: dispute.amount, currency: dispute.currency, occurredAt: date(dispute.created) };
  const providerRef = `stripe:${dispute.id}`;
  const opened = { ...common, providerRef, kind: 'dispute' } as const;
  if (standing === 'against') return [opened];
  if (dispute.status !== 'won') return [];
  return [opened, { ...common, providerRef: `${providerRef}:reversal`, kind: 'reversal' }];
}

/**
 * Whether a dispute takes access away. An inquiry (`warning_…`) only asks, and what was prevented never was one.
 * https://docs.stripe.com/api/disputes/object#dispute_object-status
 *
 * @returns undefined for a status that this service does not know: it then keeps what it has
 */
export function disputeStanding({ status }: Pick<Stripe.Dispute, 'status'>): 'against' | 'settled' | undefined {
  if (against.has(status)) return 'against';
  return status === 'won' || status === 'prevented' || status.startsWith('warning_') ? 'settled' : undefined;
}

const against = new Set<string>([
  'needs_response',
  'under_review',
  'lost',
  'appeal_needs_response',
  'appeal_under_review',
]);

/** What a trial is remembered by where Stripe tells: the card or account, under whichever customer. */
export function paymentMethodFingerprint({ default_payment_method: method }: Stripe.Subscription): string | undefined {
  if (method === null || typeof method === 'string') return undefined;
  const details = method.card ?? method.sepa_debit ?? method.us_bank_account;
  return details?.fingerprint ?? undefined;
}
