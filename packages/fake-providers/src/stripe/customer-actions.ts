import type Stripe from 'stripe';
import { type Account, idOf } from './account.js';
import { type Collection } from './billing/collection.js';
import { type Outcome } from './billing/invoices.js';
import { type Checkout } from './checkout.js';
import { invalid } from './errors.js';

/** What a person does on the pages that Stripe hosts: the billing portal and the page of an invoice. */
export class CustomerActions {
  constructor(
    private readonly account: Account,
    private readonly checkout: Checkout,
    private readonly collection: Collection,
  ) {}

  /** Everything that the customer pays is paid by this card from now on. */
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

  /** The page behind `hosted_invoice_url`. */
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
