import type Stripe from 'stripe';
import { type TestPayments } from './payments.js';
import { type SignedIn } from './gatekeeper.js';

/**
 * Simulated users who pay through Stripe, and their expected state: read from Stripe's objects without the service's code.
 */

export const stripeActions = [
  'subscribe',
  'subscribe to plus',
  'cancel',
  'resume',
  'upgrade',
  'downgrade',
  'to a year',
  'to a month',
  'decline',
  'accept',
  'pay',
  'refund',
  'refund a part',
  'dispute',
  'win',
  'lose',
  'nothing',
] as const;
export type StripeAction = (typeof stripeActions)[number];

/** What each user does in a round, and how many hours pass after it. */
export interface Round {
  readonly acts: readonly StripeAction[];
  readonly hours: number;
}

export interface Life extends SignedIn {
  customer: string | undefined;
}

export async function newLives(payments: TestPayments, count: number): Promise<Life[]> {
  return Promise.all(
    Array.from({ length: count }, async () => ({ ...(await payments.signIn()), customer: undefined })),
  );
}

/** Performs the rounds: every user acts, then time passes. */
export async function live(payments: TestPayments, lives: readonly Life[], all: readonly Round[]): Promise<void> {
  for (const { acts, hours } of all) {
    await actAllAtStripe(payments, lives, acts);
    payments.advance(hours * 3_600_000);
  }
}

export async function actAllAtStripe(payments: TestPayments, lives: readonly Life[], acts: readonly StripeAction[]) {
  await Promise.all(lives.map((life, index) => act(payments, life, acts[index] ?? 'nothing')));
}

/** Performs an action. Ignores it if Stripe or the service refuses. */
async function act(payments: TestPayments, life: Life, action: StripeAction): Promise<void> {
  const { fake, stripe, prices } = payments.stripe;
  const { customer } = life;
  if (action === 'subscribe') return subscribe(payments, life, 'basic');
  if (action === 'subscribe to plus') return subscribe(payments, life, 'plus');
  if (customer === undefined || action === 'nothing') return;
  // Fetched only when an action needs it: there are thousands of actions.
  const live = async () => (await stripe.subscriptions.list({ customer, limit: 1 })).data[0];
  const charge = async () => (await stripe.charges.list({ customer, limit: 20 })).data.find(({ paid }) => paid);
  const close = async (outcome: 'won' | 'lost') => {
    const { id = '', disputed = false } = (await charge()) ?? {};
    const [dispute] = disputed ? (await stripe.disputes.list({ charge: id })).data : [];
    if (dispute?.status === 'needs_response') fake.closeDispute(dispute.id, outcome);
  };
  const give = async (amount?: number) => {
    const paid = await charge();
    if (paid) await stripe.refunds.create({ charge: paid.id, amount });
  };
  const update = async (change: Stripe.SubscriptionUpdateParams) =>
    stripe.subscriptions.update((await live())?.id ?? '', change);
  const move = async (price: string, always: boolean) => {
    const { id = '', items } = (await live()) ?? {};
    await stripe.subscriptions.update(id, {
      items: [{ id: items?.data[0]?.id ?? '', price }],
      ...(always && { proration_behavior: 'always_invoice' as const }),
    });
  };
  const actions: Record<Exclude<StripeAction, 'subscribe' | 'subscribe to plus' | 'nothing'>, () => unknown> = {
    cancel: () => update({ cancel_at_period_end: true }),
    resume: () => update({ cancel_at_period_end: false }),
    upgrade: () => move(prices.plus, true),
    downgrade: () => move(prices.basic, false),
    'to a year': () => move(prices.yearly, true),
    'to a month': () => move(prices.basic, true),
    decline: () => fake.declineCharges(customer),
    accept: () => fake.acceptCharges(customer),
    pay: async () => fake.payOpenInvoice((await live())?.id ?? ''),
    refund: () => give(),
    'refund a part': () => give(7),
    dispute: async () => {
      const paid = await charge();
      if (paid?.disputed === false) fake.openDispute(paid.id);
    },
    win: () => close('won'),
    lose: () => close('lost'),
  };
  try {
    await actions[action]();
  } catch {
    // Stripe refused.
  }
}

async function subscribe(payments: TestPayments, life: Life, plan: string): Promise<void> {
  const response = await payments.checkout(life, plan);
  const { url } = (await response.json()) as { url?: string };
  if (url === undefined) return;
  try {
    payments.pay(url);
  } catch {
    return;
  }
  const [row] = await payments.sql<{ customer: string }>(
    `SELECT stripe_customer_id AS customer FROM identity."User" WHERE firebase_uid = $1`,
    [life.uid],
  );
  life.customer = row?.customer;
}

/** One line each, sorted: subscriptions, blocks and movements of money. */
export interface Account {
  readonly subscriptions: readonly string[];
  readonly blocked: boolean;
  readonly movements: readonly string[];
}

const states: Record<string, string> = {
  active: 'ACTIVE',
  canceled: 'EXPIRED',
  past_due: 'GRACE',
  unpaid: 'SUSPENDED',
  trialing: 'TRIAL',
  incomplete: 'PENDING',
  incomplete_expired: 'EXPIRED',
};

/** The expected state, read from Stripe's objects. */
export async function truthOf(payments: TestPayments, { customer }: Life): Promise<Account> {
  if (customer === undefined) return { subscriptions: [], blocked: false, movements: [] };
  const { stripe } = payments.stripe;
  const all = { limit: 100 } as const;
  const subscriptions = await stripe.subscriptions
    .list({ customer, status: 'all', ...all })
    .autoPagingToArray({ limit: 1000 });
  const charges = await stripe.charges.list({ customer, ...all }).autoPagingToArray({ limit: 1000 });
  const paid = charges.filter((charge) => charge.paid);
  const refunded = paid.filter(({ amount_refunded }) => amount_refunded > 0);
  const disputed = paid.filter((one) => one.disputed);
  const refunds = (await Promise.all(refunded.map(({ id }) => stripe.refunds.list({ charge: id, ...all })))).flatMap(
    ({ data }) => data,
  );
  const disputes = (await Promise.all(disputed.map(({ id }) => stripe.disputes.list({ charge: id })))).flatMap(
    ({ data }) => data,
  );
  const settled = await Promise.all(paid.map((one) => paymentOf(payments, one)));
  const lines = await Promise.all(subscriptions.map((one) => lineOf(payments, one, settled)));
  return {
    subscriptions: lines.sort(),
    blocked: disputes.some(({ status }) => status !== 'won'),
    movements: [
      ...paid.map(({ id, amount }) => `${id} charge ${amount}`),
      ...refunds.map(({ id, amount }) => `${id} refund ${amount}`),
      ...disputes.map(({ id, amount }) => `${id} dispute ${amount}`),
      ...disputes.filter(({ status }) => status === 'won').map(({ id, amount }) => `${id}:reversal reversal ${amount}`),
    ].sort(),
  };
}

/** What is left of a charge, and which invoice it paid. */
interface Payment {
  readonly left: number;
  readonly invoice: string;
}

async function paymentOf({ stripe: { stripe } }: TestPayments, charge: Stripe.Charge): Promise<Payment> {
  const intent = typeof charge.payment_intent === 'string' ? charge.payment_intent : '';
  const { data } = await stripe.invoicePayments.list({ payment: { type: 'payment_intent', payment_intent: intent } });
  return { left: charge.amount - charge.amount_refunded, invoice: idOf(data[0]?.invoice) ?? '' };
}

async function lineOf(
  { stripe: { stripe } }: TestPayments,
  subscription: Stripe.Subscription,
  paid: readonly Payment[],
): Promise<string> {
  const { id, status, cancel_at_period_end: cancels, items } = subscription;
  const begin = items.data[0]?.current_period_start ?? 0;
  const invoices = await stripe.invoices
    .list({ subscription: id, status: 'paid', limit: 100 })
    .autoPagingToArray({ limit: 1000 });
  const ofPeriod = new Set(
    invoices.filter(({ lines }) => lines.data.some((line) => line.period.start >= begin)).map((one) => one.id),
  );
  const current = paid.filter(({ invoice }) => ofPeriod.has(invoice));
  const givenBack = current.length > 0 && current.every(({ left }) => left === 0);
  return [id, givenBack ? 'REVOKED' : states[status], cancels].join(' ');
}

const idOf = (reference: string | { readonly id: string } | undefined) =>
  typeof reference === 'string' ? reference : reference?.id;

/** The stored state. */
export async function writtenOf(payments: TestPayments, { uid }: Life): Promise<Account> {
  const of = `JOIN identity."User" u ON u.id = t.user_id WHERE firebase_uid = $1`;
  const subscriptions = await payments.sql<{ line: string }>(
    `SELECT replace(provider_ref, 'stripe:', '') || ' ' || status || ' ' || cancel_at_period_end AS line FROM identity."Subscription" t ${of}`,
    [uid],
  );
  const blocks = await payments.sql(`SELECT 1 FROM identity."AccessBlock" t ${of} AND lifted_on IS NULL`, [uid]);
  const movements = await payments.sql<{ line: string }>(
    `SELECT replace(provider_ref, 'stripe:', '') || ' ' || kind || ' ' || amount AS line FROM identity."PaymentHistory" t ${of}`,
    [uid],
  );
  return {
    subscriptions: subscriptions.map(({ line }) => line).sort(),
    blocked: blocks.length > 0,
    movements: movements.map(({ line }) => line).sort(),
  };
}

/** Whether an account should have access now; undefined if that depends on dates. */
export function givesAccess({ subscriptions, blocked }: Account): boolean | undefined {
  if (blocked) return false;
  if (subscriptions.some((line) => / (ACTIVE|TRIAL) /.test(line))) return true;
  // Depends on when the grace period started, which stripe-lives.heavy.spec.ts tests.
  return subscriptions.some((line) => / GRACE /.test(line)) ? undefined : false;
}
