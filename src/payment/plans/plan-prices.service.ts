import { Inject, Injectable } from '@nestjs/common';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../../platform/config/index.js';
import { AppError } from '../../platform/errors/index.js';
import { type PlanPrice, type PriceInterval } from '../../prisma/identity/index.js';
import { PlansService } from '../../subscription/index.js';
import { type PlanOffer, type PlanOffers } from '../payment.schema.js';
import { ProviderRefusal } from '../providers/provider-errors.js';
import { OptionalStripe } from '../stripe/optional-stripe.js';
import { PlanPricesStore } from './plan-prices.store.js';

/** The prices of plans, and the providers' prices and products that they are mapped to. */
@Injectable()
export class PlanPricesService {
  constructor(
    private readonly store: PlanPricesStore,
    private readonly plans: PlansService,
    private readonly stripe: OptionalStripe,
    @Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig,
  ) {}

  /** The plans on sale, with their prices. A plan without a price is not on sale. */
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
   * Offers a plan at a Stripe price, which determines the amount and the interval.
   *
   * @throws {AppError} `not_found` if Stripe has no such price, `invalid_request` if it is not paid monthly or yearly,
   * `payment_provider_not_offered`
   */
  async setStripe(planId: string, priceRef: string): Promise<PlanPrice> {
    const price = await this.stripe
      .get()
      .price(priceRef)
      .catch((error: unknown) => {
        if (!(error instanceof ProviderRefusal)) throw error;
        throw new AppError('not_found', `Stripe has no price ${priceRef}. Create it at Stripe first.`);
      });
    const { recurring, unit_amount: amount, currency } = price;
    const interval = recurring?.interval_count === 1 ? intervals[recurring.interval] : undefined;
    if (interval === undefined || amount === null) {
      throw new AppError(
        'invalid_request',
        `Expected a monthly or yearly price with a fixed amount; ${priceRef} is not one.`,
      );
    }
    return this.set({ provider: 'stripe', priceRef, planId, interval, amount, currency, offered: true });
  }

  /** Offers a plan as an App Store product. The App Store sets its price, which differs by country. */
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

  /** @returns whether the price was on offer */
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
