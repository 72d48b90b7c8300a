import { Injectable } from '@nestjs/common';
import { type User } from '../auth/index.js';
import { AppError } from '../platform/errors/index.js';
import { type PlanPrice } from '../prisma/identity/index.js';
import { type OwnSubscription, type SubscriptionReport, SubscriptionService } from '../subscription/index.js';
import { CustomersStore } from './customers/customers.store.js';
import { type PlanChange } from './payment.schema.js';
import { PlanPricesStore } from './plans/plan-prices.store.js';
import { paymentProblem, ProviderRefusal } from './providers/provider-errors.js';
import { OptionalStripe } from './stripe/optional-stripe.js';
import { type StripeClient } from './stripe/stripe.client.js';
import { ProviderFetchesService } from './webhooks/provider-fetches.service.js';

/** Changes that users make to their subscriptions: made at Stripe first, then fetched from there and stored. */
@Injectable()
export class SubscriptionChangesService {
  constructor(
    private readonly stripe: OptionalStripe,
    private readonly customers: CustomersStore,
    private readonly prices: PlanPricesStore,
    private readonly subscriptions: SubscriptionService,
    private readonly fetches: ProviderFetchesService,
  ) {}

  /** Access lasts to the end of the paid period, and nothing more is charged. Without access the subscription ends at once. */
  async cancel(user: User, id: string): Promise<SubscriptionReport> {
    return this.change(user, id, cancellableStates, (stripe, { ref, state }) =>
      changeableStates.has(state) ? stripe.setCancelAtPeriodEnd(ref, true) : stripe.cancelNow(ref),
    );
  }

  /** Revokes a cancellation before it takes effect. @throws {AppError} also `access_blocked` */
  async resume(user: User, id: string): Promise<SubscriptionReport> {
    await this.subscriptions.refuseBlocked(user.userId);
    return this.change(user, id, changeableStates, (stripe, { ref }) => stripe.setCancelAtPeriodEnd(ref, false));
  }

  /**
   * Changes the plan at once. A more expensive plan or another interval is charged now; a cheaper plan leaves a credit for
   * the next invoice.
   *
   * @throws {AppError} also `access_blocked`, `price_not_offered`, `payment_overdue`
   */
  async changePlan(user: User, id: string, { planId, interval }: PlanChange): Promise<SubscriptionReport> {
    await this.subscriptions.refuseBlocked(user.userId);
    const price = await this.prices.offered(planId, 'stripe', interval);
    if (price === undefined) {
      throw new AppError('price_not_offered', 'This plan has no such price. See GET /plans for the prices on offer.');
    }
    return this.change(user, id, changeableStates, async (stripe, { ref, state }) => {
      if (state === 'GRACE')
        throw new AppError('payment_overdue', 'Pay the overdue invoice first, on the page of POST /payment/portal.');
      const item = await stripe.itemOf(ref);
      if (item.price === price.priceRef) return;
      const current = await this.prices.find('stripe', item.price);
      // Stripe bills another interval at once, even if it is cheaper per year.
      const paidNow =
        current === undefined || current.interval !== price.interval || yearlyCost(price) > yearlyCost(current);
      await stripe.changePrice(ref, item.id, price.priceRef, paidNow);
    });
  }

  /**
   * @throws {AppError} `subscription_not_found`, `subscription_ended`, `managed_elsewhere`, `payment_declined`,
   * `payment_refused`, `payment_provider_not_offered`, `payment_provider_unavailable`
   */
  private async change(
    user: User,
    id: string,
    states: ReadonlySet<string>,
    act: (stripe: StripeClient, subscription: OwnSubscription & { readonly ref: string }) => Promise<void>,
  ): Promise<SubscriptionReport> {
    const own = await this.subscriptions.own(user.userId, id);
    if (own === undefined)
      throw new AppError('subscription_not_found', 'This account has no such subscription. See GET /subscription.');
    if (own.provider !== 'stripe') throw managedElsewhere(own);
    if (!states.has(own.state))
      throw new AppError('subscription_ended', 'This subscription has ended. Start a new one.');
    const stripe = this.stripe.get();
    const customer = (await this.customers.byId(user.userId))?.stripeCustomerId;
    try {
      await act(stripe, { ...own, ref: own.providerRef.replace('stripe:', '') });
      if (customer) await this.fetches.fetch({ provider: 'stripe', objectRef: customer });
    } catch (error) {
      throw error instanceof ProviderRefusal ? toProblem(error) : paymentProblem(error);
    }
    return this.subscriptions.report(user);
  }
}

const changeableStates: ReadonlySet<string> = new Set(['TRIAL', 'ACTIVE', 'GRACE']);
/** A refunded or overdue subscription is cancellable too: Stripe would charge for it again. */
const cancellableStates: ReadonlySet<string> = new Set([...changeableStates, 'PENDING', 'SUSPENDED', 'REVOKED']);

/** The cost of a price per year. */
const yearlyCost = ({ amount, interval }: PlanPrice) => (amount ?? 0) * (interval === 'month' ? 12 : 1);

function managedElsewhere({ provider }: OwnSubscription): AppError {
  const details = {
    stripe: 'This subscription is managed here.',
    apple: 'This subscription is managed by Apple. Change it in the settings of the Apple account.',
    operator: 'This access was granted by the operator. Only the operator can change it.',
    trial: 'A trial cannot be changed. It ends by itself.',
  };
  const detail = details[provider];
  return new AppError('managed_elsewhere', detail, { extras: { provider } });
}

/** The user can fix a declined card. Other refusals mean that our data is out of date or the setup is wrong. */
function toProblem(error: ProviderRefusal): unknown {
  switch (error.why) {
    case 'declined':
      return new AppError('payment_declined', 'The payment was declined, and nothing has changed. Try another card.');
    case 'missing':
      return new AppError('subscription_ended', 'The subscription no longer exists at Stripe. Start a new one.');
    case 'invalid':
      return paymentProblem(error);
  }
}
