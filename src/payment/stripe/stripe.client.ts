import Stripe from 'stripe';
import { type GatekeeperConfig } from '../../platform/config/index.js';
import { ProviderRefusal, ProviderUnavailable } from '../providers/provider-errors.js';

type StripeSettings = NonNullable<GatekeeperConfig['stripe']>;

/** All that Stripe knows of a customer's money. Lists are whole. */
export interface StripeCustomerMoney {
  /** With the payment method, which a trial is remembered by. */
  readonly subscriptions: readonly Stripe.Subscription[];
  /** With the payments that paid them. */
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

/** For one answer. */
const patienceMs = 8_000;
const page = { limit: 100 };

/**
 * Stripe, as far as this service asks it. The one file that knows how to reach it.
 *
 * @throws {ProviderUnavailable} and {ProviderRefusal}, from every method
 */
export class StripeClient {
  private readonly stripe: Stripe;

  constructor({ secretKey, apiUrl }: StripeSettings, timeoutMs = patienceMs) {
    const address = apiUrl === undefined ? {} : addressOf(apiUrl);
    this.stripe = new Stripe(secretKey, { timeout: timeoutMs, maxNetworkRetries: 0, telemetry: false, ...address });
  }

  async moneyOf(customer: string): Promise<StripeCustomerMoney> {
    const { subscriptions, invoices } = this.stripe;
    const [allSubscriptions, allInvoices, moved] = await Promise.all([
      asking(() =>
        whole(subscriptions.list({ customer, status: 'all', expand: ['data.default_payment_method'], ...page })),
      ),
      asking(() => whole(invoices.list({ customer, expand: ['data.payments'], ...page }))),
      this.movedOf(customer),
    ]);
    return { subscriptions: allSubscriptions, invoices: allInvoices, ...moved };
  }

  /** What a customer has paid, and what came back. Also of one who was deleted. */
  async movedOf(customer: string): Promise<Pick<StripeCustomerMoney, 'charges' | 'disputes'>> {
    const { charges, refunds, disputes } = this.stripe;
    return asking(async () => {
      const someCharges = await whole(charges.list({ customer, expand: ['data.refunds'], ...page }));
      const allCharges = someCharges.map(async (charge) => {
        if (charge.refunds?.has_more !== true) return charge;
        return {
          ...charge,
          refunds: { ...charge.refunds, data: await whole(refunds.list({ charge: charge.id, ...page })) },
        };
      });
      const disputed = someCharges.filter((charge) => charge.disputed);
      const allDisputes = disputed.map((charge) => whole(disputes.list({ charge: charge.id, ...page })));
      const moved = await Promise.all([Promise.all(allCharges), Promise.all(allDisputes)]);
      return { charges: moved[0], disputes: moved[1].flat() };
    });
  }

  /** The customer who paid a charge, if it was one. */
  async customerOfCharge(charge: string): Promise<string | undefined> {
    const { customer } = await asking(() => this.stripe.charges.retrieve(charge));
    return customer === null ? undefined : idOf(customer);
  }

  async isDeletedCustomer(customer: string): Promise<boolean> {
    return (await asking(() => this.stripe.customers.retrieve(customer))).deleted === true;
  }

  async createCustomer(account: string, email: string | undefined, idempotencyKey: string): Promise<string> {
    const created = this.stripe.customers.create({ email, metadata: { account } }, { idempotencyKey });
    return (await asking(() => created)).id;
  }

  /** @param email none takes away the one that Stripe has */
  async setEmail(customer: string, email: string | null): Promise<void> {
    await asking(() => this.stripe.customers.update(customer, { email: email ?? '' }));
  }

  /**
   * Customers who were made for an account (see `createCustomer`). Those with its address are listed; those with a former one
   * are searched for, where Stripe lets merchants search, by an index that may be late: https://docs.stripe.com/search
   */
  async customersOf(account: string, email: string | null): Promise<string[]> {
    const { customers } = this.stripe;
    const listed = email === null ? [] : await asking(() => whole(customers.list({ email, ...page })));
    const query = `metadata["account"]:"${account}"`;
    const searched = await asking(() => whole(customers.search({ query, ...page }))).catch((error: unknown) => {
      unlessRefused(error);
      return [];
    });
    const ids = [...listed, ...searched].filter(({ metadata }) => metadata['account'] === account).map(({ id }) => id);
    return [...new Set(ids)];
  }

  /** Ends everything of a customer at once: open checkouts, subscriptions, cards. One that is gone is no error. */
  async deleteCustomer(customer: string): Promise<void> {
    try {
      await this.expireCheckouts(customer);
      await asking(() => this.stripe.customers.del(customer));
    } catch (error) {
      const isRefusal = error instanceof ProviderRefusal;
      if (!isRefusal || (error.code !== 'resource_missing' && !(await this.isDeletedCustomer(customer)))) throw error;
    }
  }

  async price(id: string): Promise<Stripe.Price> {
    return asking(() => this.stripe.prices.retrieve(id));
  }

  /** Ends the checkouts that a customer has begun and not finished. One that was paid in this moment stays. */
  async expireCheckouts(customer: string): Promise<void> {
    const { sessions } = this.stripe.checkout;
    await asking(async () => {
      for (const { id } of await whole(sessions.list({ customer, status: 'open', ...page }))) {
        await asking(() => sessions.expire(id)).catch(unlessRefused);
      }
    });
  }

  /** @returns where the person goes to pay */
  async createCheckout(given: NewCheckout): Promise<string> {
    const trial = given.trialDays > 0 && { trial_period_days: given.trialDays };
    const session = await asking(() =>
      this.stripe.checkout.sessions.create(
        {
          mode: 'subscription',
          customer: given.customer,
          line_items: [{ price: given.price, quantity: 1 }],
          success_url: given.successUrl,
          cancel_url: given.cancelUrl,
          expires_at: Math.floor(given.expiresAt.getTime() / 1000),
          // A trial without a card would be one that no card is remembered by.
          payment_method_collection: 'always',
          subscription_data: { ...trial },
        },
        { idempotencyKey: given.idempotencyKey },
      ),
    );
    if (session.url === null) throw new ProviderRefusal('stripe', 'no_checkout_url');
    return session.url;
  }

  /** @returns where the person manages cards and invoices */
  async createPortal(customer: string, returnUrl: string): Promise<string> {
    const session = this.stripe.billingPortal.sessions.create({ customer, return_url: returnUrl });
    return (await asking(() => session)).url;
  }

  async setCancelAtPeriodEnd(subscription: string, cancel: boolean): Promise<void> {
    await asking(() => this.stripe.subscriptions.update(subscription, { cancel_at_period_end: cancel }));
  }

  /** Ends it at once, without an invoice or money back. One that has ended already is no error. */
  async cancelNow(subscription: string): Promise<void> {
    await asking(() => this.stripe.subscriptions.cancel(subscription)).catch(unlessRefused);
  }

  /**
   * Moves a subscription to another price at once.
   *
   * @param paidNow what is to be paid is paid now, or the change is refused; else it leaves a credit for the next invoice
   */
  async changePrice(subscription: string, item: string, price: string, paidNow: boolean): Promise<void> {
    const change = this.stripe.subscriptions.update(subscription, {
      items: [{ id: item, price }],
      proration_behavior: paidNow ? 'always_invoice' : 'create_prorations',
      payment_behavior: paidNow ? 'error_if_incomplete' : 'allow_incomplete',
    });
    await asking(() => change);
  }

  /** What a subscription pays for now. */
  async itemOf(subscription: string): Promise<{ id: string; price: string }> {
    const { items } = await asking(() => this.stripe.subscriptions.retrieve(subscription));
    const [item] = items.data;
    if (item === undefined) throw new ProviderRefusal('stripe', 'no_item');
    return { id: item.id, price: item.price.id };
  }

  /** Where a charge's receipt can be read now; such links expire. */
  async receiptOf(charge: string): Promise<string | undefined> {
    return (await asking(() => this.stripe.charges.retrieve(charge))).receipt_url ?? undefined;
  }

  /** Every subscription of the account, page by page. */
  async *allSubscriptions(): AsyncGenerator<Stripe.Subscription> {
    yield* each(this.stripe.subscriptions.list({ status: 'all', ...page }));
  }

  async *chargesSince(since: Date): AsyncGenerator<Stripe.Charge> {
    yield* each(this.stripe.charges.list({ created: { gte: seconds(since) }, ...page }));
  }

  /** With their charges. */
  async *refundsSince(since: Date): AsyncGenerator<Stripe.Refund> {
    yield* each(this.stripe.refunds.list({ created: { gte: seconds(since) }, expand: ['data.charge'], ...page }));
  }

  /** With their charges. */
  async *allDisputes(): AsyncGenerator<Stripe.Dispute> {
    yield* each(this.stripe.disputes.list({ expand: ['data.charge'], ...page }));
  }
}

export const idOf = (reference: string | { readonly id: string }): string =>
  typeof reference === 'string' ? reference : reference.id;

/** The library takes a URL in parts, and the port of TLS for the default of both schemes. */
function addressOf(url: string): Stripe.StripeConfig {
  const { hostname: host, port, protocol } = new URL(url);
  return protocol === 'https:'
    ? { host, port: port || 443, protocol: 'https' }
    : { host, port: port || 80, protocol: 'http' };
}

const seconds = (date: Date) => Math.floor(date.getTime() / 1000);

/** To the end: Stripe's own helper stops at a number without a word. */
async function whole<T>(list: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of list) all.push(one);
  return all;
}

async function* each<T>(list: AsyncIterable<T>): AsyncGenerator<T> {
  const pages = list[Symbol.asyncIterator]();
  for (;;) {
    const next = await asking(() => pages.next());
    if (next.done === true) return;
    yield next.value;
  }
}

/** For what may have happened already. */
function unlessRefused(error: unknown): void {
  if (!(error instanceof ProviderRefusal)) throw error;
}

async function asking<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (error) {
    throw toProviderError(error);
  }
}

/** https://docs.stripe.com/api/errors: what is not about this request says nothing of what was asked. */
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
