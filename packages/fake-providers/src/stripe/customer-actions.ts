import type Stripe from 'stripe';
import { type Account, idOf } from './account.js';
import { type Collection } from './billing/collection.js';
import { type Outcome } from './billing/invoices.js';
import { type Checkout } from './checkout.js';
import { invalid } from './errors.js';

/** The actions of a customer on pages that Stripe hosts: the billing portal and the invoice page. */
export class CustomerActions {
  constructor(
    private readonly account: Account,
    private readonly checkout: Checkout,
    private readonly collection: Collection,
  ) {}

  /** Charges this card for all later payments of the customer. */
  replaceCard(customerId: string, number: string): Stripe.PaymentMethod {
    const { account } = this;
    const customer = account.customer(customerId);
    const method = this.checkout.attach(customer, number);
    account.change('customer.updated', customer, {
      invoice_settings: { ...customer.invoice_settings, default_payment_method: method.id },
    });
    for (const subscription of this.runningSubscriptions(customerId)) {
      account.change('customer.subscription.updated', subscription, { default_payment_method: method.id });
    }
    return method;
  }

  /** Pays on the page at `hosted_invoice_url`. */
  payOpenInvoice(subscription: string): Outcome {
    const { invoices, subscriptions } = this.account.objects;
    const { latest_invoice } = subscriptions.get(subscription);
    const invoice = invoices.get(idOf(latest_invoice ?? ''));
    if (invoice.status !== 'open') throw invalid(`The latest invoice of ${subscription} is ${invoice.status}.`);
    return this.collection.collect(invoice, true);
  }

  runningSubscriptions(customer: string): Stripe.Subscription[] {
    return this.account.objects.subscriptions.where(
      (one) => idOf(one.customer) === customer && !['canceled', 'incomplete_expired'].includes(one.status),
    );
  }
}
