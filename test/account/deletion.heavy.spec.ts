import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import pg from 'pg';
import { type SignedIn } from '../support/gatekeeper.js';
import { startPayments, type Subscriber, type TestPayments } from '../support/payments.js';
import { runMaintenanceJob } from '../support/maintenance.js';
import { IdentityMaintenance } from '../../src/prisma/identity/index.js';
import { type DeletionBegun } from '../../src/account/account.schema.js';
import { AccountDeletionService } from '../../src/account/account-deletion.service.js';

let payments: TestPayments;

beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());
// Firebase dates sign-ins by the machine's clock.
beforeEach(() => payments.clock.set(new Date()));
afterEach(() => {
  payments.firebase.comeBack();
  payments.stripe.fake.clearFaults();
});

const remove = async (headers: SignedIn['headers']) => {
  const response = await fetch(`${payments.service.url}/account`, { method: 'DELETE', headers });
  return { status: response.status, body: (await response.json()) as DeletionBegun & { code?: string } };
};
/** As an operator's command does, while the provider that would be asked about the person's own sign-in is away. */
const removeByOperator = async (person: SignedIn) =>
  payments.service.app
    .get(AccountDeletionService, { strict: false })
    .begin({ userId: await idOf(person), firebaseUid: person.uid }, { actor: 'hopper', reason: 'asked by letter' });
const freshly = (person: SignedIn) => payments.signInAgain(person.uid);
const rowsOf = ({ uid }: SignedIn) => payments.sql('SELECT id FROM identity."User" WHERE firebase_uid = $1', [uid]);
const idOf = async (person: SignedIn) => String((await rowsOf(person))[0]?.id);
/** Whatever failed before is tried again now, rather than later each time. */
const gone = (person: SignedIn) =>
  expect
    .poll(
      async () => {
        await payments.sql(
          `UPDATE identity_jobs._private_jobs SET run_at = now() WHERE key LIKE 'delete-account:%' AND locked_at IS NULL`,
        );
        return rowsOf(person);
      },
      { timeout: 30_000 },
    )
    .toEqual([]);
const failedOnce = () =>
  expect
    .poll(
      () =>
        payments.sql(
          `SELECT attempts FROM identity_jobs.jobs WHERE key LIKE 'delete-account:%' AND last_error IS NOT NULL`,
        ),
      {
        timeout: 15_000,
      },
    )
    .toHaveLength(1);
const waitingToErase = () =>
  payments.sql(
    `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%DELETE FROM "User"%' AND datname = current_database()`,
  );
const atStripe = async ({ customer }: Subscriber) =>
  (await payments.stripe.stripe.customers.retrieve(customer)).deleted === true;
const exists = ({ uid }: SignedIn) => payments.firebase.exists(uid);

async function erasedWholly(person: Subscriber, id: string): Promise<void> {
  await gone(person);
  expect([await atStripe(person), exists(person)]).toEqual([true, false]);
  const owned = await payments.sql<{ table: string; column: string }>(
    `SELECT c.relname AS table, a.attname AS column FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
     WHERE k.contype = 'f' AND k.confrelid = 'identity."User"'::regclass`,
  );
  expect(owned.length).toBeGreaterThan(5);
  for (const { table, column } of owned) {
    expect([table, await payments.sql(`SELECT 1 FROM identity."${table}" WHERE "${column}" = $1`, [id])]).toEqual([
      table,
      [],
    ]);
  }
}

describe('deleting an account', () => {
  it('is held up for a while, not for ever, by a payment that the books refuse', async () => {
    const person = await payments.subscribe();
    const table = 'ALTER TABLE identity."PaymentHistory"';
    await payments.sql(`${table} ADD CONSTRAINT poison CHECK (amount <> 77) NOT VALID`);
    const { id: charge } = await payments.lastCharge(person.customer);
    await payments.stripe.stripe.refunds.create({ charge, amount: 77 });
    await remove(await freshly(person));
    await failedOnce();
    expect([await atStripe(person), exists(person)]).toEqual([false, true]);
    // As after the seventh try: the eighth is the last.
    const lastTry = `UPDATE identity_jobs._private_jobs SET attempts = 7, run_at = now()
       WHERE key LIKE 'delete-account:%' AND locked_at IS NULL RETURNING 1`;
    await expect.poll(() => payments.sql(lastTry)).toHaveLength(1);
    await gone(person);
    expect([await atStripe(person), exists(person)]).toEqual([true, false]);
    await payments.sql(`${table} DROP CONSTRAINT poison`);
  });

  it('ends the subscription, deletes at Firebase, erases every row, and keeps payments without a person', async () => {
    const person = await payments.subscribe();
    const id = await idOf(person);
    const [paid] = await payments.history(person);
    expect(await remove(await freshly(person))).toEqual({ status: 202, body: { stillBilledBy: [] } });
    await erasedWholly(person, id);
    expect(
      await payments.sql('SELECT user_id, amount FROM identity."PaymentHistory" WHERE provider_ref = $1', [
        paid?.provider_ref,
      ]),
    ).toEqual([{ user_id: null, amount: paid?.amount }]);
    const subscription = await payments.stripe.stripe.subscriptions.retrieve(person.subscription);
    expect(subscription.status).toBe('canceled');
  });

  it('needs a sign-in of the last five minutes', async () => {
    const person = await payments.signIn();
    payments.clock.advance(600_000);
    expect(await remove(person.headers)).toMatchObject({ status: 403, body: { code: 'recent_sign_in_required' } });
    payments.clock.advance(-600_000);
    expect(exists(person)).toBe(true);
  });

  it('lets nobody in from the moment it begins', async () => {
    const person = await payments.subscribe();
    const headers = await freshly(person);
    payments.stripe.fake.inject({ kind: 'refuse' });
    expect((await remove(headers)).status).toBe(202);
    await failedOnce();
    expect((await payments.get('/subscription', headers)).status).toBe(401);
    expect((await payments.get('/subscription', await freshly(person))).status).toBe(401);
    payments.stripe.fake.clearFaults();
    await gone(person);
    expect((await payments.get('/subscription', headers)).status).toBe(401);
  });

  it('of fifty requests is one deletion', async () => {
    const person = await payments.subscribe();
    const id = await idOf(person);
    const headers = await freshly(person);
    const answers = await Promise.all(Array.from({ length: 50 }, () => remove(headers)));
    expect(answers.filter(({ status }) => status === 202).length).toBeGreaterThan(0);
    // 503: more at once than there are connections to the database, turned away with nothing done.
    expect(answers.filter(({ status }) => ![202, 401, 503].includes(status))).toEqual([]);
    await erasedWholly(person, id);
    expect(await payments.sql(`SELECT 1 FROM identity."AccountDeletion" WHERE user_id = $1`, [id])).toHaveLength(1);
  });
});

describe('a deletion that is stopped', () => {
  it('before Stripe was asked erases nothing, and goes on when Stripe is back', async () => {
    const person = await payments.subscribe();
    const id = await idOf(person);
    payments.stripe.fake.inject({ kind: 'status', status: 500 });
    await remove(await freshly(person));
    await failedOnce();
    expect([exists(person), (await rowsOf(person)).length]).toEqual([true, 1]);
    payments.stripe.fake.clearFaults();
    await erasedWholly(person, id);
  });

  it('between Stripe and Firebase goes on from there', async () => {
    const person = await payments.subscribe();
    const id = await idOf(person);
    payments.firebase.goDown();
    await removeByOperator(person);
    await failedOnce();
    expect([await atStripe(person), exists(person), (await rowsOf(person)).length]).toEqual([true, true, 1]);
    payments.firebase.comeBack();
    await erasedWholly(person, id);
  });

  it('between Firebase and the rows, by the death of its connection, goes on from there', async () => {
    const person = await payments.subscribe();
    const id = await idOf(person);
    const holder = new pg.Client(payments.stack.ownerUrl);
    holder.on('error', () => {});
    await holder.connect();
    const headers = await freshly(person);
    await payments.get('/subscription', headers);
    await holder.query('BEGIN');
    await holder.query('SELECT FROM identity."User" WHERE id = $1 FOR KEY SHARE', [id]);
    await remove(headers);
    await expect.poll(waitingToErase, { timeout: 15_000 }).toHaveLength(1);
    expect([await atStripe(person), exists(person)]).toEqual([true, false]);
    await payments.sql(`SELECT pg_terminate_backend($1)`, [(await waitingToErase())[0]?.pid]);
    await failedOnce();
    await holder.query('ROLLBACK');
    await holder.end();
    expect(await rowsOf(person)).toHaveLength(1);
    await erasedWholly(person, id);
  });

  it('and whose job was given up is begun again', async () => {
    const person = await payments.subscribe();
    const id = await idOf(person);
    payments.firebase.goDown();
    await removeByOperator(person);
    await failedOnce();
    await payments.sql(`DELETE FROM identity_jobs._private_jobs WHERE key LIKE 'delete-account:%'`);
    payments.firebase.comeBack();
    payments.clock.advance(11 * 60_000);
    await runMaintenanceJob(
      payments.service.app.get(IdentityMaintenance, { strict: false }),
      'account-deletions-revive',
    );
    await erasedWholly(person, id);
  });

  it('while the rows wait to be erased and the person gets another customer ends that one too', async () => {
    const person = await payments.subscribe();
    const id = await idOf(person);
    const late = await payments.stripe.stripe.customers.create({ email: person.email });
    const holder = new pg.Client(payments.stack.ownerUrl);
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM identity."User" WHERE id = $1 FOR KEY SHARE', [id]);
    await remove(await freshly(person));
    await expect.poll(waitingToErase, { timeout: 15_000 }).toHaveLength(1);
    await holder.query('UPDATE identity."User" SET stripe_customer_id = $2 WHERE id = $1', [id, late.id]);
    await holder.query('COMMIT');
    await holder.end();
    await erasedWholly(person, id);
    expect((await payments.stripe.stripe.customers.retrieve(late.id)).deleted).toBe(true);
  });

  it('while the person got another customer ends that one too', async () => {
    const person = await payments.subscribe();
    const id = await idOf(person);
    const late = await payments.stripe.stripe.customers.create({ email: person.email });
    payments.firebase.goDown();
    await removeByOperator(person);
    await failedOnce();
    await payments.sql(`UPDATE identity."User" SET stripe_customer_id = $2 WHERE id = $1`, [id, late.id]);
    payments.firebase.comeBack();
    await erasedWholly(person, id);
    expect((await payments.stripe.stripe.customers.retrieve(late.id)).deleted).toBe(true);
  });
});

describe('what comes late', () => {
  const eventsOf = (what: string) =>
    payments.sql<{ state: string }>('SELECT state::text FROM identity."WebhookEvent" WHERE object_ref = $1', [what]);
  const inBooks = (ref: string) =>
    payments.sql('SELECT user_id, kind::text FROM identity."PaymentHistory" WHERE provider_ref = $1', [
      `stripe:${ref}`,
    ]);

  it('brings nobody back, and what was paid is in the books before its event comes', async () => {
    const person = await payments.subscribe();
    payments.stripe.fake.holdDeliveries();
    payments.advance(32 * 86_400_000);
    const renewal = await payments.lastCharge(person.customer);
    const before = await eventsOf(person.customer);
    expect(await inBooks(renewal.id)).toEqual([]);
    await removeByOperator(person);
    await gone(person);
    expect(await inBooks(renewal.id)).toEqual([{ user_id: null, kind: 'charge' }]);
    payments.stripe.fake.releaseDeliveries();
    await payments.settled();
    const events = await eventsOf(person.customer);
    expect(events.length).toBeGreaterThan(before.length);
    expect(events.filter(({ state }) => state !== 'done')).toEqual([]);
    expect(await rowsOf(person)).toEqual([]);
  });

  it('is booked without a person when a payment is given back', async () => {
    const person = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(person.customer);
    await remove(await freshly(person));
    await gone(person);
    const refund = await payments.stripe.stripe.refunds.create({ charge, amount: 100 });
    await payments.settled();
    expect(await inBooks(refund.id)).toEqual([{ user_id: null, kind: 'refund' }]);
    expect(await rowsOf(person)).toEqual([]);
  });

  it('leaves no customer at Stripe behind when a checkout is overtaken', async () => {
    const person = await payments.signIn();
    await payments.get('/subscription', person.headers);
    const id = await idOf(person);
    const holder = new pg.Client(payments.stack.ownerUrl);
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM identity."User" WHERE id = $1 FOR KEY SHARE', [id]);
    const answer = payments.checkout(person);
    const waiting = () =>
      payments.sql(
        `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE "User" SET stripe_customer_id%' AND datname = current_database()`,
      );
    await expect.poll(waiting, { timeout: 15_000 }).toHaveLength(1);
    const customers = async () => (await payments.stripe.stripe.customers.list({ email: person.email })).data;
    expect(await customers()).toHaveLength(1);
    await holder.query('DELETE FROM identity."User" WHERE id = $1', [id]);
    await holder.query('COMMIT');
    await holder.end();
    expect((await answer).status).toBe(401);
    expect(await customers()).toEqual([]);
  });
});

it('the mark of a deletion goes after a day', async () => {
  await payments.sql(
    `INSERT INTO identity."AccountDeletion" VALUES (gen_random_uuid(), 'old', $1::timestamptz, $1::timestamptz - interval '25 hours'),
      (gen_random_uuid(), 'new', $1::timestamptz, $1::timestamptz - interval '23 hours'), (gen_random_uuid(), 'running', '2020-01-01', NULL)`,
    [payments.clock.now()],
  );
  await runMaintenanceJob(payments.service.app.get(IdentityMaintenance, { strict: false }), 'account-deletions-purge');
  const left = await payments.sql(
    `SELECT firebase_uid FROM identity."AccountDeletion" WHERE firebase_uid IN ('old', 'new', 'running')`,
  );
  expect(left.map((row) => row.firebase_uid).sort()).toEqual(['new', 'running']);
});
