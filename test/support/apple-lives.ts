import {
  GetTransactionHistoryVersion,
  type JWSRenewalInfoDecodedPayload,
  type JWSTransactionDecodedPayload,
} from '@apple/app-store-server-library';
import { appleClient, appleProducts } from '@vpn-backend/fake-providers/testing';
import { type SignedIn } from './gatekeeper.js';
import { type TestPayments } from './payments.js';

/** Simulated users who pay through the App Store, and their expected state, read from Apple's API. */

export const appleActions = [
  'buy',
  'buy plus',
  'buy yearly',
  'leave',
  'stay',
  'break',
  'fix',
  'refund',
  'refund the first',
  'reverse',
  'raise the price',
  'consent',
  'nothing',
] as const;
export type AppleAction = (typeof appleActions)[number];

export interface AppleLife extends SignedIn {
  /** The Apple Account. */
  readonly account: string;
  readonly appAccountToken: string;
  subscription: string | undefined;
  /** Every transaction that the user bought, without renewals. */
  readonly bought: string[];
}

export async function newAppleLives(payments: TestPayments, count: number): Promise<AppleLife[]> {
  const one = async (): Promise<AppleLife> => {
    const user = await payments.signIn();
    const response = await payments.get('/payment/apple/account', user.headers);
    const { appAccountToken } = (await response.json()) as { appAccountToken: string };
    return { ...user, account: crypto.randomUUID(), appAccountToken, subscription: undefined, bought: [] };
  };
  return Promise.all(Array.from({ length: count }, one));
}

/** Performs an action. Ignores it if the App Store refuses. */
export function actAtApple({ apple }: TestPayments, life: AppleLife, action: AppleAction): void {
  const { account, appAccountToken, subscription = '', bought } = life;
  const buy = (product: string) => {
    const { originalTransactionId, transactionId } = apple.buy({ account, product, appAccountToken });
    life.subscription = originalTransactionId;
    bought.push(transactionId);
  };
  const actions: Record<AppleAction, () => void> = {
    buy: () => buy(appleProducts.basic.id),
    'buy plus': () => buy(appleProducts.plus.id),
    'buy yearly': () => buy(appleProducts.yearly.id),
    leave: () => apple.setAutoRenew(subscription, false),
    stay: () => apple.setAutoRenew(subscription, true),
    break: () => apple.breakBilling(subscription),
    fix: () => apple.fixBilling(subscription),
    refund: () => apple.refund(bought.at(-1) ?? ''),
    'refund the first': () => apple.refund(bought[0] ?? ''),
    reverse: () => apple.reverseRefund(bought.at(-1) ?? ''),
    'raise the price': () => apple.increasePrice(subscription, 12_990),
    consent: () => apple.consentToPrice(subscription),
    nothing: () => {},
  };
  try {
    actions[action]();
  } catch {
    // The App Store refused.
  }
}

/** The state at Apple, or as stored here: the subscription, and what is left of each payment in cents. */
export interface AppleAccount {
  readonly subscription: string | undefined;
  readonly left: Readonly<Record<string, number>>;
}

const states: Record<number, string> = { 1: 'ACTIVE', 2: 'EXPIRED', 3: 'SUSPENDED', 4: 'GRACE', 5: 'REVOKED' };

const decode = <T>(jws = '') => JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as T;

/** The expected state, read from Apple's API without the service's code. */
export async function truthAtApple({ apple }: TestPayments, { subscription }: AppleLife): Promise<AppleAccount> {
  if (subscription === undefined) return { subscription: undefined, left: {} };
  const client = appleClient(apple);
  const { data = [] } = await client.getAllSubscriptionStatuses(subscription);
  const last = data.flatMap(({ lastTransactions = [] }) => lastTransactions)[0];
  const latest = decode<JWSTransactionDecodedPayload>(last?.signedTransactionInfo);
  const renewal = decode<JWSRenewalInfoDecodedPayload>(last?.signedRenewalInfo);
  const isTrial = last?.status === 1 && latest.offerDiscountType === 'FREE_TRIAL';
  const state = isTrial ? 'TRIAL' : states[Number(last?.status)];
  const left: Record<string, number> = {};
  for (let revision: string | null = null; ;) {
    const page = await client.getTransactionHistory(subscription, revision, {}, GetTransactionHistoryVersion.V2);
    for (const signed of page.signedTransactions ?? []) {
      const { transactionId = '', price = 0, revocationDate } = decode<JWSTransactionDecodedPayload>(signed);
      if (price > 0) left[transactionId] = revocationDate === undefined ? price / 10 : 0;
    }
    if (page.hasMore !== true || page.revision === undefined) break;
    revision = page.revision;
  }
  return { subscription: [subscription, state, renewal.autoRenewStatus === 0].join(' '), left };
}

/** The stored state. */
export async function writtenAtApple(payments: TestPayments, { uid }: AppleLife): Promise<AppleAccount> {
  const of = `JOIN identity."User" u ON u.id = t.user_id WHERE firebase_uid = $1 AND t.provider = 'apple'`;
  const subscriptions = await payments.sql<{ line: string }>(
    `SELECT replace(provider_ref, 'apple:', '') || ' ' || status || ' ' || cancel_at_period_end AS line
     FROM identity."Subscription" t ${of}`,
    [uid],
  );
  const left = await payments.sql<{ id: string; left: number }>(
    `SELECT split_part(provider_ref, ':', 2) AS id, sum(CASE kind WHEN 'refund' THEN -amount ELSE amount END)::int AS left
     FROM identity."PaymentHistory" t ${of} GROUP BY 1`,
    [uid],
  );
  return {
    subscription: subscriptions.length === 0 ? undefined : subscriptions.map(({ line }) => line).join(),
    left: Object.fromEntries(left.map(({ id, left: cents }) => [id, cents])),
  };
}
