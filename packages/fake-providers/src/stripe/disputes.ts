import type Stripe from 'stripe';
import { type Account, idOf } from './account.js';
import { type Cancellations } from './billing/cancellations.js';
import { subscriptionOf } from './shapes/invoice.js';
import { dispute as newDispute } from './shapes/dispute.js';

/** The dispute fee, in cents. https://stripe.com/pricing */
const fee = 1500;

export interface DisputeOptions {
  /** The whole charge by default. */
  readonly amount?: number;
  /** https://docs.stripe.com/disputes/categories */
  readonly reason?: string;
  /** The bank asks a question but withdraws no funds: `warning_needs_response`. https://docs.stripe.com/disputes/how-disputes-work */
  readonly inquiry?: boolean;
}

/** Disputes of charges. https://docs.stripe.com/disputes/how-disputes-work */
export class Disputes {
  constructor(
    private readonly account: Account,
    private readonly cancellations: Cancellations,
  ) {}

  open(chargeId: string, { amount, reason = 'fraudulent', inquiry = false }: DisputeOptions = {}): Stripe.Dispute {
    const { account } = this;
    const charge = account.objects.charges.get(chargeId);
    const status = inquiry ? 'warning_needs_response' : 'needs_response';
    const params = { amount: amount ?? charge.amount, reason, status } as const;
    const dispute = account.objects.disputes.add(newDispute(account, charge, params));
    charge.disputed = true;
    account.emit('charge.dispute.created', dispute);
    if (!inquiry) this.withdrawFunds(dispute);
    return dispute;
  }

  /** Turns an inquiry into a chargeback. */
  escalate(id: string): void {
    const dispute = this.account.objects.disputes.get(id);
    this.account.change('charge.dispute.updated', dispute, { is_charge_refundable: false, status: 'needs_response' });
    this.withdrawFunds(dispute);
  }

  /** Submits evidence. The dispute is then under review by the bank. */
  contest(id: string): void {
    const dispute = this.account.objects.disputes.get(id);
    const status = isInquiry(dispute) ? 'warning_under_review' : 'under_review';
    const submitted = { has_evidence: true, submission_count: 1, submission_method: 'manual' };
    this.account.change('charge.dispute.updated', dispute, {
      evidence_details: { ...dispute.evidence_details, ...submitted },
      status,
    });
  }

  /** An inquiry that was not escalated gets the status `warning_closed` for both outcomes. */
  close(id: string, outcome: 'won' | 'lost'): void {
    const dispute = this.account.objects.disputes.get(id);
    const status = isInquiry(dispute) ? 'warning_closed' : outcome;
    Object.assign(dispute, { status, is_charge_refundable: status !== 'lost' });
    if (status === 'won') {
      dispute.balance_transactions.push(this.balanceTransaction(dispute, dispute.amount, 0));
      this.account.emit('charge.dispute.funds_reinstated', dispute);
    }
    this.account.emit('charge.dispute.closed', dispute);
  }

  private withdrawFunds(dispute: Stripe.Dispute): void {
    dispute.balance_transactions.push(this.balanceTransaction(dispute, -dispute.amount, fee));
    this.account.emit('charge.dispute.funds_withdrawn', dispute);
    if (this.account.settings.onDispute === 'keep') return;
    const subscription = this.subscriptionOf(dispute);
    if (subscription && subscription.status !== 'canceled') this.cancellations.cancel(subscription, 'payment_disputed');
  }

  private subscriptionOf(dispute: Stripe.Dispute): Stripe.Subscription | undefined {
    const { invoicePayments, invoices, subscriptions } = this.account.objects;
    const [payment] = invoicePayments.where((one) => one.payment.payment_intent === dispute.payment_intent);
    const invoice = payment && invoices.get(idOf(payment.invoice));
    return invoice && subscriptions.get(subscriptionOf(invoice));
  }

  private balanceTransaction(dispute: Stripe.Dispute, amount: number, fee: number): Stripe.BalanceTransaction {
    const { account } = this;
    return {
      id: account.id('txn'),
      object: 'balance_transaction',
      amount,
      available_on: account.now(),
      balance_type: 'payments',
      created: account.now(),
      currency: dispute.currency,
      description: `Chargeback ${amount < 0 ? 'withdrawal' : 'reversal'} for ${idOf(dispute.charge)}`,
      exchange_rate: null,
      fee,
      fee_details:
        fee === 0
          ? []
          : [
              {
                amount: fee,
                application: null,
                currency: dispute.currency,
                description: 'Dispute fee',
                type: 'stripe_fee',
              },
            ],
      net: amount - fee,
      reporting_category: amount < 0 ? 'dispute' : 'dispute_reversal',
      source: dispute.id,
      status: 'available',
      type: 'adjustment',
    };
  }
}

const isInquiry = ({ status }: Stripe.Dispute) => status.startsWith('warning_');
