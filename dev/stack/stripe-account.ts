import Stripe from 'stripe';
import { startStripeStandIn } from '@vpn-backend/fake-providers/stripe';

type Settings = Readonly<Record<string, string>>;

/** An account at Stripe (the stand-in) with something to sell. */
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

const webhookSecret = 'whsec_standin';

/** @param dataDir keeps what was bought from start to start */
export async function startStripeAccount(dataDir: string | undefined): Promise<StripeAccount> {
  const stand = await startStripeStandIn({ dataDir });
  return {
    url: stand.url,
    price: await priceAt(new Stripe(stand.apiKey, stand.connection)),
    env: {
      STRIPE_SECRET_KEY: stand.apiKey,
      STRIPE_WEBHOOK_SECRET: webhookSecret,
      STRIPE_STAND_IN: stand.url,
      PAYMENT_RETURN_URLS: returnUrl,
    },
    notify: (serviceUrl) => void stand.deliverTo(`${serviceUrl}/payment/webhooks/stripe`, { secret: webhookSecret }),
    close: () => stand.close(),
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
