import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type SignedIn, type TestGatekeeper } from '../support/gatekeeper.js';
import { type Notices, startNotices } from '../support/notifications.js';
import { patiently } from '../support/patiently.js';
import { type Account, type AuditTrail } from '../../src/account/account.schema.js';

let sides: TestGatekeeper & Notices;
let person: SignedIn;

beforeAll(async () => {
  sides = await startNotices();
});
afterAll(() => sides.stop());
beforeEach(async () => {
  // Firebase dates sign-ins by the machine's clock.
  sides.clock.set(new Date());
  person = await sides.signIn();
  expect((await sides.get('/account', person.headers)).status).toBe(200);
  await sides.settled();
});
afterEach(async () => {
  sides.firebase.comeBack();
  await release();
});

const ask = (email: string, headers: Record<string, string> = person.headers) =>
  fetch(`${sides.service.url}/account`, {
    method: 'PATCH',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ email }),
  });
const read = async (response: Response) => ({
  status: response.status,
  body: (await response.json()) as Account & { code?: string },
});
const change = async (...given: Parameters<typeof ask>) => read(await ask(...given));
const account = async (headers = person.headers) =>
  (await (await sides.get('/account', headers)).json()) as Account & { code?: string };
const newAddress = () => `${randomUUID()}@example.org`;
const linkTo = (address: string) =>
  sides.mail.mails.findLast(({ to }) => to[0] === address)?.text.match(/http\S+/)?.[0] ?? '';
async function hold(): Promise<void> {
  // A worker that is about to finish would end the pause.
  const working = `SELECT 1 FROM identity_jobs.jobs WHERE task_identifier = 'deliver-email'`;
  await expect.poll(() => sides.sql(working)).toEqual([]);
  await sides.sql(`INSERT INTO identity."DeliveryPause" VALUES ('email', 1, $1::timestamptz + interval '1 day')`, [
    sides.clock.now(),
  ]);
}
const release = async () => {
  await sides.sql('DELETE FROM identity."DeliveryPause"');
  await sides.tick();
  await sides.settled();
};
/** Of what was told after the welcome. */
const told = async () =>
  (await sides.deliveries(person)).slice(1).map(({ kind, state, reason }) => [kind, state, reason]);

describe('another address', () => {
  it('is the account’s once its link was opened, and not before', async () => {
    const email = newAddress();
    const { status, body } = await change(email);
    expect([status, body.email, body.emailVerified]).toEqual([202, person.email, true]);
    await sides.settled();
    expect(sides.subjects(email)).toEqual(['Confirm your new e-mail address']);
    expect(sides.subjects(person.email).at(-1)).toBe('Somebody asked for another e-mail address');
    sides.clock.advance(61_000);
    expect(await account()).toMatchObject({ email: person.email, emailVerified: true });

    const link = linkTo(email);
    expect((await fetch(link)).status).toBe(200);
    sides.clock.advance(61_000);
    expect(await account()).toMatchObject({ code: 'invalid_id_token' });
    const again = await sides.signInAgain(person.uid);
    expect(await account(again)).toMatchObject({ email, emailVerified: true });
    await sides.settled();
    expect(sides.subjects(email).at(-1)).toBe('Your e-mail address is verified');
    const { acts } = (await (await sides.get('/account/audit', again)).json()) as AuditTrail;
    expect(acts.map(({ by, action }) => [by, action])).toEqual([['you', 'account.ask_email_change']]);
    expect((await fetch(link)).status).toBe(400);
  });

  it('is carried by its mail alone, and the present one by its own, until they are sent', async () => {
    const email = newAddress();
    await hold();
    await change(email);
    const addresses = async () => (await sides.deliveries(person)).slice(1).map((row) => [row.kind, row.address]);
    expect(await addresses()).toEqual([
      ['email_change_asked', person.email],
      ['email_change_link', email],
    ]);
    expect(
      await sides.sql(`SELECT 1 FROM identity."Notification" WHERE user_id = $1 AND payload <> '{}'`, [
        await sides.idOf(person),
      ]),
    ).toEqual([]);
    await release();
    expect(await addresses()).toEqual([
      ['email_change_asked', null],
      ['email_change_link', null],
    ]);
  });

  it('that is another account’s is answered in the same words, and gets no mail', async () => {
    const other = await sides.signIn();
    const [free, taken] = [await change(newAddress()), await change(other.email)];
    expect(taken).toEqual(free);
    await sides.settled();
    expect((await told()).at(-1)).toEqual(['email_change_link', 'refused', 'email_in_use']);
    expect(sides.subjects(other.email)).toEqual([]);
  });

  it('is told to nobody at an address that was not proven', async () => {
    person = await sides.signIn({ emailVerified: false });
    expect((await change(newAddress())).status).toBe(202);
    await sides.settled();
    const kinds = (await sides.deliveries(person)).map(({ kind, state }) => [kind, state]);
    expect(kinds).toEqual([['email_change_link', 'sent']]);
  });
});

describe('a link is not made', () => {
  it('when the sign-ins of its time were ended before it was mailed', async () => {
    const email = newAddress();
    await hold();
    await change(email);
    sides.firebase.revoke(person.uid);
    await release();
    expect((await told()).at(-1)).toEqual(['email_change_link', 'refused', 'signed_out']);
    expect(sides.subjects(email)).toEqual([]);
  });

  it('an hour later', async () => {
    await hold();
    await change(newAddress());
    sides.clock.advance(61 * 60_000);
    await release();
    expect((await told()).at(-1)).toEqual(['email_change_link', 'refused', 'too_old']);
  });

  it('while Firebase is down, but when it is back', async () => {
    const email = newAddress();
    await hold();
    await change(email);
    sides.firebase.goDown();
    await release();
    expect((await told()).at(-1)).toEqual(['email_change_link', 'pending', 'identity_provider']);
    sides.firebase.comeBack();
    sides.clock.advance(31_000);
    await sides.tick();
    await sides.settled();
    expect(linkTo(email)).toContain('mode=verifyAndChangeEmail');
  });
});

describe('asking for one', () => {
  const asked = async () =>
    sides.sql(`SELECT 1 FROM identity."Notification" WHERE user_id = $1 AND kind = 'email_change_link'`, [
      await sides.idOf(person),
    ]);

  it('is for whoever is still signed in at the provider', async () => {
    sides.firebase.revoke(person.uid);
    // Within the minute in which a read is still answered.
    expect(await account()).toMatchObject({ email: person.email });
    expect(await change(newAddress())).toMatchObject({ status: 401, body: { code: 'invalid_id_token' } });
    expect(await asked()).toEqual([]);
  });

  it('is for whoever has just signed in', async () => {
    sides.clock.advance(301_000);
    expect(await change(newAddress())).toMatchObject({ status: 403, body: { code: 'recent_sign_in_required' } });
    expect(await asked()).toEqual([]);
  });

  it('is possible five times a day, however many ask at once', async () => {
    // Until more than five have seen that there is room, none of them can write.
    const holder = new pg.Client(sides.stack.ownerUrl);
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM identity."User" WHERE firebase_uid = $1 FOR UPDATE', [person.uid]);
    const patient = async (email: string) => read(await patiently(() => ask(email)));
    const all = Promise.all(Array.from({ length: 12 }, () => patient(newAddress())));
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    await expect.poll(async () => (await sides.sql(waiting)).length).toBeGreaterThan(5);
    await holder.query('ROLLBACK');
    await holder.end();
    const answers = await all;
    const taken = answers.filter(({ status }) => status === 202);
    expect(answers.filter(({ status }) => status !== 202).map(({ body }) => body.code)).toEqual(
      Array.from({ length: 12 - taken.length }, () => 'rate_limited'),
    );
    expect(await asked()).toHaveLength(taken.length);
    for (let n = taken.length; n < 5; n += 1) expect((await change(newAddress())).status).toBe(202);
    expect(await change(newAddress())).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(await asked()).toHaveLength(5);
  });
});
