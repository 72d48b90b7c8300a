import Stripe from 'stripe';
import { startFakeStripe } from '@vpn-backend/fake-providers/stripe';

type Settings = Readonly<Record<string, string>>;

/** An account at the fake Stripe with one price. */
export interface StripeAccount {
  readonly url: string;
  /** The id of a monthly price in euro. */
  readonly price: string;
  /** The settings of the service for this account. */
  readonly env: Settings;
  /** Sends the account's events to the service's webhook. */
  notify(serviceUrl: string): void;
  close(): Promise<void>;
}

/** The return URL of an app in development. */
export const returnUrl = 'http://localhost:8080/';

const webhookSecret = 'whsec_fake';

/** @param dataDir stores the account between starts */
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

/** Finds the price by its lookup key, or creates it. */
async function priceAt({ prices }: Stripe): Promise<string> {
  const [known] = (await prices.list({ lookup_keys: ['standard'] })).data;
  if (known !== undefined) return known.id;
  const created = await prices.create({
    currency: 'eur',
    unit_amount: 499,
    recurring: { interval: 'month' },
    product_data: { name: 'Standard' },
    lookup_key: 'standard',
  });
  return created.id;
}
