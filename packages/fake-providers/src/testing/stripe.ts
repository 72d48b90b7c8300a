import Stripe from 'stripe';
import { startFakeStripe, type FakeStripe, type FakeStripeOptions } from '../stripe/index.js';
import { ManualClock } from './manual-clock.js';

/** A test bench: a fake Stripe, Stripe's own client for it, three prices, and a clock that tests move. */
export interface StripeBench {
  readonly fake: FakeStripe;
  readonly stripe: Stripe;
  readonly clock: ManualClock;
  /** Basic 4.99 € a month, plus 9.99 € a month, yearly 49.99 € a year. */
  readonly prices: { readonly basic: string; readonly plus: string; readonly yearly: string };
  /** Creates a customer. @returns its id. */
  customer(): Promise<string>;
  /** Creates a Checkout session and pays it. @returns the new subscription. */
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
    const params = { currency: 'eur', unit_amount, recurring: { interval }, product_data: { name } };
    return (await stripe.prices.create(params)).id;
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
    subscribe: async (choices = {}) => {
      const session = await stripe.checkout.sessions.create({
        mode: 'subscription',
        customer: choices.customer ?? (await customer()),
        line_items: [{ price: choices.price ?? prices.basic, quantity: 1 }],
        success_url: 'https://vpn.example/paid?session={CHECKOUT_SESSION_ID}',
        subscription_data: { trial_period_days: choices.trialDays },
      });
      fake.pay(session.id, { card: choices.card });
      const { subscription } = await stripe.checkout.sessions.retrieve(session.id, { expand: ['subscription'] });
      return subscription as Stripe.Subscription;
    },
  };
}
