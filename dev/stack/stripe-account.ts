import Stripe from 'stripe';
import { startFakeStripe } from '@vpn-backend/fake-providers/stripe';

type Settings = Readonly<Record<string, string>>;

/** An account at the fake Stripe with something to sell. */
export interface StripeAccount {
  readonly url: string;
  /** Of a month, in euro. */
  readonly price: string;
  /** What the service needs to reach it. */
  readonly env: Settings;
  /** Has it tell the service what happens. */
  notify(serviceUrl: string): void;
  close(): Promise<void>;
}

/** Where an app in development waits for people to come back. */
export const returnUrl = 'http://localhost:8080/';

const webhookSecret = 'whsec_fake';

/** @param dataDir keeps what was bought from start to start */
export async function startStripeAccount(dataDir: string | undefined): Promise<StripeAccount> {
  const fake = await startFakeStripe({ dataDir });
  return {
    url: fake.url,
    price: await priceAt(new Stripe(fake.apiKey, fake.connection)),
    env: {
      STRIPE_SECRET_KEY: fake.apiKey,
      STRIPE_WEBHOOK_SECRET: webhookSecret,
      STRIPE_API_URL: fake.url,
      PAYMENT_RETURN_URLS: returnUrl,
    },
    notify: (serviceUrl) => void fake.deliverTo(`${serviceUrl}/payment/webhooks/stripe`, { secret: webhookSecret }),
    close: () => fake.close(),
  };
}

/** Made once, and found again by its key. */
async function priceAt({ prices }: Stripe): Promise<string> {
  const [known] = (await prices.list({ lookup_keys: ['standard'] })).data;
  if (known !== undefined) return known.id;
  const made = await prices.create({
    currency: 'eur',
    unit_amount: 499,
    recurring: { interval: 'month' },
    product_data: { name: 'Standard' },
    lookup_key: 'standard',
  });
  return made.id;
}
