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

/** What people change of their subscriptions: at the provider first, and what it then has is written down and told. */
@Injectable()
export class SubscriptionChangesService {
  constructor(
    private readonly stripe: OptionalStripe,
    private readonly customers: CustomersStore,
    private readonly prices: PlanPricesStore,
    private readonly subscriptions: SubscriptionService,
    private readonly fetches: ProviderFetchesService,
  ) {}

  /** Access lasts to the end of what is paid; nothing more is charged. What gives no access any more ends at once. */
  async cancel(person: User, id: string): Promise<SubscriptionReport> {
    return this.change(person, id, cancellable, (stripe, { ref, state }) =>
      changeable.has(state) ? stripe.setCancelAtPeriodEnd(ref, true) : stripe.cancelNow(ref),
    );
  }

  /** Takes a cancellation back that has not taken effect. @throws {AppError} `access_blocked` too */
  async resume(person: User, id: string): Promise<SubscriptionReport> {
    await this.subscriptions.refuseBlocked(person.userId);
    return this.change(person, id, changeable, (stripe, { ref }) => stripe.setCancelAtPeriodEnd(ref, false));
  }

  /** Moves to another plan at once. What is dearer, or of another interval, is paid now; what is cheaper leaves a credit for the next invoice. @throws {AppError} `access_blocked` too */
  async changePlan(person: User, id: string, { planId, interval }: PlanChange): Promise<SubscriptionReport> {
    await this.subscriptions.refuseBlocked(person.userId);
    const price = await this.prices.offered(planId, 'stripe', interval);
    if (price === undefined) throw new AppError('price_not_offered', 'This plan is not sold so. See GET /plans.');
    return this.change(person, id, changeable, async (stripe, { ref, state }) => {
      if (state === 'GRACE') throw new AppError('payment_overdue', 'Pay what is owed first: see POST /payment/portal.');
      const item = await stripe.itemOf(ref);
      if (item.price === price.priceRef) return;
      const current = await this.prices.find('stripe', item.price);
      // Another interval is billed at once too, whatever it comes to in a year.
      const paidNow = current === undefined || current.interval !== price.interval || yearly(price) > yearly(current);
      await stripe.changePrice(ref, item.id, price.priceRef, paidNow);
    });
  }

  /**
   * @throws {AppError} `subscription_not_found`, `subscription_ended`, `managed_elsewhere`, `payment_declined`,
   * `payment_refused`, `payment_provider_not_offered`, `payment_provider_unavailable`
   */
  private async change(
    person: User,
    id: string,
    states: ReadonlySet<string>,
    act: (stripe: StripeClient, subscription: OwnSubscription & { readonly ref: string }) => Promise<void>,
  ): Promise<SubscriptionReport> {
    const own = await this.subscriptions.own(person.userId, id);
    if (own === undefined)
      throw new AppError('subscription_not_found', 'You have no such subscription: see GET /subscription.');
    if (own.provider !== 'stripe') throw managedElsewhere(own);
    if (!states.has(own.state)) throw new AppError('subscription_ended', 'This subscription has ended. Begin another.');
    const stripe = this.stripe.get();
    const customer = (await this.customers.byId(person.userId))?.stripeCustomerId;
    try {
      await act(stripe, { ...own, ref: own.providerRef.replace('stripe:', '') });
      if (customer) await this.fetches.fetch({ provider: 'stripe', objectRef: customer });
    } catch (error) {
      throw error instanceof ProviderRefusal ? refusal(error) : paymentProblem(error);
    }
    return this.subscriptions.report(person);
  }
}

const changeable: ReadonlySet<string> = new Set(['TRIAL', 'ACTIVE', 'GRACE']);
/** What was refunded, or is owed, would be charged again. */
const cancellable: ReadonlySet<string> = new Set([...changeable, 'PENDING', 'SUSPENDED', 'REVOKED']);

/** What a price comes to in a year. */
const yearly = ({ amount, interval }: PlanPrice) => (amount ?? 0) * (interval === 'month' ? 12 : 1);

function managedElsewhere({ provider }: OwnSubscription): AppError {
  const where = {
    apple: 'in the settings of the Apple account',
    operator: 'by the operator',
    trial: 'by nobody: it ends by itself',
  };
  const detail = `This subscription is managed ${provider === 'stripe' ? 'here' : where[provider]}.`;
  return new AppError('managed_elsewhere', detail, { extras: { provider } });
}

/** A declined card is the person's to mend. Any other refusal is not: what we have is out of date, or is set up wrongly. */
function refusal(error: ProviderRefusal): unknown {
  switch (error.why) {
    case 'declined':
      return new AppError('payment_declined', 'The payment was declined, and nothing has changed. Try another card.');
    case 'missing':
      return new AppError('subscription_ended', 'Stripe has no such subscription any more.');
    case 'invalid':
      return paymentProblem(error);
  }
}
