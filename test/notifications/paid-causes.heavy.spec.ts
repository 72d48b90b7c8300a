import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AccountHistory } from '../../src/account/account.schema.js';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { type Notices, startPaidNotices } from '../support/notifications.js';
import { dayMs, type Subscriber, type TestPayments } from '../support/payments.js';
import { ProviderFetchesService } from '../../src/payment/webhooks/provider-fetches.service.js';
import { OperatorAccessService } from '../../src/subscription/index.js';

let payments: TestPayments & Notices;

beforeAll(async () => {
  payments = await startPaidNotices();
});
afterAll(() => payments.stop());
// Firebase dates sign-ins by the machine's clock.
beforeEach(() => payments.clock.set(new Date()));

const hour = 3_600_000;
const month = 31 * dayMs + 3_600_000;
const later = async (milliseconds: number) => {
  payments.advance(milliseconds);
  await payments.settled();
};
/** Without the welcome mail. */
const kindsOf = async (user: Subscriber) =>
  (await payments.deliveries(user)).map(({ kind }) => kind).filter((kind) => kind !== 'welcome');
const change = async (user: Subscriber, path: string, method = 'POST', body?: object) => {
  const [source] = (await payments.report(user)).sources;
  const response = await fetch(`${payments.service.url}/payment/subscriptions/${source?.id}/${path}`, {
    method,
    headers: { ...user.headers, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  expect(response.status).toBe(200);
  await payments.settled();
};
const lastMail = async (user: Subscriber) => {
  await payments.tick();
  await payments.settled();
  return payments.mail.mails.filter(({ to }) => to[0] === user.email).at(-1)?.text;
};
const history = async (user: Subscriber) =>
  ((await (await payments.get('/account/history', user.headers)).json()) as AccountHistory).events;
/** Newest first. Without charges, whose order within a second is not defined. */
const subscriptionEvents = async (user: Subscriber) =>
  (await history(user)).map(({ kind }) => kind).filter((kind) => kind !== 'charge');
/** Moves the clock one minute into the next period. Its invoice is a draft for an hour; only then does Stripe charge. */
const toTheNextPeriod = async (user: Subscriber) => {
  const { until } = await payments.report(user);
  await later(Date.parse(until ?? '') - payments.clock.now().getTime() + 60_000);
};

describe('a paying user', () => {
  it('is notified of a renewal once, even if its events are repeated', async () => {
    const user = await payments.subscribe();
    await toTheNextPeriod(user);
    expect(await payments.report(user)).toMatchObject({ active: true, reason: 'paid' });
    expect([await kindsOf(user), await subscriptionEvents(user)]).toEqual([[], ['started']]);
    await later(hour);
    expect([await kindsOf(user), await subscriptionEvents(user)]).toEqual([['renewed'], ['renewed', 'started']]);
    const fetches = payments.service.app.get(ProviderFetchesService, { strict: false });
    await Promise.all(
      Array.from({ length: 10 }, () => fetches.fetch({ provider: 'stripe', objectRef: user.customer })),
    );
    expect(await kindsOf(user)).toEqual(['renewed']);
    await expect.poll(() => lastMail(user), { timeout: 20_000 }).toContain('Your Basic plan is paid until');
  });

  it('is notified of a failed payment and how to fix it, of the end of the grace period, and of the renewal', async () => {
    const user = await payments.subscribe();
    payments.stripe.fake.declineCharges(user.customer);
    await toTheNextPeriod(user);
    expect(await kindsOf(user)).toEqual([]);
    await later(hour);
    expect(await kindsOf(user)).toEqual(['payment_failed']);
    await expect.poll(() => lastMail(user), { timeout: 20_000 }).toContain('choose “Manage payment”');
    const { until } = await payments.report(user);
    payments.stripe.fake.holdDeliveries();
    payments.advance(Date.parse(until ?? '') - payments.clock.now().getTime() - 3_600_000);
    await payments.tick();
    await payments.tick();
    expect(await kindsOf(user)).toEqual(['payment_failed', 'grace_ending']);
    payments.stripe.fake.releaseDeliveries();
    payments.stripe.fake.acceptCharges(user.customer);
    payments.stripe.fake.payOpenInvoice(user.subscription);
    await payments.settled();
    expect(await kindsOf(user)).toEqual(['payment_failed', 'grace_ending', 'renewed']);
    expect(await subscriptionEvents(user)).toEqual(['renewed', 'payment_failed', 'started']);
  });

  it('is notified of a cancellation and of the end, but not of a resumption', async () => {
    const user = await payments.subscribe();
    await change(user, 'cancel');
    await change(user, 'resume');
    await change(user, 'cancel');
    expect(await kindsOf(user)).toEqual(['cancelled', 'cancelled']);
    await later(month);
    expect(await kindsOf(user)).toEqual(['cancelled', 'cancelled', 'expired']);
    expect(await subscriptionEvents(user)).toEqual(['expired', 'cancelled', 'resumed', 'cancelled', 'started']);
  });

  it('is not notified of an end while other access continues', async () => {
    const user = await payments.subscribe();
    await change(user, 'cancel');
    const operators = payments.service.app.get(OperatorAccessService, { strict: false });
    await operators.grant(user.uid, { planId: 'plus', days: 365 }, { actor: 'hopper', reason: 'thanks' });
    await later(month);
    expect(await kindsOf(user)).toEqual(['cancelled']);
    expect((await history(user))[0]).toMatchObject({ kind: 'expired' });
  });

  it('is notified of a plan change and of a refund', async () => {
    const user = await payments.subscribe();
    await change(user, 'plan', 'PUT', { planId: 'plus', interval: 'month' });
    expect(await kindsOf(user)).toEqual(['plan_changed']);
    const { id: charge } = await payments.lastCharge(user.customer);
    await payments.stripe.stripe.refunds.create({ charge });
    await payments.settled();
    expect((await kindsOf(user)).filter((kind) => kind === 'refunded')).toHaveLength(1);
    expect((await history(user)).map(({ text }) => text)).toEqual(
      expect.arrayContaining([
        'Your subscription was changed to the Plus plan.',
        expect.stringMatching(/^You got a refund of .* through Stripe\.$/),
      ]),
    );
  });
});

it('ignores Apple’s events after the deletion of an account, and enqueues no notification', async () => {
  const user = await payments.signIn();
  const account = await payments.get('/payment/apple/account', user.headers);
  const { appAccountToken } = (await account.json()) as { appAccountToken: string };
  payments.apple.buy({ account: crypto.randomUUID(), product: appleProducts.plus.id, appAccountToken });
  await payments.settled();
  expect(await payments.report(user)).toMatchObject({ active: true });
  const id = await payments.idOf(user);
  const headers = await payments.signInAgain(user.uid);
  const answer = await fetch(`${payments.service.url}/account`, { method: 'DELETE', headers });
  expect([answer.status, await answer.json()]).toEqual([202, { stillBilledBy: ['apple'] }]);
  await expect.poll(() => payments.idOf(user), { timeout: 20_000 }).toBe('');
  const mails = () => payments.mail.mails.filter(({ to }) => to[0] === user.email);
  await expect.poll(() => mails().at(-1)?.text, { timeout: 20_000 }).toContain('Apple continues to charge');
  payments.advance(month);
  await payments.apple.deliveriesSettled();
  const pending = `SELECT 1 FROM identity."WebhookEvent" WHERE provider = 'apple' AND state = 'pending'`;
  await expect.poll(() => payments.sql(pending), { timeout: 20_000 }).toEqual([]);
  expect(await payments.idOf(user)).toBe('');
  expect(await payments.sql('SELECT 1 FROM identity."Notification" WHERE user_id = $1', [id])).toEqual([]);
  expect(await payments.sql('SELECT 1 FROM identity."SubscriptionEvent" WHERE user_id = $1', [id])).toEqual([]);
});
