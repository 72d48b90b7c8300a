import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID, X509Certificate } from 'node:crypto';
import type Stripe from 'stripe';
import { expect, vi } from 'vitest';
import { type FakeApple, startFakeApple } from '@vpn-backend/fake-providers/apple';
import { appleProducts, startStripe, type StripeBench } from '@vpn-backend/fake-providers/testing';
import { PlanPricesService } from '../../src/payment/index.js';
import { PlansService } from '../../src/subscription/index.js';
import { appleSettings } from './apple-settings.js';
import { type Env } from './app.js';
import { type SignedIn, startGatekeeper, type TestGatekeeper } from './gatekeeper.js';
import { whenNotBusy } from './patiently.js';
import { openPool } from './postgres.js';
import { TestClock } from './test-clock.js';

export const dayMs = 86_400_000;
export const returnUrl = 'https://app.example/account';
export const webhookSecret = 'whsec_ofTests';

/** The fields of `GET /subscription` that tests read. */
interface Report {
  readonly active: boolean;
  readonly state: string;
  readonly reason: string;
  readonly until: string | null;
  readonly next: { readonly action: string } | null;
  readonly sources: readonly { readonly id: string; readonly provider: string; readonly state: string }[];
}

interface HistoryRow {
  readonly provider_ref: string;
  readonly kind: string;
  readonly amount: number;
}

/** A user who has paid through Stripe. */
export interface Subscriber extends SignedIn {
  readonly customer: string;
  readonly subscription: string;
}

/** The gatekeeper with both fake providers, all on one clock that tests advance. */
export interface TestPayments extends TestGatekeeper {
  readonly stripe: StripeBench;
  readonly apple: FakeApple;
  /** Advances the common clock, and lets the providers do what is due. */
  advance(milliseconds: number): void;
  /** Resolves when all events of the providers so far have arrived and are settled. */
  settled(): Promise<void>;
  report(user: SignedIn): Promise<Report>;
  /** Pays for a plan through `POST /payment/checkout`. */
  subscribe(options?: { plan?: string; interval?: string; user?: SignedIn; card?: string }): Promise<Subscriber>;
  checkout(user: SignedIn, plan?: string, interval?: string): Promise<Response>;
  /** Pays on the page whose URL a checkout returned. */
  pay(checkoutUrl: string, card?: string): void;
  history(user: SignedIn): Promise<HistoryRow[]>;
  /** The last charge that the customer paid. */
  lastCharge(customer: string): Promise<Stripe.Charge>;
  sql<Row extends Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
}

export async function startPayments(env: Env = {}): Promise<TestPayments> {
  const clock = new TestClock(new Date());
  const folder = mkdtempSync(join(tmpdir(), 'apple-root-'));
  const [stripe, apple] = await Promise.all([
    startStripe({ clock, concurrency: 4 }),
    startFakeApple({ bundleId: 'com.example.vpn', products: Object.values(appleProducts), clock, concurrency: 4 }),
  ]);
  const rootFile = join(folder, 'root.pem');
  writeFileSync(rootFile, new X509Certificate(apple.rootCertificate).toString());
  const gatekeeper = await startGatekeeper(
    {
      STRIPE_SECRET_KEY: stripe.fake.apiKey,
      STRIPE_WEBHOOK_SECRET: webhookSecret,
      STRIPE_API_URL: stripe.fake.url,
      PAYMENT_RETURN_URLS: returnUrl,
      ...appleSettings(apple, rootFile),
      TRIAL_DAYS: '0',
      ...env,
    },
    clock,
  );
  const { service, stack, firebase } = gatekeeper;
  // A pool, because `settled` alone would open thousands of connections.
  const pool = openPool({ connectionString: stack.ownerUrl, max: 4 });
  const sql: TestPayments['sql'] = async <Row extends Record<string, unknown>>(text: string, values?: unknown[]) =>
    (await pool.query<Row>(text, values)).rows;
  await whenNotBusy(() => offerPlans(gatekeeper, stripe));
  stripe.fake.deliverTo(`${service.url}/payment/webhooks/stripe`, { secret: webhookSecret });
  apple.setNotificationUrl(`${service.url}/payment/webhooks/apple`);

  const signIn: TestPayments['signIn'] = async ({
    email = `${randomUUID()}@example.com`,
    emailVerified = true,
  } = {}) => {
    // Expires in years: firebase-admin compares it with the machine's clock, which tests cannot advance. Issued no later than
    // the test's clock, which stands still while the machine's runs.
    const now = Math.floor(Date.now() / 1000);
    const at = Math.min(now, Math.floor(clock.now().getTime() / 1000));
    const { uid } = firebase.createAccount({ email, emailVerified, createdAt: new Date(at * 1000) });
    const claims = { iat: at, auth_time: at, exp: now + 5 * 365 * 86_400 };
    const token = await firebase.mintIdToken(uid, { claims });
    return { uid, email, headers: { authorization: `Bearer ${token}` } };
  };
  const settled = async () => {
    await Promise.all([stripe.fake.deliveriesSettled(), apple.deliveriesSettled()]);
    const pending = () => sql(`SELECT object_ref, type FROM identity."WebhookEvent" WHERE state = 'pending'`);
    // `expect.poll` would fail in `beforeAll`.
    await vi.waitFor(async () => expect(await pending()).toEqual([]), { timeout: 60_000, interval: 20 });
  };
  const checkout: TestPayments['checkout'] = (user, planId = 'basic', interval = 'month') =>
    gatekeeper.post('/payment/checkout', user.headers, {
      planId,
      interval,
      successUrl: `${returnUrl}/paid`,
      cancelUrl: returnUrl,
    });
  const pay: TestPayments['pay'] = (url, card) => {
    const session = /cs_\w+/.exec(url)?.[0] ?? '';
    stripe.fake.pay(session, { card });
  };
  return {
    ...gatekeeper,
    stripe,
    apple,
    sql,
    signIn,
    signInWithTrial: async () => {
      const user = await signIn();
      await gatekeeper.post('/subscription/trial', user.headers);
      return user;
    },
    settled,
    checkout,
    pay,
    advance: (milliseconds) => {
      clock.advance(milliseconds);
      stripe.fake.catchUp();
      apple.catchUp();
    },
    report: async ({ headers }) => (await (await gatekeeper.get('/subscription', headers)).json()) as Report,
    subscribe: async ({ plan, interval, user, card } = {}) => {
      const who = user ?? (await signIn());
      const response = await checkout(who, plan, interval);
      const begun = (await response.json()) as { url?: string };
      if (begun.url === undefined) throw new Error(`no checkout: ${JSON.stringify(begun)}`);
      pay(begun.url, card);
      await settled();
      const [row] = await sql<{ customer: string; ref: string }>(
        `SELECT stripe_customer_id AS customer, provider_ref AS ref FROM identity."Subscription" s
         JOIN identity."User" u ON u.id = s.user_id WHERE firebase_uid = $1 AND provider = 'stripe'
         ORDER BY paid_through DESC LIMIT 1`,
        [who.uid],
      );
      return { ...who, customer: row?.customer ?? '', subscription: row?.ref.replace('stripe:', '') ?? '' };
    },
    history: ({ uid }) =>
      sql<HistoryRow & Record<string, unknown>>(
        `SELECT provider_ref, kind::text, amount FROM identity."PaymentHistory" h JOIN identity."User" u ON u.id = h.user_id
         WHERE firebase_uid = $1 ORDER BY occurred_at, provider_ref`,
        [uid],
      ),
    lastCharge: async (customer) => {
      const { data } = await stripe.stripe.charges.list({ customer, limit: 10 });
      const paid = data.find(({ status }) => status === 'succeeded');
      if (paid === undefined) throw new Error('nothing was charged');
      return paid;
    },
    stop: async () => {
      await pool.end();
      await gatekeeper.stop();
      await Promise.all([stripe.fake.close(), apple.close()]);
      rmSync(folder, { recursive: true });
    },
  };
}

/** Two plans, sold by both providers. */
async function offerPlans({ service }: TestGatekeeper, { prices }: StripeBench): Promise<void> {
  const plans = service.app.get(PlansService, { strict: false });
  const sold = service.app.get(PlanPricesService, { strict: false });
  await plans.set({ id: 'basic', name: 'Basic', dailyTokens: 32 });
  await plans.set({ id: 'plus', name: 'Plus', dailyTokens: 100 });
  await sold.setStripe('basic', prices.basic);
  await sold.setStripe('basic', prices.yearly);
  await sold.setStripe('plus', prices.plus);
  await sold.setApple('basic', appleProducts.basic.id, 'month');
  await sold.setApple('basic', appleProducts.yearly.id, 'year');
  await sold.setApple('plus', appleProducts.plus.id, 'month');
}
