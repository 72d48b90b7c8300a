import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type SignedIn, type TestGatekeeper } from '../support/gatekeeper.js';
import { type Notices, startNotices } from '../support/notifications.js';

let sides: TestGatekeeper & Notices;

beforeAll(async () => {
  sides = await startNotices();
});
afterAll(() => sides.stop());
afterEach(() => sides.sql('DELETE FROM identity."DeliveryPause"'));

/** A busy machine takes its time. */
const eventually = <T>(look: () => T | Promise<T>) => expect.poll(look, { timeout: 20_000 });

/** Somebody whose welcome has come, so that the next mail is the test's. */
async function newcomer(email?: string): Promise<SignedIn> {
  // Firebase dates sign-ins by the machine's clock.
  sides.clock.set(new Date());
  const person = await sides.signIn({ email });
  await sides.get('/subscription', person.headers);
  await eventually(async () => (await sides.deliveries(person))[0]?.state).toBe('sent');
  return person;
}

const last = async (person: SignedIn) => (await sides.deliveries(person)).at(-1);
const untilTried = (person: SignedIn, attempts: number) =>
  eventually(async () => (await last(person))?.attempts).toBe(attempts);
const count = (person: SignedIn) => sides.subjects(person.email).length;

const tell = async (person: SignedIn, kind = 'email_verified') => {
  await sides.cause(person, kind);
  await sides.tick();
};

describe('a mail server', () => {
  it('gets a mail with all that a mail should have', async () => {
    const person = await newcomer();
    const mail = sides.mail.mails.find(({ to }) => to[0] === person.email);
    expect(mail).toMatchObject({ from: 'hello@vpn.example', to: [person.email] });
    expect(mail?.headers).toMatchObject({
      from: 'Example VPN <hello@vpn.example>',
      to: person.email,
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

  it('that answers 451 and then 250 gets it again, later, and once', async () => {
    const person = await newcomer();
    sides.mail.failNext({ at: 'message', code: 451 });
    await tell(person);
    await untilTried(person, 1);
    await eventually(async () => (await last(person))?.reason).toBe('451');
    await sides.tick();
    await sides.settled();
    expect([count(person), (await last(person))?.attempts]).toEqual([1, 1]);
    sides.clock.advance(31_000);
    await sides.tick();
    await eventually(async () => (await last(person))?.state).toBe('sent');
    expect([count(person), (await last(person))?.attempts]).toEqual([2, 2]);
  });

  it('that answers 550 is not asked again, and the others go', async () => {
    const [person, other] = [await newcomer(), await newcomer()];
    sides.mail.failAlways(person.email, { at: 'recipient', code: 550 });
    await sides.cause(person, 'email_verified');
    await tell(other);
    await eventually(async () => (await last(other))?.state).toBe('sent');
    expect(await last(person)).toMatchObject({ state: 'refused', reason: '550', attempts: 1 });
    sides.clock.advance(86_400_000);
    await sides.tick();
    await sides.settled();
    expect([count(person), (await last(person))?.attempts]).toEqual([1, 1]);
  });

  it('that hangs up in the midst of a message gets that one again, and the others meanwhile', async () => {
    const [person, other] = [await newcomer(), await newcomer()];
    sides.mail.failAlways(person.email, { at: 'hang-up' });
    await sides.cause(person, 'email_verified');
    await tell(other);
    await eventually(async () => (await last(other))?.state).toBe('sent');
    expect(await last(person)).toMatchObject({ state: 'pending', attempts: 1 });
    expect(await sides.sql('SELECT 1 FROM identity."DeliveryPause"')).toEqual([]);
    sides.mail.failAlways(person.email, undefined);
    sides.clock.advance(31_000);
    await sides.tick();
    await eventually(async () => (await last(person))?.state).toBe('sent');
    expect(count(person)).toBe(2);
  });

  it('that refuses for three days is given up', async () => {
    const person = await newcomer();
    sides.mail.failAlways(person.email, { at: 'message', code: 452 });
    await tell(person);
    await untilTried(person, 1);
    for (let attempts = 2; (await last(person))?.state === 'pending'; attempts += 1) {
      sides.clock.advance(5 * 3_600_000);
      await sides.tick();
      await eventually(async () => (await last(person))?.attempts).toBe(attempts);
      await sides.settled();
    }
    expect(await last(person)).toMatchObject({ state: 'refused', reason: 'gave_up' });
    expect((await last(person))?.attempts).toBeGreaterThan(10);
    sides.mail.failAlways(person.email, undefined);
  });

  it('that is away for an hour gets everything then, the oldest first, and was asked less and less', async () => {
    const people = [];
    for (let number = 0; number < 12; number += 1)
      people.push(await newcomer(`p${number}.${crypto.randomUUID()}@example.com`));
    await sides.mail.goDown();
    const before = sides.mail.mails.length;
    await tell(people[0] as SignedIn);
    const failures = async () =>
      (await sides.sql<{ failures: number }>('SELECT failures FROM identity."DeliveryPause"'))[0]?.failures ?? 0;
    await eventually(failures).toBe(1);
    // For an hour, with a cause every five minutes.
    for (let step = 1; step <= 12; step += 1) {
      const tried = await failures();
      sides.clock.advance(5 * 60_000);
      const person = people[step];
      if (person !== undefined) await sides.cause(person, 'email_verified');
      await sides.tick();
      await eventually(failures).toBe(tried + 1);
    }
    expect(await failures()).toBe(13);
    for (const person of people) await eventually(() => last(person)).toMatchObject({ state: 'pending', attempts: 0 });
    await sides.mail.comeBack();
    sides.clock.advance(5 * 60_000);
    await sides.tick();
    await eventually(() => sides.mail.mails.length).toBe(before + people.length);
    const came = sides.mail.mails.slice(before).map(({ to }) => to[0]);
    expect(came).toEqual(people.map(({ email }) => email));
    await eventually(() => sides.sql('SELECT 1 FROM identity."DeliveryPause"')).toEqual([]);
  });
});

describe('an address', () => {
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
  ])('that is %s gets no mail, and nobody else does', async (_what, address) => {
    const person = await newcomer();
    await sides.sql('UPDATE identity."User" SET email = $1 WHERE id = $2', [address, await sides.idOf(person)]);
    const before = sides.mail.mails.length;
    await tell(person);
    await eventually(async () => (await last(person))?.state).toBe('refused');
    expect([(await last(person))?.reason, sides.mail.mails.length]).toEqual(['bad_address', before]);
  });

  it('that nobody has proven gets no mail', async () => {
    sides.clock.set(new Date());
    const person = await sides.signIn({ emailVerified: false });
    await sides.get('/subscription', person.headers);
    expect(await sides.deliveries(person)).toEqual([]);
    await tell(person, 'plan_changed');
    await eventually(async () => (await last(person))?.reason).toBe('no_verified_address');
    expect(count(person)).toBe(0);
  });
});
