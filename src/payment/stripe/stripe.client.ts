import Stripe from 'stripe';
import { type GatekeeperConfig } from '../../platform/config/index.js';
import { ProviderRefusal, ProviderUnavailable } from '../providers/provider-errors.js';

type StripeSettings = NonNullable<GatekeeperConfig['stripe']>;

/** A customer's subscriptions and payments at Stripe. The lists are complete. */
export interface StripeBilling {
  /** With the payment method: a trial is recorded under its fingerprint. */
  readonly subscriptions: readonly Stripe.Subscription[];
  /** With their payments. */
  readonly invoices: readonly Stripe.Invoice[];
  /** With their refunds. */
  readonly charges: readonly Stripe.Charge[];
  readonly disputes: readonly Stripe.Dispute[];
}

export interface NewCheckout {
  readonly customer: string;
  readonly price: string;
  readonly trialDays: number;
  readonly successUrl: string;
  readonly cancelUrl: string;
  readonly expiresAt: Date;
  /** The same key gives the same session. */
  readonly idempotencyKey: string;
}

/** Per request. */
const defaultTimeoutMs = 8_000;
const page = { limit: 100 };

/**
 * The calls to Stripe that this service needs. No other file uses Stripe's API.
 *
 * @throws {ProviderUnavailable} and {ProviderRefusal}, from every method
 */
export class StripeClient {
  private readonly stripe: Stripe;

  constructor({ secretKey, apiUrl }: StripeSettings, timeoutMs = defaultTimeoutMs) {
    const address = apiUrl === undefined ? {} : hostConfig(apiUrl);
    this.stripe = new Stripe(secretKey, { timeout: timeoutMs, maxNetworkRetries: 0, telemetry: false, ...address });
  }

  async billingOf(customer: string): Promise<StripeBilling> {
    const { subscriptions, invoices } = this.stripe;
    const [allSubscriptions, allInvoices, moved] = await Promise.all([
      callStripe(() =>
        collectAll(subscriptions.list({ customer, status: 'all', expand: ['data.default_payment_method'], ...page })),
      ),
      callStripe(() => collectAll(invoices.list({ customer, expand: ['data.payments'], ...page }))),
      this.chargesAndDisputesOf(customer),
    ]);
    return { subscriptions: allSubscriptions, invoices: allInvoices, ...moved };
  }

  /** Works for a deleted customer too. Charges include all their refunds. */
  async chargesAndDisputesOf(customer: string): Promise<Pick<StripeBilling, 'charges' | 'disputes'>> {
    const { charges, refunds, disputes } = this.stripe;
    return callStripe(async () => {
      const someCharges = await collectAll(charges.list({ customer, expand: ['data.refunds'], ...page }));
      const allCharges = someCharges.map(async (charge) => {
        if (charge.refunds?.has_more !== true) return charge;
        return {
          ...charge,
          refunds: { ...charge.refunds, data: await collectAll(refunds.list({ charge: charge.id, ...page })) },
        };
      });
      const disputed = someCharges.filter((charge) => charge.disputed);
      const allDisputes = disputed.map((charge) => collectAll(disputes.list({ charge: charge.id, ...page })));
      const moved = await Promise.all([Promise.all(allCharges), Promise.all(allDisputes)]);
      return { charges: moved[0], disputes: moved[1].flat() };
    });
  }

  /** @returns undefined if the charge was paid without a customer */
  async customerOfCharge(charge: string): Promise<string | undefined> {
    const { customer } = await callStripe(() => this.stripe.charges.retrieve(charge));
    return customer === null ? undefined : idOf(customer);
  }

  async isDeletedCustomer(customer: string): Promise<boolean> {
    return (await callStripe(() => this.stripe.customers.retrieve(customer))).deleted === true;
  }

  async createCustomer(account: string, email: string | undefined, idempotencyKey: string): Promise<string> {
    const created = this.stripe.customers.create({ email, metadata: { account } }, { idempotencyKey });
    return (await callStripe(() => created)).id;
  }

  /** @param email null removes the address that Stripe has */
  async setEmail(customer: string, email: string | null): Promise<void> {
    await callStripe(() => this.stripe.customers.update(customer, { email: email ?? '' }));
  }

  /**
   * All customers that `createCustomer` made for an account. Lists those with the account's current address, and searches for
   * those with a former one. The search index may lag, and is not available in every country: https://docs.stripe.com/search
   */
  async customersOf(account: string, email: string | null): Promise<string[]> {
    const { customers } = this.stripe;
    const listed = email === null ? [] : await callStripe(() => collectAll(customers.list({ email, ...page })));
    const query = `metadata["account"]:"${account}"`;
    const searched = await callStripe(() => collectAll(customers.search({ query, ...page }))).catch(
      (error: unknown) => {
        ignoreRefusal(error);
        return [];
      },
    );
    const ids = [...listed, ...searched].filter(({ metadata }) => metadata['account'] === account).map(({ id }) => id);
    return [...new Set(ids)];
  }

  /** Deletes a customer with their open checkouts, subscriptions and cards. Succeeds if the customer is already gone. */
  async deleteCustomer(customer: string): Promise<void> {
    try {
      await this.expireCheckouts(customer);
      await callStripe(() => this.stripe.customers.del(customer));
    } catch (error) {
      const isRefusal = error instanceof ProviderRefusal;
      if (!isRefusal || (error.code !== 'resource_missing' && !(await this.isDeletedCustomer(customer)))) throw error;
    }
  }

  async price(id: string): Promise<Stripe.Price> {
    return callStripe(() => this.stripe.prices.retrieve(id));
  }

  /** Expires a customer's open checkouts. A checkout that is paid at the same moment stays. */
  async expireCheckouts(customer: string): Promise<void> {
    const { sessions } = this.stripe.checkout;
    await callStripe(async () => {
      for (const { id } of await collectAll(sessions.list({ customer, status: 'open', ...page }))) {
        await callStripe(() => sessions.expire(id)).catch(ignoreRefusal);
      }
    });
  }

  /** @returns the URL where the user pays */
  async createCheckout(checkout: NewCheckout): Promise<string> {
    const trial = checkout.trialDays > 0 && { trial_period_days: checkout.trialDays };
    const session = await callStripe(() =>
      this.stripe.checkout.sessions.create(
        {
          mode: 'subscription',
          customer: checkout.customer,
          line_items: [{ price: checkout.price, quantity: 1 }],
          success_url: checkout.successUrl,
          cancel_url: checkout.cancelUrl,
          expires_at: Math.floor(checkout.expiresAt.getTime() / 1000),
          // Also for a trial: without a card there would be no fingerprint to record the trial under.
          payment_method_collection: 'always',
          subscription_data: { ...trial },
        },
        { idempotencyKey: checkout.idempotencyKey },
      ),
    );
    if (session.url === null) throw new ProviderRefusal('stripe', 'no_checkout_url');
    return session.url;
  }

  /** @returns the URL where the user manages cards and invoices */
  async createPortal(customer: string, returnUrl: string): Promise<string> {
    const session = this.stripe.billingPortal.sessions.create({ customer, return_url: returnUrl });
    return (await callStripe(() => session)).url;
  }

  async setCancelAtPeriodEnd(subscription: string, cancel: boolean): Promise<void> {
    await callStripe(() => this.stripe.subscriptions.update(subscription, { cancel_at_period_end: cancel }));
  }

  /** Ends a subscription at once, without an invoice or refund. Succeeds if it has already ended. */
  async cancelNow(subscription: string): Promise<void> {
    await callStripe(() => this.stripe.subscriptions.cancel(subscription)).catch(ignoreRefusal);
  }

  /**
   * Moves a subscription to another price at once.
   *
   * @param paidNow true charges the difference now, and refuses the change if that fails; false settles it on the next invoice
   */
  async changePrice(subscription: string, item: string, price: string, paidNow: boolean): Promise<void> {
    const change = this.stripe.subscriptions.update(subscription, {
      items: [{ id: item, price }],
      proration_behavior: paidNow ? 'always_invoice' : 'create_prorations',
      payment_behavior: paidNow ? 'error_if_incomplete' : 'allow_incomplete',
    });
    await callStripe(() => change);
  }

  /** The subscription's item, with its current price. */
  async itemOf(subscription: string): Promise<{ id: string; price: string }> {
    const { items } = await callStripe(() => this.stripe.subscriptions.retrieve(subscription));
    const [item] = items.data;
    if (item === undefined) throw new ProviderRefusal('stripe', 'no_item');
    return { id: item.id, price: item.price.id };
  }

  /** A link to a charge's receipt. The link expires. */
  async receiptOf(charge: string): Promise<string | undefined> {
    return (await callStripe(() => this.stripe.charges.retrieve(charge))).receipt_url ?? undefined;
  }

  /** Every subscription of the Stripe account, page by page. */
  async *allSubscriptions(): AsyncGenerator<Stripe.Subscription> {
    yield* eachItem(this.stripe.subscriptions.list({ status: 'all', ...page }));
  }

  async *chargesSince(since: Date): AsyncGenerator<Stripe.Charge> {
    yield* eachItem(this.stripe.charges.list({ created: { gte: seconds(since) }, ...page }));
  }

  /** With their charges. */
  async *refundsSince(since: Date): AsyncGenerator<Stripe.Refund> {
    yield* eachItem(this.stripe.refunds.list({ created: { gte: seconds(since) }, expand: ['data.charge'], ...page }));
  }

  /** With their charges. */
  async *allDisputes(): AsyncGenerator<Stripe.Dispute> {
    yield* eachItem(this.stripe.disputes.list({ expand: ['data.charge'], ...page }));
  }
}

export const idOf = (reference: string | { readonly id: string }): string =>
  typeof reference === 'string' ? reference : reference.id;

/** Stripe's library takes a URL in parts, and would use port 443 for http too. */
function hostConfig(url: string): Stripe.StripeConfig {
  const { hostname: host, port, protocol } = new URL(url);
  return protocol === 'https:'
    ? { host, port: port || 443, protocol: 'https' }
    : { host, port: port || 80, protocol: 'http' };
}

const seconds = (date: Date) => Math.floor(date.getTime() / 1000);

/** Reads a list to its end. Stripe's `autoPagingToArray` would stop silently at its limit. */
async function collectAll<T>(list: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of list) all.push(one);
  return all;
}

async function* eachItem<T>(list: AsyncIterable<T>): AsyncGenerator<T> {
  const pages = list[Symbol.asyncIterator]();
  for (;;) {
    const next = await callStripe(() => pages.next());
    if (next.done === true) return;
    yield next.value;
  }
}

/** For calls that Stripe refuses if they have already taken effect. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ProviderRefusal)) throw error;
}

async function callStripe<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toProviderError(error);
  }
}

/** https://docs.stripe.com/api/errors: 400, 402 and 404 refuse this request. Other errors say nothing about it: retry later. */
function toProviderError(error: unknown): unknown {
  if (!(error instanceof Stripe.errors.StripeError)) return error;
  const { statusCode, code, type, rawType } = error;
  const isAboutRequest = statusCode !== undefined && [400, 402, 404].includes(statusCode);
  if (isAboutRequest && code !== 'lock_timeout') {
    const why = rawType === 'card_error' ? 'declined' : statusCode === 404 ? 'missing' : 'invalid';
    return new ProviderRefusal('stripe', code ?? type, why);
  }
  return new ProviderUnavailable('stripe', statusCode === undefined ? 'connection' : `status_${statusCode}`);
}
