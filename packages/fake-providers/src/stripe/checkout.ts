import type Stripe from 'stripe';
import { type Account, idOf } from './account.js';
import { type Bank } from './billing/bank.js';
import { type Collection } from './billing/collection.js';
import { type Outcome } from './billing/invoices.js';
import { type Subscriptions } from './billing/subscriptions.js';
import { invalid } from './errors.js';
import { type Purchase } from './hidden.js';
import { day } from './settings.js';
import { session as newSession } from './shapes/checkout.js';
import { customer as newCustomer, paymentMethod } from './shapes/customer.js';

export interface CheckoutRequest extends Purchase {
  readonly customer: string | null;
  readonly customerEmail: string | null;
  readonly clientReferenceId: string | null;
  readonly successUrl: string;
  readonly cancelUrl: string | null;
  readonly expiresAt: number | undefined;
  readonly allowPromotionCodes: boolean | null;
  readonly collection: 'always' | 'if_required';
  readonly locale: string | null;
  readonly sessionMetadata: Stripe.Metadata;
}

/** The input of the Checkout page. */
export interface Payer {
  /** The card number; null for a trial that needs no card. */
  readonly card: string | null;
  readonly email: string;
}

export interface CheckoutOutcome {
  readonly outcome: Outcome;
  /** The URL to which the page redirects; null after a decline. */
  readonly redirect: string | null;
}

/** Checkout sessions in subscription mode. https://docs.stripe.com/payments/checkout/build-subscriptions */
export class Checkout {
  constructor(
    private readonly account: Account,
    private readonly page: () => string,
    private readonly bank: Bank,
    private readonly subscriptions: Subscriptions,
    private readonly collection: Collection,
  ) {}

  create(request: CheckoutRequest): Stripe.Checkout.Session {
    const { account } = this;
    if (request.customer !== null) account.customer(request.customer, 'customer');
    const price = account.objects.prices.get(request.price, 'line_items[0][price]');
    if (!price.active) throw invalid('The price specified is inactive.', { param: 'line_items[0][price]' });
    if (!price.recurring) {
      throw invalid('You must provide at least one recurring price in `subscription` mode.', { param: 'line_items' });
    }
    const now = account.now();
    const expiresAt = request.expiresAt ?? now + day;
    if (expiresAt < now + 1800 || expiresAt > now + day) {
      // https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at
      throw invalid(
        'The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.',
        {
          param: 'expires_at',
        },
      );
    }
    const { price: _, metadata, sessionMetadata, ...rest } = request;
    const session = newSession(account, { ...rest, metadata: sessionMetadata, price, expiresAt, page: this.page() });
    account.hidden.purchases[session.id] = {
      price: price.id,
      quantity: request.quantity,
      trialDays: request.trialDays,
      missingPaymentMethod: request.missingPaymentMethod,
      metadata,
    };
    account.schedule('session_expire', session.id, expiresAt);
    return account.objects.sessions.add(session);
  }

  expire(id: string): Stripe.Checkout.Session {
    const session = this.account.objects.sessions.get(id);
    if (session.status !== 'open') {
      throw invalid('Only Checkout Sessions with a status in ["open"] can be expired.', { param: 'session' });
    }
    Object.assign(session, { status: 'expired', url: null });
    this.account.timeline.unschedule('session_expire', id);
    this.account.emit('checkout.session.expired', session);
    return session;
  }

  expireIfOpen(id: string): void {
    if (this.account.objects.sessions.get(id).status === 'open') this.expire(id);
  }

  /** Submits the page. After a decline the session stays open and its subscription stays incomplete. */
  pay(id: string, payer: Payer): CheckoutOutcome {
    const { account } = this;
    const session = account.objects.sessions.get(id);
    const purchase = this.purchase(id);
    if (session.status !== 'open') throw invalid(`This Checkout Session is ${session.status}.`);
    const isTrial = purchase.trialDays !== null;
    if (payer.card === null && !(isTrial && session.payment_method_collection === 'if_required')) {
      throw invalid('This Checkout Session requires a card.');
    }
    const attached = payer.card === null ? 'approved' : this.bank.attach(payer.card);
    if (isTrial && attached !== 'approved') return { outcome: attached, redirect: null };
    const customer = this.customerOf(session, payer.email);
    const method = payer.card === null ? null : this.attach(customer, payer.card);
    const { subscription, outcome } = this.subscribe(session, purchase, customer.id, method);
    if (outcome !== 'paid') return { outcome, redirect: null };
    this.complete(session, subscription, customer, payer.email);
    return { outcome, redirect: session.success_url?.replace('{CHECKOUT_SESSION_ID}', id) ?? null };
  }

  purchase(id: string): Purchase {
    const purchase = this.account.hidden.purchases[id];
    if (!purchase) throw new Error(`The Checkout Session ${id} has no line items.`);
    return purchase;
  }

  /** Attaches a new card to the customer. */
  attach(customer: Stripe.Customer, number: string): Stripe.PaymentMethod {
    const method = this.account.objects.paymentMethods.add(paymentMethod(this.account, customer.id, number));
    this.account.hidden.cards[method.id] = number;
    this.account.emit('payment_method.attached', method);
    return method;
  }

  /** Starts the subscription. After a decline, it retries the open invoice with the new card. */
  private subscribe(
    session: Stripe.Checkout.Session,
    purchase: Purchase,
    customer: string,
    method: Stripe.PaymentMethod | null,
  ): { subscription: Stripe.Subscription; outcome: Outcome } {
    const existing = this.account.hidden.begun[session.id];
    const subscription = existing === undefined ? undefined : this.account.objects.subscriptions.get(existing);
    if (subscription?.status === 'incomplete' && method) {
      this.subscriptions.update(subscription.id, { defaultPaymentMethod: method.id });
      const invoice = this.account.objects.invoices.get(idOf(subscription.latest_invoice ?? ''));
      return { subscription, outcome: this.collection.collect(invoice, true) };
    }
    const started = this.subscriptions.start({ ...purchase, customer, paymentMethod: method?.id ?? null });
    this.account.hidden.begun[session.id] = started.subscription.id;
    return started;
  }

  private complete(
    session: Stripe.Checkout.Session,
    subscription: Stripe.Subscription,
    customer: Stripe.Customer,
    email: string,
  ): void {
    this.account.timeline.unschedule('session_expire', session.id);
    Object.assign(session, {
      customer: customer.id,
      customer_details: {
        address: null,
        business_name: null,
        email,
        individual_name: null,
        name: customer.name ?? null,
        phone: null,
        tax_exempt: 'none',
        tax_ids: [],
      },
      invoice: subscription.latest_invoice,
      // A trial is "delayed to a future date": https://docs.stripe.com/api/checkout/sessions/object
      payment_status: subscription.trial_end === null ? 'paid' : 'no_payment_required',
      status: 'complete',
      subscription: subscription.id,
      url: null,
    } satisfies Partial<Stripe.Checkout.Session>);
    this.account.emit('checkout.session.completed', session);
  }

  private customerOf(session: Stripe.Checkout.Session, email: string): Stripe.Customer {
    const { account } = this;
    if (session.customer !== null) return account.customer(idOf(session.customer));
    const customer = newCustomer(account, { email, name: null, description: null, metadata: {} });
    account.objects.customers.add(customer);
    account.emit('customer.created', customer);
    session.customer = customer.id;
    return customer;
  }
}
