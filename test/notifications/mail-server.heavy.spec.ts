import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type SignedIn, type TestGatekeeper } from '../support/gatekeeper.js';
import { type Notices, startNotices } from '../support/notifications.js';

let gatekeeper: TestGatekeeper & Notices;

beforeAll(async () => {
  gatekeeper = await startNotices();
});
afterAll(() => gatekeeper.stop());
afterEach(() => gatekeeper.sql('DELETE FROM identity."DeliveryPause"'));

/** With a long timeout, for busy machines. */
const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 20_000 });

/** A user whose welcome mail is sent, so that the next mail is the test's. */
async function newUser(email?: string): Promise<SignedIn> {
  // Firebase dates sign-ins by the machine's clock.
  gatekeeper.clock.set(new Date());
  const user = await gatekeeper.signIn({ email });
  await gatekeeper.get('/subscription', user.headers);
  await eventually(async () => (await gatekeeper.deliveries(user))[0]?.state).toBe('sent');
  return user;
}

const last = async (user: SignedIn) => (await gatekeeper.deliveries(user)).at(-1);
const untilAttempted = (user: SignedIn, attempts: number) =>
  eventually(async () => (await last(user))?.attempts).toBe(attempts);
const count = (user: SignedIn) => gatekeeper.subjects(user.email).length;

const notify = async (user: SignedIn, kind = 'email_verified') => {
  await gatekeeper.cause(user, kind);
  await gatekeeper.tick();
};

describe('DeliveryService with a mail server', () => {
  it('sends a complete mail, with all headers', async () => {
    const user = await newUser();
    const mail = gatekeeper.mail.mails.find(({ to }) => to[0] === user.email);
    expect(mail).toMatchObject({ from: 'hello@vpn.example', to: [user.email] });
    expect(mail?.headers).toMatchObject({
      from: 'Example VPN <hello@vpn.example>',
      to: user.email,
      subject: 'Welcome to Example VPN',
      'auto-submitted': 'auto-generated',
      'list-unsubscribe-post': 'List-Unsubscribe=One-Click',
    });
    expect(mail?.headers['message-id']).toMatch(/^<[0-9a-f]{32}@vpn\.example>$/);
    expect(mail?.headers['list-unsubscribe']).toMatch(
      /^<https:\/\/id\.vpn\.example\/notifications\/unsubscribe\/[\w-]{40,200}>$/,
    );
    expect([mail?.text, mail?.html]).toEqual([
      expect.stringContaining('Your account is ready.'),
      expect.stringContaining('<h1'),
    ]);
  });

  it('retries once, later, after a 451', async () => {
    const user = await newUser();
    gatekeeper.mail.failNext({ at: 'message', code: 451 });
    await notify(user);
    await untilAttempted(user, 1);
    await eventually(async () => (await last(user))?.reason).toBe('451');
    await gatekeeper.tick();
    await gatekeeper.settled();
    expect([count(user), (await last(user))?.attempts]).toEqual([1, 1]);
    gatekeeper.clock.advance(31_000);
    await gatekeeper.tick();
    await eventually(async () => (await last(user))?.state).toBe('sent');
    expect([count(user), (await last(user))?.attempts]).toEqual([2, 2]);
  });

  it('does not retry after a 550, and sends the other mails', async () => {
    const [user, other] = [await newUser(), await newUser()];
    gatekeeper.mail.failAlways(user.email, { at: 'recipient', code: 550 });
    await gatekeeper.cause(user, 'email_verified');
    await notify(other);
    await eventually(async () => (await last(other))?.state).toBe('sent');
    expect(await last(user)).toMatchObject({ state: 'refused', reason: '550', attempts: 1 });
    gatekeeper.clock.advance(86_400_000);
    await gatekeeper.tick();
    await gatekeeper.settled();
    expect([count(user), (await last(user))?.attempts]).toEqual([1, 1]);
  });

  it('retries a message during which the server hung up, and sends the other mails meanwhile', async () => {
    const [user, other] = [await newUser(), await newUser()];
    gatekeeper.mail.failAlways(user.email, { at: 'hang-up' });
    await gatekeeper.cause(user, 'email_verified');
    await notify(other);
    await eventually(async () => (await last(other))?.state).toBe('sent');
    expect(await last(user)).toMatchObject({ state: 'pending', attempts: 1 });
    expect(await gatekeeper.sql('SELECT 1 FROM identity."DeliveryPause"')).toEqual([]);
    gatekeeper.mail.failAlways(user.email, undefined);
    gatekeeper.clock.advance(31_000);
    await gatekeeper.tick();
    await eventually(async () => (await last(user))?.state).toBe('sent');
    expect(count(user)).toBe(2);
  });

  it('gives up a message that the server refuses for three days', async () => {
    const user = await newUser();
    gatekeeper.mail.failAlways(user.email, { at: 'message', code: 452 });
    await notify(user);
    await untilAttempted(user, 1);
    for (let attempts = 2; (await last(user))?.state === 'pending'; attempts += 1) {
      gatekeeper.clock.advance(5 * 3_600_000);
      await gatekeeper.tick();
      await eventually(async () => (await last(user))?.attempts).toBe(attempts);
      await gatekeeper.settled();
    }
    expect(await last(user)).toMatchObject({ state: 'refused', reason: 'gave_up' });
    expect((await last(user))?.attempts).toBeGreaterThan(10);
    gatekeeper.mail.failAlways(user.email, undefined);
  });

  it('sends everything in order after an hour’s outage, during which it retried less and less often', async () => {
    const users = [];
    for (let number = 0; number < 12; number += 1)
      users.push(await newUser(`p${number}.${crypto.randomUUID()}@example.com`));
    await gatekeeper.mail.goDown();
    const before = gatekeeper.mail.mails.length;
    await notify(users[0] as SignedIn);
    const failures = async () =>
      (await gatekeeper.sql<{ failures: number }>('SELECT failures FROM identity."DeliveryPause"'))[0]?.failures ?? 0;
    await eventually(failures).toBe(1);
    // An hour, with a new notification every five minutes.
    for (let step = 1; step <= 12; step += 1) {
      const failuresBefore = await failures();
      gatekeeper.clock.advance(5 * 60_000);
      const user = users[step];
      if (user !== undefined) await gatekeeper.cause(user, 'email_verified');
      await gatekeeper.tick();
      await eventually(failures).toBe(failuresBefore + 1);
    }
    expect(await failures()).toBe(13);
    for (const user of users) await eventually(() => last(user)).toMatchObject({ state: 'pending', attempts: 0 });
    await gatekeeper.mail.comeBack();
    gatekeeper.clock.advance(5 * 60_000);
    await gatekeeper.tick();
    await eventually(() => gatekeeper.mail.mails.length).toBe(before + users.length);
    const recipients = gatekeeper.mail.mails.slice(before).map(({ to }) => to[0]);
    expect(recipients).toEqual(users.map(({ email }) => email));
    await eventually(() => gatekeeper.sql('SELECT 1 FROM identity."DeliveryPause"')).toEqual([]);
  });
});

describe('MailChannel', () => {
  it.each([
    ['a line break and another header', 'ada@example.com\r\nBcc: eve@example.com'],
    ['two addresses', 'ada@example.com, eve@example.com'],
    ['two addresses with a semicolon', 'ada@example.com;eve@example.com'],
    ['a local part of 10 kB', `${'a'.repeat(10_240)}@example.com`],
    ['a local part of 65 characters', `${'a'.repeat(65)}@example.com`],
    ['a name and an address', 'Ada <eve@example.com>'],
    ['a quoted local part', '"ada\\" eve"@example.com'],
    ['a space', 'ada @example.com'],
    ['no host', 'ada@'],
  ])('sends no mail at all to an address that is %s', async (_what, address) => {
    const user = await newUser();
    await gatekeeper.sql('UPDATE identity."User" SET email = $1 WHERE id = $2', [address, await gatekeeper.idOf(user)]);
    const before = gatekeeper.mail.mails.length;
    await notify(user);
    await eventually(async () => (await last(user))?.state).toBe('refused');
    expect([(await last(user))?.reason, gatekeeper.mail.mails.length]).toEqual(['bad_address', before]);
  });

  it('sends no mail to an address that is not verified', async () => {
    gatekeeper.clock.set(new Date());
    const user = await gatekeeper.signIn({ emailVerified: false });
    await gatekeeper.get('/subscription', user.headers);
    expect(await gatekeeper.deliveries(user)).toEqual([]);
    await notify(user, 'plan_changed');
    await eventually(async () => (await last(user))?.reason).toBe('no_verified_address');
    expect(count(user)).toBe(0);
  });
});
