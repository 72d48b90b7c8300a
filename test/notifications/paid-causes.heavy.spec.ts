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
/** Without the welcome. */
const told = async (person: Subscriber) =>
  (await payments.deliveries(person)).map(({ kind }) => kind).filter((kind) => kind !== 'welcome');
const change = async (person: Subscriber, what: string, method = 'POST', body?: object) => {
  const [source] = (await payments.report(person)).sources;
  const response = await fetch(`${payments.service.url}/payment/subscriptions/${source?.id}/${what}`, {
    method,
    headers: { ...person.headers, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  expect(response.status).toBe(200);
  await payments.settled();
};
const lastMail = async (person: Subscriber) => {
  await payments.tick();
  await payments.settled();
  return payments.mail.mails.filter(({ to }) => to[0] === person.email).at(-1)?.text;
};
const history = async (person: Subscriber) =>
  ((await (await payments.get('/account/history', person.headers)).json()) as AccountHistory).events;
/** Newest first. Where money moved in the same second is no matter. */
const whatBecame = async (person: Subscriber) =>
  (await history(person)).map(({ kind }) => kind).filter((kind) => kind !== 'charge');
/** A minute into it: its invoice is a draft for an hour, and only then does Stripe ask for the money. */
const toTheNextPeriod = async (person: Subscriber) => {
  const { until } = await payments.report(person);
  await later(Date.parse(until ?? '') - payments.clock.now().getTime() + 60_000);
};

describe('somebody who pays is told', () => {
  it('of a renewal, once, however often its events come', async () => {
    const person = await payments.subscribe();
    await toTheNextPeriod(person);
    expect(await payments.report(person)).toMatchObject({ active: true, reason: 'paid' });
    expect([await told(person), await whatBecame(person)]).toEqual([[], ['started']]);
    await later(hour);
    expect([await told(person), await whatBecame(person)]).toEqual([['renewed'], ['renewed', 'started']]);
    const fetches = payments.service.app.get(ProviderFetchesService, { strict: false });
    await Promise.all(
      Array.from({ length: 10 }, () => fetches.fetch({ provider: 'stripe', objectRef: person.customer })),
    );
    expect(await told(person)).toEqual(['renewed']);
    await expect.poll(() => lastMail(person), { timeout: 20_000 }).toContain('Your plan Basic is paid until');
  });

  it('of a payment that failed and how to mend it, of the end of the grace, and of what came after', async () => {
    const person = await payments.subscribe();
    payments.stripe.fake.declineCharges(person.customer);
    await toTheNextPeriod(person);
    expect(await told(person)).toEqual([]);
    await later(hour);
    expect(await told(person)).toEqual(['payment_failed']);
    await expect.poll(() => lastMail(person), { timeout: 20_000 }).toContain('choose “Manage payment”');
    const { until } = await payments.report(person);
    payments.stripe.fake.holdDeliveries();
    payments.advance(Date.parse(until ?? '') - payments.clock.now().getTime() - 3_600_000);
    await payments.tick();
    await payments.tick();
    expect(await told(person)).toEqual(['payment_failed', 'grace_ending']);
    payments.stripe.fake.releaseDeliveries();
    payments.stripe.fake.acceptCharges(person.customer);
    payments.stripe.fake.payOpenInvoice(person.subscription);
    await payments.settled();
    expect(await told(person)).toEqual(['payment_failed', 'grace_ending', 'renewed']);
    expect(await whatBecame(person)).toEqual(['renewed', 'payment_failed', 'started']);
  });

  it('of a cancellation, and of the end; not of taking it back', async () => {
    const person = await payments.subscribe();
    await change(person, 'cancel');
    await change(person, 'resume');
    await change(person, 'cancel');
    expect(await told(person)).toEqual(['cancelled', 'cancelled']);
    await later(month);
    expect(await told(person)).toEqual(['cancelled', 'cancelled', 'expired']);
    expect(await whatBecame(person)).toEqual(['expired', 'cancelled', 'resumed', 'cancelled', 'started']);
  });

  it('of no end while access goes on by other means', async () => {
    const person = await payments.subscribe();
    await change(person, 'cancel');
    const operators = payments.service.app.get(OperatorAccessService, { strict: false });
    await operators.grant(person.uid, { planId: 'plus', days: 365 }, { actor: 'hopper', reason: 'thanks' });
    await later(month);
    expect(await told(person)).toEqual(['cancelled']);
    expect((await history(person))[0]).toMatchObject({ kind: 'expired' });
  });

  it('of another plan, and of money that comes back', async () => {
    const person = await payments.subscribe();
    await change(person, 'plan', 'PUT', { planId: 'plus', interval: 'month' });
    expect(await told(person)).toEqual(['plan_changed']);
    const { id: charge } = await payments.lastCharge(person.customer);
    await payments.stripe.stripe.refunds.create({ charge });
    await payments.settled();
    expect((await told(person)).filter((kind) => kind === 'refunded')).toHaveLength(1);
    expect((await history(person)).map(({ text }) => text)).toEqual(
      expect.arrayContaining([
        'Your subscription moved to the plan Plus.',
        expect.stringContaining('back through Stripe'),
      ]),
    );
  });
});

it('events of Apple that come after the deletion bring nobody back, and tell nobody anything', async () => {
  const person = await payments.signIn();
  const account = await payments.get('/payment/apple/account', person.headers);
  const { appAccountToken } = (await account.json()) as { appAccountToken: string };
  payments.apple.buy({ account: crypto.randomUUID(), product: appleProducts.plus.id, appAccountToken });
  await payments.settled();
  expect(await payments.report(person)).toMatchObject({ active: true });
  const id = await payments.idOf(person);
  const headers = await payments.signInAgain(person.uid);
  const answer = await fetch(`${payments.service.url}/account`, { method: 'DELETE', headers });
  expect([answer.status, await answer.json()]).toEqual([202, { stillBilledBy: ['apple'] }]);
  await expect.poll(() => payments.idOf(person), { timeout: 20_000 }).toBe('');
  const mails = () => payments.mail.mails.filter(({ to }) => to[0] === person.email);
  await expect.poll(() => mails().at(-1)?.text, { timeout: 20_000 }).toContain('Apple goes on charging');
  payments.advance(month);
  await payments.apple.deliveriesSettled();
  const pending = `SELECT 1 FROM identity."WebhookEvent" WHERE provider = 'apple' AND state = 'pending'`;
  await expect.poll(() => payments.sql(pending), { timeout: 20_000 }).toEqual([]);
  expect(await payments.idOf(person)).toBe('');
  expect(await payments.sql('SELECT 1 FROM identity."Notification" WHERE user_id = $1', [id])).toEqual([]);
  expect(await payments.sql('SELECT 1 FROM identity."SubscriptionEvent" WHERE user_id = $1', [id])).toEqual([]);
});
