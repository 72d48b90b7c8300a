import type Stripe from 'stripe';
import { type SubscriptionState } from '../../subscription/index.js';
import { idOf, type StripeBilling } from './stripe.client.js';
import { type Movement, type ProviderSubscription } from '../providers/provider-subscription.js';

/**
 * Maps Stripe's objects to our states and movements (the table in docs/billing.md). It reads only the current objects, never
 * events, so the order of events does not change the result.
 */

const dayMs = 86_400_000;
const date = (seconds: number) => new Date(seconds * 1000);

type Money = Pick<StripeBilling, 'invoices' | 'charges'>;

/** @param graceDays how many days access lasts after a failed renewal payment */
export function readStripeSubscription(
  subscription: Stripe.Subscription,
  money: Money,
  graceDays: number,
): ProviderSubscription {
  const [item] = subscription.items.data;
  if (item === undefined) throw new TypeError('a subscription without items');
  const invoices = money.invoices.filter((invoice) => subscriptionOf(invoice) === subscription.id);
  const givenBack = isPeriodRefunded(item.current_period_start, invoices, money.charges);
  const status = givenBack ? 'REVOKED' : states[subscription.status];
  const isOverdue = status === 'GRACE';
  const unpaidSince = isOverdue ? overdueSince(item, invoices) : undefined;
  return {
    providerRef: `stripe:${subscription.id}`,
    status,
    priceRef: item.price.id,
    paidThrough: unpaidSince ?? periodEnd(subscription, item),
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

/** Since API version 2025-03-31.basil a period belongs to the item, not to the subscription. */
function periodEnd({ ended_at, cancel_at }: Stripe.Subscription, item: Stripe.SubscriptionItem): Date {
  return date(Math.min(item.current_period_end, ended_at ?? Infinity, cancel_at ?? Infinity));
}

/**
 * End of the last paid period. The subscription alone does not show it: Stripe starts a period about an hour before it
 * charges for it, and the invoice may stay open after that. A free period counts as paid.
 */
function settledThrough(item: Stripe.SubscriptionItem, invoices: readonly Stripe.Invoice[]): Date | null {
  const { current_period_start: start, current_period_end: end } = item;
  const paid = invoices.filter(({ status }) => status === 'paid');
  const periods = paid.flatMap(({ lines }) => lines.data.map(({ period }) => period));
  if (periods.some((period) => period.start >= start)) return date(end);
  // A change of interval cuts a period short, so its invoice may cover more time than the period lasted.
  return periods.length === 0 ? null : date(Math.min(start, Math.max(...periods.map((period) => period.end))));
}

/** When the oldest unpaid invoice fell due; the start of the period if no invoice is open. */
function overdueSince(item: Stripe.SubscriptionItem, invoices: readonly Stripe.Invoice[]): Date {
  const unpaid = invoices.filter(({ status }) => status === 'open').map(dueAt);
  return date(unpaid.length > 0 ? Math.min(...unpaid) : item.current_period_start);
}

const dueAt = ({ created, status_transitions }: Stripe.Invoice) => status_transitions.finalized_at ?? created;

/**
 * Whether all payments for the current period are fully refunded. A partial refund does not count. Payments for the
 * previous period do not matter, even if a change of interval has cut that period short.
 */
function isPeriodRefunded(
  periodStart: number,
  invoices: readonly Stripe.Invoice[],
  charges: readonly Stripe.Charge[],
): boolean {
  const ofPeriod = invoices.filter(({ lines }) => lines.data.some(({ period }) => period.start >= periodStart));
  const payments = new Set(ofPeriod.flatMap(paymentsOf));
  const paid = charges.filter((charge) => isPaid(charge) && payments.has(paymentOf(charge)));
  return paid.length > 0 && paid.every(({ refunded }) => refunded);
}

/** Since API version 2025-03-31.basil only invoice payments link an invoice to its charges. */
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

/** All movements of a customer's money. */
export function stripeMovements({ charges, disputes }: Pick<StripeBilling, 'charges' | 'disputes'>): Movement[] {
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
  // The bank returned the refunded money to us. That may happen weeks after the refund seemed to succeed.
  if (status === 'failed') return [refund, { ...common, providerRef: `stripe:${id}:reversal`, kind: 'reversal' }];
  return [];
}

export function disputeMovements(dispute: Stripe.Dispute): Movement[] {
  const effect = disputeEffect(dispute);
  const common = { amount: dispute.amount, currency: dispute.currency, occurredAt: date(dispute.created) };
  const providerRef = `stripe:${dispute.id}`;
  const opened = { ...common, providerRef, kind: 'dispute' } as const;
  if (effect === 'blocks') return [opened];
  if (dispute.status !== 'won') return [];
  return [opened, { ...common, providerRef: `${providerRef}:reversal`, kind: 'reversal' }];
}

/**
 * Whether a dispute blocks access. An inquiry (`warning_…`) and a prevented dispute do not.
 * https://docs.stripe.com/api/disputes/object#dispute_object-status
 *
 * @returns undefined if this service does not know the status. The stored block is then kept.
 */
export function disputeEffect({ status }: Pick<Stripe.Dispute, 'status'>): 'blocks' | 'settled' | undefined {
  if (blockingStatuses.has(status)) return 'blocks';
  return status === 'won' || status === 'prevented' || status.startsWith('warning_') ? 'settled' : undefined;
}

const blockingStatuses = new Set<string>([
  'needs_response',
  'under_review',
  'lost',
  'appeal_needs_response',
  'appeal_under_review',
]);

/** Identifies the card or bank account, even across customers. A trial is recorded under it. */
export function paymentMethodFingerprint({ default_payment_method: method }: Stripe.Subscription): string | undefined {
  if (method === null || typeof method === 'string') return undefined;
  const details = method.card ?? method.sepa_debit ?? method.us_bank_account;
  return details?.fingerprint ?? undefined;
}
