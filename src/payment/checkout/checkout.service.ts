import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { type User } from '../../auth/index.js';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../../platform/config/index.js';
import { AppError } from '../../platform/errors/index.js';
import { SubscriptionService, TrialsService } from '../../subscription/index.js';
import { AppleRefreshService } from '../apple/apple-refresh.service.js';
import { CustomerEmailService } from '../customers/customer-email.service.js';
import { CustomersStore } from '../customers/customers.store.js';
import { type CheckoutRequest, type CheckoutStarted } from '../payment.schema.js';
import { PlanPricesStore } from '../plans/plan-prices.store.js';
import { paymentProblem } from '../providers/provider-errors.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import { type StripeClient } from '../stripe/stripe.client.js';
import { ProviderFetchesService } from '../webhooks/provider-fetches.service.js';
import { CheckoutStore } from './checkout.store.js';
import { isAllowedReturnUrl } from './return-url.js';

/** Renewed between the requests of an attempt. Longer than one request to Stripe may take. */
const leaseMs = 60_000;
/** Stripe allows no less than 30 minutes. After that the user has to start again. */
const checkoutLifetimeMs = 31 * 60_000;

/**
 * Starts checkouts so that a user cannot pay twice.
 *
 *  1. A user has one attempt at a time, which holds a lease.
 *  2. The attempt expires the user's open checkouts, then fetches their subscriptions from the providers.
 *  3. Only a user without access may continue. The attempt opens a new checkout, and checks access once more.
 *
 * So a user has at most one open checkout, and none once they have paid. If the user gets access in another way while a
 * checkout is open, `CheckoutExpiryService` expires it.
 */
@Injectable()
export class CheckoutService {
  constructor(
    private readonly stripe: OptionalStripe,
    private readonly store: CheckoutStore,
    private readonly customers: CustomersStore,
    private readonly customerEmail: CustomerEmailService,
    private readonly prices: PlanPricesStore,
    private readonly subscriptions: SubscriptionService,
    private readonly apple: AppleRefreshService,
    private readonly trials: TrialsService,
    private readonly fetches: ProviderFetchesService,
    private readonly clock: Clock,
    @Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig,
  ) {}

  /**
   * @throws {AppError} `payment_provider_not_offered`, `return_url_not_allowed`, `price_not_offered`, `access_blocked`,
   * `already_subscribed`, `checkout_in_progress`, `payment_refused`, `payment_provider_unavailable`
   */
  async begin(user: User, request: CheckoutRequest): Promise<CheckoutStarted> {
    const stripe = this.stripe.get();
    this.checkReturnUrls(request.successUrl, request.cancelUrl);
    const price = await this.prices.offered(request.planId, 'stripe', request.interval);
    if (price === undefined) {
      throw new AppError('price_not_offered', 'This plan has no such price. See GET /plans for the prices on offer.');
    }
    await this.subscriptions.refuseSecondPayment(user.userId);
    return this.withLease(user.userId, async (attempt, renewLease) => {
      const customer = await this.customerOf(stripe, user, attempt);
      await renewLease();
      await stripe.expireCheckouts(customer);
      await renewLease();
      const { deadLetterReason } = await this.fetches.fetch({ provider: 'stripe', objectRef: customer });
      if (deadLetterReason !== undefined) throw unreadableSubscription('Stripe');
      await renewLease();
      if (!(await this.apple.refreshAll(user.userId))) throw unreadableSubscription('Apple');
      await this.subscriptions.refuseSecondPayment(user.userId);
      const trialDays = await this.trials.trialDaysFor(user);
      const expiresAt = new Date(this.clock.now().getTime() + checkoutLifetimeMs);
      const { successUrl, cancelUrl } = request;
      const checkout = { customer, price: price.priceRef, trialDays, successUrl, cancelUrl, expiresAt };
      await renewLease();
      const url = await stripe.createCheckout({ ...checkout, idempotencyKey: `checkout:${attempt}` });
      await this.refuseIfAccessGranted(stripe, user.userId, customer);
      return { url, expiresAt: expiresAt.toISOString(), trialDays };
    });
  }

  /**
   * A link to Stripe's page where a user manages cards and invoices.
   *
   * @throws {AppError} `payment_provider_not_offered`, `return_url_not_allowed`, `nothing_paid_yet`, `payment_provider_unavailable`
   */
  async portal({ userId }: User, returnUrl: string): Promise<{ url: string }> {
    const stripe = this.stripe.get();
    this.checkReturnUrls(returnUrl);
    const customer = (await this.customers.byId(userId))?.stripeCustomerId ?? undefined;
    if (customer === undefined)
      throw new AppError(
        'nothing_paid_yet',
        'This account has not paid through Stripe yet. Start with POST /payment/checkout.',
      );
    try {
      return { url: await stripe.createPortal(customer, returnUrl) };
    } catch (error) {
      throw paymentProblem(error);
    }
  }

  private checkReturnUrls(...urls: readonly string[]): void {
    const { returnUrls = [] } = this.config.stripe ?? {};
    if (urls.every((url) => isAllowedReturnUrl(url, returnUrls))) return;
    throw new AppError(
      'return_url_not_allowed',
      'Return URL not allowed. Use one of PAYMENT_RETURN_URLS, or a path below it.',
    );
  }

  /**
   * The user may have got access while the checkout was being opened. `CheckoutExpiryService` may then have run too early to
   * find the checkout. After this check it will find it.
   */
  private async refuseIfAccessGranted(stripe: StripeClient, userId: string, customer: string): Promise<void> {
    try {
      await this.subscriptions.refuseSecondPayment(userId);
    } catch (error) {
      await stripe.expireCheckouts(customer);
      throw error;
    }
  }

  /** @param run gets the id of its attempt, and `renewLease`, which throws if another attempt has taken the lease */
  private async withLease<T>(
    userId: string,
    run: (attempt: string, renewLease: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const attempt = randomUUID();
    const now = this.clock.now();
    const until = () => new Date(this.clock.now().getTime() + leaseMs);
    if (!(await this.store.lease(userId, attempt, now, until()))) throw checkoutInProgress();
    try {
      return await run(attempt, async () => {
        if (!(await this.store.renew(userId, attempt, until()))) throw checkoutInProgress();
      });
    } catch (error) {
      throw paymentProblem(error);
    } finally {
      await this.store.release(userId, attempt);
    }
  }

  /** The user's customer at Stripe. Creates one if there is none, or if it was deleted at Stripe. */
  private async customerOf(stripe: StripeClient, { userId, email }: User, attempt: string): Promise<string> {
    const former = (await this.customers.byId(userId))?.stripeCustomerId ?? null;
    if (former !== null && !(await stripe.isDeletedCustomer(former))) return former;
    const created = await stripe.createCustomer(userId, email, `customer:${attempt}`);
    const customer = await this.customers.setStripe(userId, former, created);
    // The account was deleted meanwhile, or has another customer. No other code would delete this one.
    if (customer !== created) await stripe.deleteCustomer(created);
    if (customer === null) throw new AppError('invalid_id_token', 'The account no longer exists.');
    // The address may have changed while the account had no customer at Stripe.
    await this.customerEmail.sync(userId, email ?? null);
    return customer;
  }
}

/** For example a price that is not mapped to a plan: the subscription may be paid. */
const unreadableSubscription = (where: string) =>
  new AppError(
    'payment_refused',
    `You have a subscription at ${where} that this service does not recognise. Contact support.`,
  );

const checkoutInProgress = () =>
  new AppError(
    'checkout_in_progress',
    'Another checkout for this account is being opened. Try again in a few seconds.',
    {
      headers: { 'retry-after': '5' },
    },
  );
