import { createServer } from 'node:http';
import {
  type Clock,
  closeServer,
  Faults,
  host,
  listen,
  type RetryPolicy,
  StoredJson,
  systemClock,
  Timeline,
} from '../common/index.js';
import { Account, type AccountSnapshot } from './account.js';
import { Bank } from './billing/bank.js';
import { Collection } from './billing/collection.js';
import { Cancellations } from './billing/cancellations.js';
import { Invoices } from './billing/invoices.js';
import { PriceChanges } from './billing/price-changes.js';
import { Renewals } from './billing/renewals.js';
import { Subscriptions } from './billing/subscriptions.js';
import { Checkout } from './checkout.js';
import { controls, type StripeControls } from './controls.js';
import { Disputes } from './disputes.js';
import { CustomerActions } from './customer-actions.js';
import { Api } from './http/api.js';
import { checkoutPath, Pages, portalPath } from './pages.js';
import { Refunds } from './refunds.js';
import { productRoutes } from './routes/products.js';
import { checkoutRoutes } from './routes/checkout.js';
import { customerRoutes } from './routes/customers.js';
import { eventRoutes } from './routes/events.js';
import { invoiceRoutes } from './routes/invoices.js';
import { paymentRoutes } from './routes/payments.js';
import { portalRoutes } from './routes/portal.js';
import { subscriptionRoutes } from './routes/subscriptions.js';
import { type BillingSettings, defaultSettings } from './settings.js';
import { Webhooks } from './webhooks.js';

export interface FakeStripeOptions {
  /** A free port by default. */
  readonly port?: number;
  /** The same seed and the same calls give the same ids. */
  readonly seed?: string;
  /** The machine's clock by default. Stripe's time is this clock's, plus the time by which it was advanced. */
  readonly clock?: Clock;
  readonly livemode?: boolean;
  readonly settings?: Partial<BillingSettings>;
  /**
   * How events are retried. Stripe retries for "up to three days with an exponential back off"; the fake's waits grow from a
   * quarter of a second to about 17 minutes by default.
   */
  readonly retry?: RetryPolicy;
  /** The maximum number of events that are sent at the same time; one by default, which keeps their order. */
  readonly concurrency?: number;
  /** Stores everything in its `stripe` folder. Without it, `close` discards everything. */
  readonly dataDir?: string;
}

/** The part of Stripe that a seller of subscriptions calls, on 127.0.0.1. */
export interface FakeStripe extends StripeControls {
  readonly url: string;
  /** For `new Stripe(apiKey, connection)`. */
  readonly connection: { readonly host: string; readonly port: number; readonly protocol: 'http' };
  readonly apiKey: string;
  close(): Promise<void>;
}

const defaultRetry: RetryPolicy = { firstMs: 250, factor: 2, attempts: 14 };

export async function startFakeStripe(options: FakeStripeOptions = {}): Promise<FakeStripe> {
  const { clock = systemClock, seed = 'stripe', livemode = false, retry = defaultRetry, concurrency = 1 } = options;
  const stored = new StoredJson<AccountSnapshot>(options.dataDir, 'stripe');
  const snapshot = stored.read();
  let url = '';
  const timeline = new Timeline(clock, snapshot?.timeline);
  const account: Account = new Account({
    seed,
    livemode,
    settings: { ...defaultSettings, ...options.settings },
    timeline,
    snapshot,
    currentRequest: () => api.current,
    onEvent: (event) => webhooks.enqueue(event),
  });
  const save = () => stored.write(() => account.snapshot());
  const webhooks = new Webhooks({ account, clock, retry, concurrency });
  const bank = new Bank(account);
  const invoices = new Invoices(account, bank);
  const cancellations = new Cancellations(account, invoices);
  const collection = new Collection(account, invoices, cancellations);
  const renewals = new Renewals(account, collection, cancellations);
  const priceChanges = new PriceChanges(account, collection, renewals, bank);
  const subscriptions = new Subscriptions(account, collection, renewals, cancellations, priceChanges);
  const checkout = new Checkout(account, () => url + checkoutPath, bank, subscriptions, collection);
  const refunds = new Refunds(account);
  const customerActions = new CustomerActions(account, checkout, collection);
  const faults = new Faults();
  const apiKey = `sk_${livemode ? 'live' : 'test'}_fake${seed.replace(/\W/g, '')}`;
  const routes = [
    ...customerRoutes(account, subscriptions),
    ...productRoutes(account),
    ...checkoutRoutes(account, checkout),
    ...portalRoutes(account, () => url + portalPath),
    ...subscriptionRoutes(account, subscriptions),
    ...invoiceRoutes(account, collection),
    ...paymentRoutes(account, refunds),
    ...eventRoutes(account, webhooks),
  ];
  const api: Api = new Api({ account, apiKey, routes, faults, save });
  const pages = new Pages(account, checkout, subscriptions, customerActions, save);

  timeline.on('renew', (id) => renewals.renew(id));
  timeline.on('trial_will_end', (id) => renewals.trialWillEnd(id));
  timeline.on('finalize', (id) => collection.finalizeDraft(id));
  timeline.on('retry', (id) => collection.retry(id));
  timeline.on('incomplete_expire', (id) => cancellations.expireIncomplete(id));
  timeline.on('session_expire', (id) => checkout.expireIfOpen(id));

  const server = createServer((request, response) => {
    const handled = pages.serves(request.url ?? '/') ? pages.handle(request, response) : api.handle(request, response);
    handled.catch((error: unknown) => {
      console.error(error);
      response.destroy();
    });
  });
  const port = await listen(server, options.port ?? 0);
  url = `http://${host}:${port}`;
  webhooks.resumePending();
  const parts = {
    account,
    bank,
    checkout,
    disputes: new Disputes(account, cancellations),
    customerActions,
    refunds,
    faults,
    webhooks,
    save,
  };
  return Object.assign(controls(parts), {
    url,
    apiKey,
    connection: { host, port, protocol: 'http' as const },
    close: async () => {
      webhooks.close();
      await closeServer(server);
      save();
      stored.flush();
    },
  });
}
