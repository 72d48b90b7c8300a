import Stripe from 'stripe';
import { startFakeStripe, type FakeStripe, type FakeStripeOptions } from '../stripe/index.js';
import { ManualClock } from './manual-clock.js';

/** Stripe's own client on a fake, with something to sell and a clock that stands still. */
export interface StripeBench {
  readonly fake: FakeStripe;
  readonly stripe: Stripe;
  readonly clock: ManualClock;
  /** 4.99 a month, 9.99 a month, 49.99 a year. */
  readonly prices: { readonly basic: string; readonly plus: string; readonly yearly: string };
  customer(): Promise<string>;
  /** A Checkout session for a customer, and what was paid there. */
  subscribe(options?: SubscribeOptions): Promise<Stripe.Subscription>;
}

interface SubscribeOptions {
  readonly customer?: string;
  readonly price?: string;
  readonly trialDays?: number;
  readonly card?: string;
}

export async function startStripe(options: FakeStripeOptions = {}): Promise<StripeBench> {
  const clock = new ManualClock();
  const fake = await startFakeStripe({ clock, ...options });
  const stripe = new Stripe(fake.apiKey, { ...fake.connection, maxNetworkRetries: 0 });
  const price = async (name: string, unit_amount: number, interval: 'month' | 'year') => {
    const given = { currency: 'eur', unit_amount, recurring: { interval }, product_data: { name } };
    return (await stripe.prices.create(given)).id;
  };
  const prices = {
    basic: await price('Basic', 499, 'month'),
    plus: await price('Plus', 999, 'month'),
    yearly: await price('Basic, yearly', 4999, 'year'),
  };
  const customer = async () => (await stripe.customers.create({ metadata: { user: crypto.randomUUID() } })).id;
  return {
    fake,
    stripe,
    clock,
    prices,
    customer,
    subscribe: async (asked = {}) => {
      const session = await stripe.checkout.sessions.create({
        mode: 'subscription',
        customer: asked.customer ?? (await customer()),
        line_items: [{ price: asked.price ?? prices.basic, quantity: 1 }],
        success_url: 'https://vpn.example/paid?session={CHECKOUT_SESSION_ID}',
        subscription_data: { trial_period_days: asked.trialDays },
      });
      fake.pay(session.id, { card: asked.card });
      const { subscription } = await stripe.checkout.sessions.retrieve(session.id, { expand: ['subscription'] });
      return subscription as Stripe.Subscription;
    },
  };
}
