import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SystemClock } from '../../src/platform/config/index.js';
import { HoldingProxy, type Moment } from '../support/holding-proxy.js';
import { query } from '../support/stack.js';
import { startStripe, type StripeBench } from '@vpn-backend/fake-providers/testing';
import { http, postgres } from '../support/wire-protocols.js';
import { ask } from './asking.js';
import { type Person, signIn } from './people.js';
import { createWorld, type Replica, type World } from './world.js';

/** Kills the service at every step of a deletion; another process, which comes later, finishes it. */

let world: World;
let stripe: StripeBench;
let toStripe: HoldingProxy;
let toPostgres: HoldingProxy;

beforeAll(async () => {
  stripe = await startStripe({ clock: new SystemClock(), concurrency: 4 });
  toStripe = await HoldingProxy.start([Number(new URL(stripe.fake.url).port)], http);
  world = await createWorld({
    STRIPE_SECRET_KEY: stripe.fake.apiKey,
    STRIPE_WEBHOOK_SECRET: 'whsec_ofTests',
    STRIPE_API_URL: `http://127.0.0.1:${toStripe.port}`,
    PAYMENT_RETURN_URLS: 'https://app.example/account',
    // Whoever stays does no jobs: they are the victim's.
    IDENTITY_WORKER: 'apart',
  });
  toPostgres = await HoldingProxy.start([Number(new URL(world.services.ownerUrl).port)], postgres);
}, 300_000);
afterAll(async () => {
  await Promise.all([toStripe, toPostgres].map((proxy) => proxy.stop()));
  await world.stop();
  await stripe.fake.close();
});

const sql = <Row extends Record<string, unknown>>(text: string, values?: unknown[]) =>
  query<Row>(world.services.ownerUrl, text, values);
const worker = (settings = {}) => world.replica({ IDENTITY_WORKER: 'inside', ...settings });
const remove = (url: string, { headers }: Person) => ask(`${url}/account`, { method: 'DELETE', headers });

interface Payer extends Person {
  readonly id: string;
  readonly customer: string;
}

async function payer(): Promise<Payer> {
  const person = await signIn(world);
  expect((await ask(`${world.first.url}/account`, { headers: person.headers })).status).toBe(200);
  const { id: customer } = await stripe.stripe.customers.create({ email: person.email });
  const [row] = await sql<{ id: string }>(
    'UPDATE identity."User" SET stripe_customer_id = $2 WHERE firebase_uid = $1 RETURNING id',
    [person.uid, customer],
  );
  return { ...person, id: row?.id ?? '', customer };
}

/** Gone everywhere, written down once, and told once. */
async function expectGone({ id, uid, email, customer }: Payer): Promise<void> {
  const erased = () =>
    sql('SELECT 1 FROM identity."AccountDeletion" WHERE user_id = $1 AND erased_at IS NOT NULL', [id]);
  await expect.poll(erased, { timeout: 100_000, interval: 200 }).toHaveLength(1);
  expect(await sql('SELECT 1 FROM identity."User" WHERE id = $1', [id])).toEqual([]);
  expect((await stripe.stripe.customers.retrieve(customer)).deleted).toBe(true);
  expect(world.firebase.exists(uid)).toBe(false);
  const mails = () => world.mail?.mails.filter(({ to }) => to[0] === email).map(({ headers }) => headers.subject) ?? [];
  // One that the killed process had taken already waits until its claim ends: five minutes.
  await expect.poll(mails, { timeout: 400_000, interval: 200 }).toContain('Your account is deleted');
  expect(mails().filter((subject) => subject === 'Your account is deleted')).toHaveLength(1);
}

/** Lets a new process take over what the killed one left. */
async function finished(person: Payer): Promise<void> {
  const heir = await worker();
  await expectGone(person);
  await heir.stop();
}

async function killAt(victim: Replica, proxy: HoldingProxy, moment: Moment, matches: RegExp, person: Payer) {
  const arrived = proxy.hold(moment, matches);
  const asked = remove(victim.url, person);
  await arrived;
  await victim.kill();
  return asked;
}

const throughProxy = () => ({ IDENTITY_DATABASE_URL: toPostgres.through(world.env['IDENTITY_DATABASE_URL'] ?? '') });

describe.each<Moment>(['before', 'after'])('killed %s', (moment) => {
  it('the account is marked: either nothing has begun, or all of it is done', { timeout: 600_000 }, async () => {
    const person = await payer();
    const victim = await worker(throughProxy());
    await killAt(victim, toPostgres, moment, /INSERT INTO "AccountDeletion"/, person);
    if (moment === 'before') {
      expect(await sql('SELECT 1 FROM identity."AccountDeletion" WHERE user_id = $1', [person.id])).toEqual([]);
      expect((await remove(world.first.url, person)).status).toBe(202);
    }
    await finished(person);
  });

  it('Stripe has forgotten the customer', { timeout: 600_000 }, async () => {
    const person = await payer();
    const victim = await worker();
    await killAt(victim, toStripe, moment, /^DELETE \/v1\/customers\//, person);
    expect([
      world.firebase.exists(person.uid),
      (await sql('SELECT 1 FROM identity."User" WHERE id = $1', [person.id])).length,
    ]).toEqual([true, 1]);
    await finished(person);
  });

  it('the person is erased', { timeout: 600_000 }, async () => {
    const person = await payer();
    const victim = await worker(throughProxy());
    await killAt(victim, toPostgres, moment, /DELETE FROM "User"/, person);
    expect(world.firebase.exists(person.uid)).toBe(false);
    await finished(person);
  });
});

it('killed while Firebase is asked: goes on from there', { timeout: 600_000 }, async () => {
  const person = await payer();
  expect((await remove(world.first.url, person)).status).toBe(202);
  world.firebase.goDown('hanging');
  const victim = await worker();
  const atStripe = async () => (await stripe.stripe.customers.retrieve(person.customer)).deleted;
  await expect.poll(atStripe, { timeout: 60_000 }).toBe(true);
  await victim.kill();
  world.firebase.comeBack();
  expect(world.firebase.exists(person.uid)).toBe(true);
  await finished(person);
});
