import { Inject, Injectable } from '@nestjs/common';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../../platform/config/index.js';
import { AppError } from '../../platform/errors/index.js';
import { type PlanPrice, type PriceInterval } from '../../prisma/identity/index.js';
import { PlansService } from '../../subscription/index.js';
import { type PlanOffer, type PlanOffers } from '../payment.schema.js';
import { ProviderRefusal } from '../providers/provider-errors.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import { PlanPricesStore } from './plan-prices.store.js';

/** What plans cost, and by which price of which provider they are bought. */
@Injectable()
export class PlanPricesService {
  constructor(
    private readonly store: PlanPricesStore,
    private readonly plans: PlansService,
    private readonly stripe: OptionalStripe,
    @Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig,
  ) {}

  /** What can be bought now: plans without a price are not for sale. */
  async offers(): Promise<PlanOffers> {
    const [plans, prices] = await Promise.all([this.plans.list(), this.store.list()]);
    const offered = prices.filter((price) => price.offered && this.config[price.provider] !== undefined);
    const withPrices = plans.map((plan) => {
      return { ...plan, prices: offered.filter(({ planId }) => planId === plan.id).map(toOffer) };
    });
    return { plans: withPrices.filter(({ prices }) => prices.length > 0), trialDays: this.config.trialDays };
  }

  async list(): Promise<PlanPrice[]> {
    return this.store.list();
  }

  /**
   * Sells a plan by a price of Stripe, which says how much and how often.
   *
   * @throws {AppError} `not_found` for a price that Stripe does not know, `invalid_request` for one that is not paid monthly
   * or yearly, `payment_provider_not_offered`
   */
  async setStripe(planId: string, priceRef: string): Promise<PlanPrice> {
    const price = await this.stripe
      .get()
      .price(priceRef)
      .catch((error: unknown) => {
        if (!(error instanceof ProviderRefusal)) throw error;
        throw new AppError('not_found', `Stripe has no price ${priceRef}. Make it there first.`);
      });
    const { recurring, unit_amount: amount, currency } = price;
    const interval = recurring?.interval_count === 1 ? intervals[recurring.interval] : undefined;
    if (interval === undefined || amount === null) {
      throw new AppError('invalid_request', `Expected a price per month or per year; ${priceRef} is not.`);
    }
    return this.set({ provider: 'stripe', priceRef, planId, interval, amount, currency, offered: true });
  }

  /** Sells a plan by a product of the App Store, which itself says how much, store by store. */
  async setApple(planId: string, productId: string, interval: PriceInterval): Promise<PlanPrice> {
    return this.set({
      provider: 'apple',
      priceRef: productId,
      planId,
      interval,
      amount: null,
      currency: null,
      offered: true,
    });
  }

  /** @returns whether it was sold */
  async withdraw({ provider, priceRef }: Pick<PlanPrice, 'provider' | 'priceRef'>): Promise<boolean> {
    return this.store.withdraw(provider, priceRef);
  }

  private async set(price: PlanPrice): Promise<PlanPrice> {
    const plans = await this.plans.list();
    if (!plans.some(({ id }) => id === price.planId)) {
      throw new AppError('not_found', `No plan has the id ${price.planId}. See admin plans list.`);
    }
    await this.store.set(price);
    return price;
  }
}

const intervals: Readonly<Partial<Record<string, PriceInterval>>> = { month: 'month', year: 'year' };

function toOffer({ provider, priceRef, interval, amount, currency }: PlanPrice): PlanOffer['prices'][number] {
  if (provider === 'apple') return { provider, interval, productId: priceRef };
  return { provider, interval, amount: amount ?? 0, currency: currency ?? '' };
}
