import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { type User } from '../../auth/index.js';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../../platform/config/index.js';
import { AppError } from '../../platform/errors/index.js';
import { SubscriptionService, TrialsService } from '../../subscription/index.js';
import { AppleStandingService } from '../apple/apple-standing.service.js';
import { BilledAddressesService } from '../customers/billed-addresses.service.js';
import { CustomersStore } from '../customers/customers.store.js';
import { type CheckoutRequest, type CheckoutStarted } from '../payment.schema.js';
import { PlanPricesStore } from '../plans/plan-prices.store.js';
import { paymentProblem } from '../providers/provider-errors.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import { type StripeClient } from '../stripe/stripe.client.js';
import { ProviderFetchesService } from '../webhooks/provider-fetches.service.js';
import { CheckoutStore } from './checkout.store.js';
import { isAllowedReturn } from './return-url.js';

/** Renewed between the questions of an attempt; longer than Stripe may take to open what was asked for. */
const leaseMs = 60_000;
/** Stripe's shortest; a checkout that lies about longer than this is begun again. */
const openMs = 31 * 60_000;

/**
 * Begins checkouts, so that nobody pays twice. One attempt of a person at a time; it first ends the checkouts that they left
 * open, then asks the providers what they have already, and only then opens another. So at most one is open, and none of
 * somebody who has paid. What gives access from elsewhere while one is open closes it: see `OpenCheckoutsService`.
 */
@Injectable()
export class CheckoutService {
  constructor(
    private readonly stripe: OptionalStripe,
    private readonly store: CheckoutStore,
    private readonly customers: CustomersStore,
    private readonly addresses: BilledAddressesService,
    private readonly prices: PlanPricesStore,
    private readonly subscriptions: SubscriptionService,
    private readonly apple: AppleStandingService,
    private readonly trials: TrialsService,
    private readonly fetches: ProviderFetchesService,
    private readonly clock: Clock,
    @Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig,
  ) {}

  /**
   * @throws {AppError} `payment_provider_not_offered`, `return_url_not_allowed`, `price_not_offered`, `access_blocked`,
   * `already_subscribed`, `checkout_in_progress`, `payment_refused`, `payment_provider_unavailable`
   */
  async begin(person: User, request: CheckoutRequest): Promise<CheckoutStarted> {
    const stripe = this.stripe.get();
    this.allowReturn(request.successUrl, request.cancelUrl);
    const price = await this.prices.offered(request.planId, 'stripe', request.interval);
    if (price === undefined) throw new AppError('price_not_offered', 'This plan is not sold so. See GET /plans.');
    await this.subscriptions.refuseSecondPayment(person.userId);
    return this.alone(person.userId, async (attempt, stillAlone) => {
      const customer = await this.customerOf(stripe, person, attempt);
      await stillAlone();
      await stripe.expireCheckouts(customer);
      await stillAlone();
      const { deadLetterReason } = await this.fetches.fetch({ provider: 'stripe', objectRef: customer });
      if (deadLetterReason !== undefined) throw notUnderstood('Stripe');
      await stillAlone();
      if (!(await this.apple.isUnderstood(person.userId))) throw notUnderstood('Apple');
      await this.subscriptions.refuseSecondPayment(person.userId);
      const trialDays = await this.trials.daysDue(person);
      const expiresAt = new Date(this.clock.now().getTime() + openMs);
      const { successUrl, cancelUrl } = request;
      const given = { customer, price: price.priceRef, trialDays, successUrl, cancelUrl, expiresAt };
      await stillAlone();
      const url = await stripe.createCheckout({ ...given, idempotencyKey: `checkout:${attempt}` });
      await this.refuseWhoGotAccess(stripe, person.userId, customer);
      return { url, expiresAt: expiresAt.toISOString(), trialDays };
    });
  }

  /**
   * Where a person manages cards and invoices.
   *
   * @throws {AppError} `payment_provider_not_offered`, `return_url_not_allowed`, `nothing_paid_yet`, `payment_provider_unavailable`
   */
  async portal({ userId }: User, returnUrl: string): Promise<{ url: string }> {
    const stripe = this.stripe.get();
    this.allowReturn(returnUrl);
    const customer = (await this.customers.byId(userId))?.stripeCustomerId ?? undefined;
    if (customer === undefined)
      throw new AppError('nothing_paid_yet', 'This account has paid nothing through Stripe yet.');
    try {
      return { url: await stripe.createPortal(customer, returnUrl) };
    } catch (error) {
      throw paymentProblem(error);
    }
  }

  private allowReturn(...urls: readonly string[]): void {
    const { returnUrls = [] } = this.config.stripe ?? {};
    if (urls.every((url) => isAllowedReturn(url, returnUrls))) return;
    throw new AppError('return_url_not_allowed', 'Expected an address that the operator allows (PAYMENT_RETURN_URLS).');
  }

  /**
   * What gave access while the checkout was being opened may have found none to close yet. What comes after this question
   * finds it.
   */
  private async refuseWhoGotAccess(stripe: StripeClient, userId: string, customer: string): Promise<void> {
    try {
      await this.subscriptions.refuseSecondPayment(userId);
    } catch (error) {
      await stripe.expireCheckouts(customer);
      throw error;
    }
  }

  /** @param begin is told its attempt, and how to make sure that it is still the only one: if not, it must go no further */
  private async alone<T>(
    userId: string,
    begin: (attempt: string, stillAlone: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const attempt = randomUUID();
    const now = this.clock.now();
    const until = () => new Date(this.clock.now().getTime() + leaseMs);
    if (!(await this.store.lease(userId, attempt, now, until()))) throw inProgress();
    try {
      return await begin(attempt, async () => {
        if (!(await this.store.renew(userId, attempt, until()))) throw inProgress();
      });
    } catch (error) {
      throw paymentProblem(error);
    } finally {
      await this.store.release(userId, attempt);
    }
  }

  /** The person's customer at Stripe; a new one in the place of one that was deleted there. */
  private async customerOf(stripe: StripeClient, { userId, email }: User, attempt: string): Promise<string> {
    const former = (await this.customers.byId(userId))?.stripeCustomerId ?? null;
    if (former !== null && !(await stripe.isDeletedCustomer(former))) return former;
    const created = await stripe.createCustomer(userId, email, `customer:${attempt}`);
    const customer = await this.customers.setStripe(userId, former, created);
    // Nobody would ever delete it: the account was erased meanwhile, or has another.
    if (customer !== created) await stripe.deleteCustomer(created);
    if (customer === null) throw new AppError('invalid_id_token', 'The account no longer exists.');
    // It may have changed while nobody at Stripe was theirs.
    await this.addresses.bring(userId, email ?? null);
    return customer;
  }
}

/** A price that no plan has, say: what cannot be read may well be a subscription that is paid. */
const notUnderstood = (where: string) =>
  new AppError('payment_refused', `You have something at ${where} that is not understood here yet. Contact support.`);

const inProgress = () =>
  new AppError('checkout_in_progress', 'Another checkout of yours is just being opened.', {
    headers: { 'retry-after': '5' },
  });
