import type Stripe from 'stripe';
import { type Account, idOf, idOrNull } from '../account.js';
import { type DeclineCode } from '../hidden.js';
import { minCharge } from '../settings.js';
import { invoice as newInvoice, type NewInvoice, subscriptionOf } from '../shapes/invoice.js';
import { charge as newCharge, declineOf, invoicePayment, paymentIntent } from '../shapes/payment.js';
import { type Bank } from './bank.js';

/** The outcome of an attempt to collect an invoice. */
export type Outcome = 'paid' | 'no_payment_method' | DeclineCode;

/** The lifecycle of an invoice: draft, open, paid or void. https://docs.stripe.com/invoicing/overview#invoice-statuses */
export class Invoices {
  constructor(
    private readonly account: Account,
    private readonly bank: Bank,
  ) {}

  draft(params: NewInvoice): Stripe.Invoice {
    const { account } = this;
    const invoice = account.objects.invoices.add(newInvoice(account, params));
    for (const debits of Object.values(account.hidden.debits)) {
      for (const [place, debit] of debits.entries()) {
        const isBilledHere = params.lines.some(({ id }) => id === debit.line);
        if (isBilledHere) debits[place] = { ...debit, invoice: invoice.id };
      }
    }
    account.emit('invoice.created', invoice);
    return invoice;
  }

  /** Fixes the amount due, including the customer's balance, and creates the payment that will collect it. */
  finalize(invoice: Stripe.Invoice): void {
    const { account } = this;
    const customer = account.customer(idOf(invoice.customer ?? ''));
    const owed = invoice.total + customer.balance;
    const isBelowMinimum = owed < minCharge;
    const due = isBelowMinimum ? 0 : owed;
    const number = `${customer.invoice_prefix}-${String(customer.next_invoice_sequence).padStart(4, '0')}`;
    Object.assign(invoice, {
      amount_due: due,
      amount_remaining: due,
      automatically_finalizes_at: null,
      effective_at: account.now(),
      starting_balance: customer.balance,
      ending_balance: isBelowMinimum ? owed : 0,
      hosted_invoice_url: `https://invoice.stripe.com/i/${invoice.id}`,
      invoice_pdf: `https://pay.stripe.com/invoice/${invoice.id}/pdf`,
      number,
      status: 'open',
      status_transitions: { ...invoice.status_transitions, finalized_at: account.now() },
    } satisfies Partial<Stripe.Invoice>);
    account.change('customer.updated', customer, {
      balance: invoice.ending_balance ?? 0,
      currency: invoice.currency,
      next_invoice_sequence: (customer.next_invoice_sequence ?? 1) + 1,
    });
    account.emit('invoice.finalized', invoice);
    if (due > 0) {
      const intent = account.objects.paymentIntents.add(paymentIntent(account, invoice, null));
      account.objects.invoicePayments.add(invoicePayment(account, invoice, intent));
      account.emit('payment_intent.created', intent);
    }
  }

  /**
   * Makes one attempt to collect an open invoice.
   *
   * @param present whether the customer can authenticate: at Checkout, but not at a renewal.
   */
  attempt(invoice: Stripe.Invoice, present: boolean): Outcome {
    if (invoice.amount_due === 0) {
      this.markPaid(invoice);
      return 'paid';
    }
    Object.assign(invoice, { attempt_count: invoice.attempt_count + 1, attempted: true, next_payment_attempt: null });
    const payment = this.paymentOf(invoice);
    const intent = this.account.objects.paymentIntents.get(idOf(payment.payment.payment_intent ?? ''));
    const method = this.paymentMethodFor(invoice);
    if (!method) return 'no_payment_method';
    const customer = idOf(invoice.customer ?? '');
    const verdict = this.bank.charge(customer, method.id, present);
    if (verdict !== 'approved') {
      this.decline(intent, method, verdict);
      return verdict;
    }
    const charge = this.account.objects.charges.add(newCharge(this.account, intent, method, null));
    Object.assign(intent, {
      amount_received: intent.amount,
      last_payment_error: null,
      latest_charge: charge.id,
      payment_method: method.id,
      status: 'succeeded',
    } satisfies Partial<Stripe.PaymentIntent>);
    this.account.emit('charge.succeeded', charge);
    this.account.emit('payment_intent.succeeded', intent);
    Object.assign(payment, {
      amount_paid: payment.amount_requested,
      status: 'paid',
      status_transitions: { canceled_at: null, paid_at: this.account.now() },
    } satisfies Partial<Stripe.InvoicePayment>);
    this.account.emit('invoice_payment.paid', payment);
    this.markPaid(invoice);
    return 'paid';
  }

  /** Voids the invoice, and restores what it took from the customer's balance. */
  void(invoice: Stripe.Invoice): void {
    const { account } = this;
    const customer = account.customer(idOf(invoice.customer ?? ''));
    const taken = invoice.starting_balance - (invoice.ending_balance ?? invoice.starting_balance);
    account.change('customer.updated', customer, { balance: customer.balance + taken });
    Object.assign(invoice, {
      auto_advance: false,
      next_payment_attempt: null,
      status: 'void',
      status_transitions: { ...invoice.status_transitions, voided_at: account.now() },
    } satisfies Partial<Stripe.Invoice>);
    account.emit('invoice.voided', invoice);
  }

  /** @returns the default payment method of the subscription, or else of its customer. */
  paymentMethodFor(invoice: Stripe.Invoice): Stripe.PaymentMethod | undefined {
    const { subscriptions, paymentMethods } = this.account.objects;
    const subscription = subscriptions.get(subscriptionOf(invoice));
    const customer = this.account.customer(idOf(subscription.customer));
    const id = subscription.default_payment_method ?? customer.invoice_settings.default_payment_method;
    return id === null ? undefined : paymentMethods.find(idOf(id));
  }

  paymentOf(invoice: Stripe.Invoice): Stripe.InvoicePayment {
    const [payment] = this.account.objects.invoicePayments.where((one) => idOf(one.invoice) === invoice.id);
    if (!payment) throw new Error(`The invoice ${invoice.id} has no payment.`);
    return payment;
  }

  private decline(intent: Stripe.PaymentIntent, method: Stripe.PaymentMethod, verdict: DeclineCode): void {
    const charge = this.account.objects.charges.add(newCharge(this.account, intent, method, verdict));
    const needsAction = verdict === 'authentication_required';
    Object.assign(intent, {
      last_payment_error: {
        ...declineOf(verdict),
        charge: charge.id,
        decline_code: verdict,
        payment_method: method,
        type: 'card_error',
      },
      latest_charge: charge.id,
      payment_method: null,
      status: needsAction ? 'requires_action' : 'requires_payment_method',
    } satisfies Partial<Stripe.PaymentIntent>);
    this.account.emit('charge.failed', charge);
    this.account.emit('payment_intent.payment_failed', intent);
  }

  private markPaid(invoice: Stripe.Invoice): void {
    this.account.change('invoice.updated', invoice, {
      amount_paid: invoice.amount_due,
      amount_remaining: 0,
      attempted: true,
      auto_advance: false,
      next_payment_attempt: null,
      status: 'paid',
      status_transitions: { ...invoice.status_transitions, paid_at: this.account.now() },
    });
    this.account.emit('invoice.paid', invoice);
    this.account.emit('invoice.payment_succeeded', invoice);
  }

  /** The draft and open invoices of a subscription. */
  unsettled(subscription: string): Stripe.Invoice[] {
    return this.account.objects.invoices.where(
      (invoice) =>
        idOrNull(invoice.parent?.subscription_details?.subscription) === subscription &&
        (invoice.status === 'draft' || invoice.status === 'open'),
    );
  }
}
