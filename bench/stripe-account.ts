import { setTimeout } from 'node:timers/promises';
import Stripe from 'stripe';
import { startFakeStripe } from '@vpn-backend/fake-providers/stripe';
import { serveProgram } from './server-process.js';

interface StripeAccountConfiguration {
  /** Number of customers, each with a paid subscription. */
  readonly customers: number;
}

/** An account at the fake Stripe in its own process. It sends no events; the bench sends them. */
await serveProgram(async ({ customers }: StripeAccountConfiguration) => {
  const fake = await startFakeStripe({ seed: 'bench' });
  const stripe = new Stripe(fake.apiKey, fake.connection);
  const { id: price } = await stripe.prices.create({
    currency: 'eur',
    unit_amount: 499,
    recurring: { interval: 'month' },
    product_data: { name: 'Bench' },
  });
  for (let count = 0; count < customers; count += 1) {
    const { id: customer } = await stripe.customers.create({});
    const session = await stripe.checkout.sessions.create({
      mode: 'subscription',
      customer,
      line_items: [{ price, quantity: 1 }],
      success_url: 'https://vpn.example/paid',
    });
    fake.pay(session.id);
    // Lets the event loop process messages of the parent.
    if (count % 100 === 99) await setTimeout(0);
  }
  return { port: fake.connection.port, stop: () => fake.close() };
});
