import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type SignedIn, type TestGatekeeper } from '../support/gatekeeper.js';
import { type Notices, startNotices } from '../support/notifications.js';
import { patiently } from '../support/patiently.js';
import { type Account, type AuditTrail } from '../../src/account/account.schema.js';

let gatekeeper: TestGatekeeper & Notices;
let user: SignedIn;

beforeAll(async () => {
  gatekeeper = await startNotices();
});
afterAll(() => gatekeeper.stop());
beforeEach(async () => {
  // Firebase dates sign-ins by the machine's clock.
  gatekeeper.clock.set(new Date());
  user = await gatekeeper.signIn();
  expect((await gatekeeper.get('/account', user.headers)).status).toBe(200);
  await gatekeeper.settled();
});
afterEach(async () => {
  gatekeeper.firebase.comeBack();
  await resumeMails();
});

const ask = (email: string, headers: Record<string, string> = user.headers) =>
  fetch(`${gatekeeper.service.url}/account`, {
    method: 'PATCH',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ email }),
  });
const read = async (response: Response) => ({
  status: response.status,
  body: (await response.json()) as Account & { code?: string },
});
const change = async (...given: Parameters<typeof ask>) => read(await ask(...given));
const account = async (headers = user.headers) =>
  (await (await gatekeeper.get('/account', headers)).json()) as Account & { code?: string };
const newAddress = () => `${randomUUID()}@example.org`;
const linkTo = (address: string) =>
  gatekeeper.mail.mails.findLast(({ to }) => to[0] === address)?.text.match(/http\S+/)?.[0] ?? '';
async function pauseMails(): Promise<void> {
  // A worker that is about to finish would end the pause.
  const working = `SELECT 1 FROM identity_jobs.jobs WHERE task_identifier = 'deliver-email'`;
  await expect.poll(() => gatekeeper.sql(working)).toEqual([]);
  await gatekeeper.sql(`INSERT INTO identity."DeliveryPause" VALUES ('email', 1, $1::timestamptz + interval '1 day')`, [
    gatekeeper.clock.now(),
  ]);
}
const resumeMails = async () => {
  await gatekeeper.sql('DELETE FROM identity."DeliveryPause"');
  await gatekeeper.tick();
  await gatekeeper.settled();
};
/** Deliveries after the welcome. */
const deliveries = async () =>
  (await gatekeeper.deliveries(user)).slice(1).map(({ kind, state, reason }) => [kind, state, reason]);

describe('a new address', () => {
  it('becomes the address of the account when its link is opened, not before', async () => {
    const email = newAddress();
    const { status, body } = await change(email);
    expect([status, body.email, body.emailVerified]).toEqual([202, user.email, true]);
    await gatekeeper.settled();
    expect(gatekeeper.subjects(email)).toEqual(['Confirm your new e-mail address']);
    expect(gatekeeper.subjects(user.email).at(-1)).toBe('Request to change your e-mail address');
    gatekeeper.clock.advance(61_000);
    expect(await account()).toMatchObject({ email: user.email, emailVerified: true });

    const link = linkTo(email);
    expect((await fetch(link)).status).toBe(200);
    gatekeeper.clock.advance(61_000);
    expect(await account()).toMatchObject({ code: 'invalid_id_token' });
    const again = await gatekeeper.signInAgain(user.uid);
    expect(await account(again)).toMatchObject({ email, emailVerified: true });
    await gatekeeper.settled();
    expect(gatekeeper.subjects(email).at(-1)).toBe('Your e-mail address is verified');
    const { acts } = (await (await gatekeeper.get('/account/audit', again)).json()) as AuditTrail;
    expect(acts.map(({ by, action }) => [by, action])).toEqual([['you', 'account.ask_email_change']]);
    expect((await fetch(link)).status).toBe(400);
  });

  it('is stored only in its delivery, and the current one in its own, until they are sent', async () => {
    const email = newAddress();
    await pauseMails();
    await change(email);
    const addresses = async () => (await gatekeeper.deliveries(user)).slice(1).map((row) => [row.kind, row.address]);
    expect(await addresses()).toEqual([
      ['email_change_asked', user.email],
      ['email_change_link', email],
    ]);
    expect(
      await gatekeeper.sql(`SELECT 1 FROM identity."Notification" WHERE user_id = $1 AND payload <> '{}'`, [
        await gatekeeper.idOf(user),
      ]),
    ).toEqual([]);
    await resumeMails();
    expect(await addresses()).toEqual([
      ['email_change_asked', null],
      ['email_change_link', null],
    ]);
  });

  it('gets the same response and no mail if it belongs to another account', async () => {
    const other = await gatekeeper.signIn();
    const [free, taken] = [await change(newAddress()), await change(other.email)];
    expect(taken).toEqual(free);
    await gatekeeper.settled();
    expect((await deliveries()).at(-1)).toEqual(['email_change_link', 'refused', 'email_in_use']);
    expect(gatekeeper.subjects(other.email)).toEqual([]);
  });

  it('causes no mail to a current address that is not verified', async () => {
    user = await gatekeeper.signIn({ emailVerified: false });
    expect((await change(newAddress())).status).toBe(202);
    await gatekeeper.settled();
    const kinds = (await gatekeeper.deliveries(user)).map(({ kind, state }) => [kind, state]);
    expect(kinds).toEqual([['email_change_link', 'sent']]);
  });
});

describe('the link', () => {
  it('is not created if the sign-ins were revoked before it was mailed', async () => {
    const email = newAddress();
    await pauseMails();
    await change(email);
    gatekeeper.firebase.revoke(user.uid);
    await resumeMails();
    expect((await deliveries()).at(-1)).toEqual(['email_change_link', 'refused', 'signed_out']);
    expect(gatekeeper.subjects(email)).toEqual([]);
  });

  it('is not created if the request is older than an hour', async () => {
    await pauseMails();
    await change(newAddress());
    gatekeeper.clock.advance(61 * 60_000);
    await resumeMails();
    expect((await deliveries()).at(-1)).toEqual(['email_change_link', 'refused', 'too_old']);
  });

  it('is created when Firebase is back after an outage', async () => {
    const email = newAddress();
    await pauseMails();
    await change(email);
    gatekeeper.firebase.goDown();
    await resumeMails();
    expect((await deliveries()).at(-1)).toEqual(['email_change_link', 'pending', 'identity_provider']);
    gatekeeper.firebase.comeBack();
    gatekeeper.clock.advance(31_000);
    await gatekeeper.tick();
    await gatekeeper.settled();
    expect(linkTo(email)).toContain('mode=verifyAndChangeEmail');
  });
});

describe('PATCH /account', () => {
  const requests = async () =>
    gatekeeper.sql(`SELECT 1 FROM identity."Notification" WHERE user_id = $1 AND kind = 'email_change_link'`, [
      await gatekeeper.idOf(user),
    ]);

  it('requires a sign-in that is still valid at the provider', async () => {
    gatekeeper.firebase.revoke(user.uid);
    // For a minute, the cached entry still allows reads.
    expect(await account()).toMatchObject({ email: user.email });
    expect(await change(newAddress())).toMatchObject({ status: 401, body: { code: 'invalid_id_token' } });
    expect(await requests()).toEqual([]);
  });

  it('requires a recent sign-in', async () => {
    gatekeeper.clock.advance(301_000);
    expect(await change(newAddress())).toMatchObject({ status: 403, body: { code: 'recent_sign_in_required' } });
    expect(await requests()).toEqual([]);
  });

  it('is possible five times a day, even with concurrent requests', async () => {
    // The lock blocks all writes until more than five requests have read the count.
    const holder = new pg.Client(gatekeeper.stack.ownerUrl);
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM identity."User" WHERE firebase_uid = $1 FOR UPDATE', [user.uid]);
    const changePatiently = async (email: string) => read(await patiently(() => ask(email)));
    const all = Promise.all(Array.from({ length: 12 }, () => changePatiently(newAddress())));
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    await expect.poll(async () => (await gatekeeper.sql(waiting)).length).toBeGreaterThan(5);
    await holder.query('ROLLBACK');
    await holder.end();
    const responses = await all;
    const accepted = responses.filter(({ status }) => status === 202);
    expect(responses.filter(({ status }) => status !== 202).map(({ body }) => body.code)).toEqual(
      Array.from({ length: 12 - accepted.length }, () => 'rate_limited'),
    );
    expect(await requests()).toHaveLength(accepted.length);
    for (let n = accepted.length; n < 5; n += 1) expect((await change(newAddress())).status).toBe(202);
    expect(await change(newAddress())).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(await requests()).toHaveLength(5);
  });
});
