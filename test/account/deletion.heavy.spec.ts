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
/** As the operator's command does. It works while the provider is down, because it does not check the user's sign-in. */
const removeByOperator = async (user: SignedIn) =>
  payments.service.app
    .get(AccountDeletionService, { strict: false })
    .begin({ userId: await idOf(user), firebaseUid: user.uid }, { actor: 'hopper', reason: 'asked by letter' });
const newSignIn = (user: SignedIn) => payments.signInAgain(user.uid);
const rowsOf = ({ uid }: SignedIn) => payments.sql('SELECT id FROM identity."User" WHERE firebase_uid = $1', [uid]);
const idOf = async (user: SignedIn) => String((await rowsOf(user))[0]?.id);
/** Waits until the user is erased. Failed jobs are retried at once. */
const erased = (user: SignedIn) =>
  expect
    .poll(
      async () => {
        await payments.sql(
          `UPDATE identity_jobs._private_jobs SET run_at = now() WHERE key LIKE 'delete-account:%' AND locked_at IS NULL`,
        );
        return rowsOf(user);
      },
      { timeout: 30_000 },
    )
    .toEqual([]);
const jobFailedOnce = () =>
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
const blockedErasures = () =>
  payments.sql(
    `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%DELETE FROM "User"%' AND datname = current_database()`,
  );
const deletedAtStripe = async ({ customer }: Subscriber) =>
  (await payments.stripe.stripe.customers.retrieve(customer)).deleted === true;
const existsAtFirebase = ({ uid }: SignedIn) => payments.firebase.exists(uid);

async function expectErased(user: Subscriber, id: string): Promise<void> {
  await erased(user);
  expect([await deletedAtStripe(user), existsAtFirebase(user)]).toEqual([true, false]);
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

describe('DELETE /account', () => {
  it('is delayed, but not forever, by a payment that cannot be recorded', async () => {
    const user = await payments.subscribe();
    const table = 'ALTER TABLE identity."PaymentHistory"';
    await payments.sql(`${table} ADD CONSTRAINT poison CHECK (amount <> 77) NOT VALID`);
    const { id: charge } = await payments.lastCharge(user.customer);
    await payments.stripe.stripe.refunds.create({ charge, amount: 77 });
    await remove(await newSignIn(user));
    await jobFailedOnce();
    expect([await deletedAtStripe(user), existsAtFirebase(user)]).toEqual([false, true]);
    // As after the seventh attempt: the eighth is the last.
    const lastAttempt = `UPDATE identity_jobs._private_jobs SET attempts = 7, run_at = now()
       WHERE key LIKE 'delete-account:%' AND locked_at IS NULL RETURNING 1`;
    await expect.poll(() => payments.sql(lastAttempt)).toHaveLength(1);
    await erased(user);
    expect([await deletedAtStripe(user), existsAtFirebase(user)]).toEqual([true, false]);
    await payments.sql(`${table} DROP CONSTRAINT poison`);
  });

  it('ends the subscription, deletes the Firebase account, erases every row and keeps payments without the user', async () => {
    const user = await payments.subscribe();
    const id = await idOf(user);
    const [paid] = await payments.history(user);
    expect(await remove(await newSignIn(user))).toEqual({ status: 202, body: { stillBilledBy: [] } });
    await expectErased(user, id);
    expect(
      await payments.sql('SELECT user_id, amount FROM identity."PaymentHistory" WHERE provider_ref = $1', [
        paid?.provider_ref,
      ]),
    ).toEqual([{ user_id: null, amount: paid?.amount }]);
    const subscription = await payments.stripe.stripe.subscriptions.retrieve(user.subscription);
    expect(subscription.status).toBe('canceled');
  });

  it('requires a sign-in within the last five minutes', async () => {
    const user = await payments.signIn();
    payments.clock.advance(600_000);
    expect(await remove(user.headers)).toMatchObject({ status: 403, body: { code: 'recent_sign_in_required' } });
    payments.clock.advance(-600_000);
    expect(existsAtFirebase(user)).toBe(true);
  });

  it('refuses the user from the moment it begins', async () => {
    const user = await payments.subscribe();
    const headers = await newSignIn(user);
    payments.stripe.fake.inject({ kind: 'refuse' });
    expect((await remove(headers)).status).toBe(202);
    await jobFailedOnce();
    expect((await payments.get('/subscription', headers)).status).toBe(401);
    expect((await payments.get('/subscription', await newSignIn(user))).status).toBe(401);
    payments.stripe.fake.clearFaults();
    await erased(user);
    expect((await payments.get('/subscription', headers)).status).toBe(401);
  });

  it('makes one deletion of fifty concurrent requests', async () => {
    const user = await payments.subscribe();
    const id = await idOf(user);
    const headers = await newSignIn(user);
    const answers = await Promise.all(Array.from({ length: 50 }, () => remove(headers)));
    expect(answers.filter(({ status }) => status === 202).length).toBeGreaterThan(0);
    // 503: there are more requests than database connections; such a request changed nothing.
    expect(answers.filter(({ status }) => ![202, 401, 503].includes(status))).toEqual([]);
    await expectErased(user, id);
    expect(await payments.sql(`SELECT 1 FROM identity."AccountDeletion" WHERE user_id = $1`, [id])).toHaveLength(1);
  });
});

describe('an interrupted deletion', () => {
  it('erases nothing while Stripe is down, and continues when it is back', async () => {
    const user = await payments.subscribe();
    const id = await idOf(user);
    payments.stripe.fake.inject({ kind: 'status', status: 500 });
    await remove(await newSignIn(user));
    await jobFailedOnce();
    expect([existsAtFirebase(user), (await rowsOf(user)).length]).toEqual([true, 1]);
    payments.stripe.fake.clearFaults();
    await expectErased(user, id);
  });

  it('continues after it stopped between Stripe and Firebase', async () => {
    const user = await payments.subscribe();
    const id = await idOf(user);
    payments.firebase.goDown();
    await removeByOperator(user);
    await jobFailedOnce();
    expect([await deletedAtStripe(user), existsAtFirebase(user), (await rowsOf(user)).length]).toEqual([true, true, 1]);
    payments.firebase.comeBack();
    await expectErased(user, id);
  });

  it('continues after its connection broke between Firebase and the erasure', async () => {
    const user = await payments.subscribe();
    const id = await idOf(user);
    const holder = new pg.Client(payments.stack.ownerUrl);
    holder.on('error', () => {});
    await holder.connect();
    const headers = await newSignIn(user);
    await payments.get('/subscription', headers);
    await holder.query('BEGIN');
    await holder.query('SELECT FROM identity."User" WHERE id = $1 FOR KEY SHARE', [id]);
    await remove(headers);
    await expect.poll(blockedErasures, { timeout: 15_000 }).toHaveLength(1);
    expect([await deletedAtStripe(user), existsAtFirebase(user)]).toEqual([true, false]);
    await payments.sql(`SELECT pg_terminate_backend($1)`, [(await blockedErasures())[0]?.pid]);
    await jobFailedOnce();
    await holder.query('ROLLBACK');
    await holder.end();
    expect(await rowsOf(user)).toHaveLength(1);
    await expectErased(user, id);
  });

  it('gets a new job if its job has failed for good', async () => {
    const user = await payments.subscribe();
    const id = await idOf(user);
    payments.firebase.goDown();
    await removeByOperator(user);
    await jobFailedOnce();
    await payments.sql(`DELETE FROM identity_jobs._private_jobs WHERE key LIKE 'delete-account:%'`);
    payments.firebase.comeBack();
    payments.clock.advance(11 * 60_000);
    await runMaintenanceJob(
      payments.service.app.get(IdentityMaintenance, { strict: false }),
      'account-deletions-requeue',
    );
    await expectErased(user, id);
  });

  it('deletes a customer that the user gets while the erasure waits', async () => {
    const user = await payments.subscribe();
    const id = await idOf(user);
    const late = await payments.stripe.stripe.customers.create({ email: user.email });
    const holder = new pg.Client(payments.stack.ownerUrl);
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM identity."User" WHERE id = $1 FOR KEY SHARE', [id]);
    await remove(await newSignIn(user));
    await expect.poll(blockedErasures, { timeout: 15_000 }).toHaveLength(1);
    await holder.query('UPDATE identity."User" SET stripe_customer_id = $2 WHERE id = $1', [id, late.id]);
    await holder.query('COMMIT');
    await holder.end();
    await expectErased(user, id);
    expect((await payments.stripe.stripe.customers.retrieve(late.id)).deleted).toBe(true);
  });

  it('deletes a customer that the user got after the first one was deleted', async () => {
    const user = await payments.subscribe();
    const id = await idOf(user);
    const late = await payments.stripe.stripe.customers.create({ email: user.email });
    payments.firebase.goDown();
    await removeByOperator(user);
    await jobFailedOnce();
    await payments.sql(`UPDATE identity."User" SET stripe_customer_id = $2 WHERE id = $1`, [id, late.id]);
    payments.firebase.comeBack();
    await expectErased(user, id);
    expect((await payments.stripe.stripe.customers.retrieve(late.id)).deleted).toBe(true);
  });
});

describe('after a deletion', () => {
  const eventsOf = (objectRef: string) =>
    payments.sql<{ state: string }>('SELECT state::text FROM identity."WebhookEvent" WHERE object_ref = $1', [
      objectRef,
    ]);
  const recordedPayments = (ref: string) =>
    payments.sql('SELECT user_id, kind::text FROM identity."PaymentHistory" WHERE provider_ref = $1', [
      `stripe:${ref}`,
    ]);

  it('does not create the user again for a late event, whose payment was recorded before the deletion', async () => {
    const user = await payments.subscribe();
    payments.stripe.fake.holdDeliveries();
    payments.advance(32 * 86_400_000);
    const renewal = await payments.lastCharge(user.customer);
    const before = await eventsOf(user.customer);
    expect(await recordedPayments(renewal.id)).toEqual([]);
    await removeByOperator(user);
    await erased(user);
    expect(await recordedPayments(renewal.id)).toEqual([{ user_id: null, kind: 'charge' }]);
    payments.stripe.fake.releaseDeliveries();
    await payments.settled();
    const events = await eventsOf(user.customer);
    expect(events.length).toBeGreaterThan(before.length);
    expect(events.filter(({ state }) => state !== 'done')).toEqual([]);
    expect(await rowsOf(user)).toEqual([]);
  });

  it('records a refund without a user', async () => {
    const user = await payments.subscribe();
    const { id: charge } = await payments.lastCharge(user.customer);
    await remove(await newSignIn(user));
    await erased(user);
    const refund = await payments.stripe.stripe.refunds.create({ charge, amount: 100 });
    await payments.settled();
    expect(await recordedPayments(refund.id)).toEqual([{ user_id: null, kind: 'refund' }]);
    expect(await rowsOf(user)).toEqual([]);
  });

  it('leaves no customer at Stripe if a checkout was running during the deletion', async () => {
    const user = await payments.signIn();
    await payments.get('/subscription', user.headers);
    const id = await idOf(user);
    const holder = new pg.Client(payments.stack.ownerUrl);
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM identity."User" WHERE id = $1 FOR KEY SHARE', [id]);
    const checkout = payments.checkout(user);
    const waiting = () =>
      payments.sql(
        `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE "User" SET stripe_customer_id%' AND datname = current_database()`,
      );
    await expect.poll(waiting, { timeout: 15_000 }).toHaveLength(1);
    const customers = async () => (await payments.stripe.stripe.customers.list({ email: user.email })).data;
    expect(await customers()).toHaveLength(1);
    await holder.query('DELETE FROM identity."User" WHERE id = $1', [id]);
    await holder.query('COMMIT');
    await holder.end();
    expect((await checkout).status).toBe(401);
    expect(await customers()).toEqual([]);
  });
});

it('removes the mark of a deletion after a day', async () => {
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
