import type Stripe from 'stripe';
import { type Account, idOf } from './account.js';
import { invalid } from './errors.js';
import { refund as newRefund } from './shapes/payment.js';

export interface RefundRequest {
  readonly charge: string | undefined;
  readonly paymentIntent: string | undefined;
  /** The unrefunded rest of the charge by default. */
  readonly amount: number | undefined;
  readonly reason: string | null;
  readonly metadata: Stripe.Metadata;
}

/** Refunds of charges. A refund does not cancel the subscription: https://docs.stripe.com/billing/subscriptions/cancel */
export class Refunds {
  constructor(private readonly account: Account) {}

  create({ charge: id, paymentIntent, amount, reason, metadata }: RefundRequest): Stripe.Refund {
    const { account } = this;
    const charge = this.find(id, paymentIntent);
    if (charge.status !== 'succeeded') {
      throw invalid(`Charge ${charge.id} is not in a refundable state.`, { code: 'charge_not_refundable' });
    }
    const dispute = account.objects.disputes.where((one) => idOf(one.charge) === charge.id).at(-1);
    if (dispute && !dispute.is_charge_refundable && dispute.status !== 'won') {
      const message = `Charge ${charge.id} has been charged back; cannot issue a refund.`;
      throw invalid(message, { code: 'charge_disputed' });
    }
    const left = charge.amount - charge.amount_refunded;
    if (left === 0) {
      throw invalid(`Charge ${charge.id} has already been refunded.`, { code: 'charge_already_refunded' });
    }
    const refunded = amount ?? left;
    if (refunded < 1) throw invalid('Invalid positive integer', { code: 'parameter_invalid_integer', param: 'amount' });
    if (refunded > left) {
      const message = `Refund amount (${money(refunded)}) is greater than unrefunded amount on charge (${money(left)})`;
      throw invalid(message, { param: 'amount' });
    }
    const refund = account.objects.refunds.add(newRefund(account, charge, { amount: refunded, reason, metadata }));
    const amount_refunded = charge.amount_refunded + refunded;
    account.emit('refund.created', refund);
    const before = { amount_refunded: charge.amount_refunded, refunded: charge.refunded };
    Object.assign(charge, { amount_refunded, refunded: amount_refunded === charge.amount });
    account.emit('charge.refunded', charge, before);
    return refund;
  }

  /** The bank rejects the refund: https://docs.stripe.com/refunds#failed-refunds. The amount is unrefunded again. */
  fail(id: string): void {
    const { account } = this;
    const refund = account.objects.refunds.get(id, 'refund');
    const charge = account.objects.charges.get(idOf(refund.charge ?? ''));
    Object.assign(refund, { status: 'failed', failure_reason: 'lost_or_stolen_card' });
    Object.assign(charge, { amount_refunded: charge.amount_refunded - refund.amount, refunded: false });
    account.emit('refund.failed', refund);
    account.emit('charge.refund.updated', refund);
  }

  private find(charge: string | undefined, paymentIntent: string | undefined): Stripe.Charge {
    const { charges, paymentIntents } = this.account.objects;
    if (charge !== undefined) return charges.get(charge, 'charge');
    if (paymentIntent === undefined) {
      throw invalid('One of the following params should be provided for this request: payment_intent or charge.');
    }
    const { latest_charge } = paymentIntents.get(paymentIntent, 'payment_intent');
    if (latest_charge) return charges.get(idOf(latest_charge));
    throw invalid(`This PaymentIntent (${paymentIntent}) does not have a successful charge to refund.`);
  }
}

const money = (cents: number) => `$${(cents / 100).toFixed(2)}`;
