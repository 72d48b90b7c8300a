import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OperatorAccessService } from '../../src/subscription/index.js';
import { type SignedIn, type TestGatekeeper } from '../support/gatekeeper.js';
import { type Notices, startNotices } from '../support/notifications.js';
import { AnnouncementsService } from '../../src/notifications/index.js';

let sides: TestGatekeeper & Notices;

beforeAll(async () => {
  sides = await startNotices();
});
afterAll(() => sides.stop());

const eventually = <T>(look: () => T | Promise<T>) => expect.poll(look, { timeout: 20_000 });
const kindsOf = async (person: SignedIn) => (await sides.deliveries(person)).map(({ kind }) => kind);
const call = async (person: SignedIn, method: string, path: string, body?: object) => {
  const headers = { ...person.headers, 'if-match': '*', ...(body && { 'content-type': 'application/json' }) };
  const response = await fetch(`${sides.service.url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  expect(response.status).toBeLessThan(300);
  return response;
};

const maintain = (maintenance: Parameters<AnnouncementsService['maintenance']>[0]) =>
  sides.service.app
    .get(AnnouncementsService, { strict: false })
    .maintenance(maintenance, { actor: 'hopper', reason: 'a new database' });

async function newcomer(account: { emailVerified?: boolean } = {}): Promise<SignedIn> {
  // Firebase dates sign-ins by the machine's clock.
  sides.clock.set(new Date());
  const person = await sides.signIn(account);
  await call(person, 'GET', '/subscription');
  return person;
}

describe('a cause', () => {
  it('that comes fifty times at once is told once', async () => {
    const person = await newcomer();
    await Promise.all(
      Array.from({ length: 50 }, () => sides.tell(person, 'plan_changed', 'one cause', { plan: 'Plus' })),
    );
    await eventually(() => sides.subjects(person.email).length).toBe(2);
    await sides.settled();
    expect(sides.subjects(person.email)).toEqual(['Welcome to Example VPN', 'Your plan is now Plus']);
  });

  it('is told to nobody whose account is being deleted', async () => {
    const person = await newcomer();
    await sides.sql(`INSERT INTO identity."AccountDeletion" VALUES ($1, $2, now(), NULL)`, [
      await sides.idOf(person),
      person.uid,
    ]);
    await maintain({
      from: new Date(sides.clock.now().getTime() + 3_600_000),
      to: new Date(sides.clock.now().getTime() + 7_200_000),
      text: 'for those who stay',
    });
    expect(await kindsOf(person)).toEqual(['welcome']);
    await sides.sql(`DELETE FROM identity."AccountDeletion" WHERE firebase_uid = $1`, [person.uid]);
  });
});

describe('an account', () => {
  it('is welcomed once, however many requests see it first', async () => {
    sides.clock.set(new Date());
    const person = await sides.signIn();
    await Promise.all(Array.from({ length: 20 }, () => sides.get('/subscription', person.headers)));
    expect(await kindsOf(person)).toEqual(['welcome']);
  });

  it('whose address is proven later is told then', async () => {
    const person = await newcomer({ emailVerified: false });
    expect(await kindsOf(person)).toEqual([]);
    sides.firebase.setEmail(person.uid, person.email, true);
    sides.clock.advance(61_000);
    await Promise.all(Array.from({ length: 5 }, () => sides.get('/subscription', person.headers)));
    expect(await kindsOf(person)).toEqual(['email_verified']);
  });

  it('that gets another way to sign in is told which', async () => {
    const person = await newcomer();
    sides.firebase.link(person.uid, 'google.com');
    sides.clock.advance(61_000);
    await sides.get('/subscription', person.headers);
    await sides.settled();
    expect(await kindsOf(person)).toEqual(['welcome', 'sign_in_provider_added']);
    const mail = sides.mail.mails.filter(({ to }) => to[0] === person.email).at(-1);
    expect(mail?.text).toContain('google.com');
    // About safety: it cannot be turned off.
    expect(mail?.headers['list-unsubscribe']).toBeUndefined();
  });

  it('that is signed out everywhere is told', async () => {
    const person = await newcomer();
    await call(person, 'POST', '/auth/signout-everywhere');
    expect(await kindsOf(person)).toEqual(['welcome', 'signed_out_everywhere']);
  });

  it('that is deleted is told last, and then its address is forgotten', async () => {
    const person = await newcomer();
    await sides.settled();
    await call(person, 'DELETE', '/account');
    await eventually(() => sides.subjects(person.email)).toEqual(['Welcome to Example VPN', 'Your account is deleted']);
    const left = `SELECT 1 FROM identity."NotificationDelivery" WHERE address IS NOT NULL`;
    await eventually(() => sides.sql(left)).toEqual([]);
    expect(sides.mail.mails.at(-1)?.headers['list-unsubscribe']).toBeUndefined();
    expect(sides.mail.mails.at(-1)?.text).not.toContain('Apple');
  });
});

describe('the clock', () => {
  it('tells of a trial’s end three days before, one day before and then, each once', async () => {
    const person = await newcomer();
    await call(person, 'POST', '/subscription/trial');
    const told = async (days: number) => {
      sides.clock.advance(days * 86_400_000);
      await Promise.all([sides.tick(), sides.tick()]);
      await sides.tick();
      return (await kindsOf(person)).slice(1);
    };
    expect(await told(3.9)).toEqual([]);
    expect(await told(0.2)).toEqual(['trial_ending']);
    expect(await told(1)).toEqual(['trial_ending']);
    expect(await told(1)).toEqual(['trial_ending', 'trial_ending']);
    expect(await told(1)).toEqual(['trial_ending', 'trial_ending', 'expired']);
    expect(await told(1)).toEqual(['trial_ending', 'trial_ending', 'expired']);
    await sides.settled();
    expect(sides.subjects(person.email).slice(1)).toEqual([
      expect.stringMatching(/^Your trial ends on /),
      expect.stringMatching(/^Your trial ends on /),
      'Your trial has ended',
    ]);
    const events = await sides.sql(
      `SELECT kind::text FROM identity."SubscriptionEvent" WHERE user_id = $1 ORDER BY id`,
      [await sides.idOf(person)],
    );
    expect(events.map(({ kind }) => kind)).toEqual(['started', 'expired']);
  });

  const operators = () => sides.service.app.get(OperatorAccessService, { strict: false });
  const grant = (person: SignedIn, days: number) =>
    operators().grant(person.uid, { planId: 'standard', days }, { actor: 'hopper', reason: 'thanks' });
  const later = async (days: number) => {
    sides.clock.advance(days * 86_400_000);
    await sides.tick();
    await sides.tick();
  };
  const becameOf = async (person: SignedIn) =>
    (
      await sides.sql(
        `SELECT provider::text || ' ' || kind AS what FROM identity."SubscriptionEvent"
        WHERE user_id = $1 ORDER BY at, id`,
        [await sides.idOf(person)],
      )
    ).map(({ what }) => what);

  it('tells nobody of a trial’s end, before it or then, who has what comes after it', async () => {
    const person = await newcomer();
    await call(person, 'POST', '/subscription/trial');
    await grant(person, 30);
    for (const days of [5, 1.5, 1]) await later(days);
    expect(await kindsOf(person)).toEqual(['welcome']);
    expect(await becameOf(person)).toEqual(['trial started', 'operator started', 'trial expired']);
  });

  it('tells of the end of the grant that lasts longest, not of those before it', async () => {
    const person = await newcomer();
    await grant(person, 3);
    await grant(person, 1);
    await grant(person, 3);
    await later(1.5);
    expect(await kindsOf(person)).toEqual(['welcome']);
    await later(2);
    expect(await kindsOf(person)).toEqual(['welcome', 'expired']);
    expect((await becameOf(person)).filter((what) => what === 'operator expired')).toHaveLength(3);
  });
});

describe('maintenance', () => {
  const announce = (text: string) =>
    maintain({ from: new Date('2035-01-01T02:00:00Z'), to: new Date('2035-01-01T03:00:00Z'), text });

  it('is told to everybody who wants to know, once', async () => {
    const [wants, does] = [await newcomer(), await newcomer()];
    await call(wants, 'PATCH', '/preferences', { notMailed: ['maintenance'] });
    expect(await announce('We move.')).toBeGreaterThanOrEqual(2);
    expect(await announce('We move.')).toBe(0);
    await eventually(async () => (await sides.deliveries(wants)).at(-1)?.reason).toBe('not_wanted');
    await eventually(() => sides.subjects(does.email).at(-1)).toBe('Maintenance on January 1, 2035');
    expect(sides.subjects(wants.email)).toEqual(['Welcome to Example VPN']);
  });

  it('that is past, or ends before it begins, is refused', async () => {
    const [early, late] = [new Date('2020-01-01'), new Date('2035-01-02')];
    await expect(maintain({ from: early, to: early, text: 'x' })).rejects.toThrow(/--from/);
    await expect(maintain({ from: late, to: new Date('2035-01-01'), text: 'x' })).rejects.toThrow(/--from/);
  });
});

describe('a device', () => {
  const register = async (person: SignedIn) => {
    const token = `token:${crypto.randomUUID()}`;
    const { id } = (await (await call(person, 'POST', '/account/devices', { platform: 'ios', token })).json()) as {
      id: string;
    };
    return { id, token };
  };
  const signOut = (person: SignedIn) => call(person, 'POST', '/auth/signout-everywhere');
  /** Of what tells a device that stays. */
  const addProvider = async (person: SignedIn) => {
    sides.firebase.link(person.uid, 'google.com');
    sides.clock.advance(61_000);
    await sides.get('/subscription', person.headers);
  };
  const pushesTo = ({ token }: { token: string }) => sides.firebase.pushes.filter((push) => push.token === token);
  const pushOf = async (person: SignedIn) => (await sides.deliveries(person)).find(({ channel }) => channel === 'push');

  it('gets the push, and each of two its own', async () => {
    const person = await newcomer();
    const [one, two] = [await register(person), await register(person)];
    await addProvider(person);
    await eventually(() => [...pushesTo(one), ...pushesTo(two)].length).toBe(2);
    expect(pushesTo(two)).toMatchObject([{ data: { kind: 'sign_in_provider_added' } }]);
  });

  const rowOf = ({ id }: { id: string }) => sides.sql('SELECT 1 FROM identity."PushDevice" WHERE id = $1', [id]);

  it('whose token is dead is forgotten', async () => {
    const person = await newcomer();
    const device = await register(person);
    sides.firebase.failPushesTo(device.token, 'UNREGISTERED');
    await addProvider(person);
    await eventually(() => rowOf(device)).toEqual([]);
  });

  it.each([
    ['SENDER_ID_MISMATCH', 'sender_id_mismatch'],
    ['THIRD_PARTY_AUTH_ERROR', 'third-party-auth-error'],
  ] as const)('that Google does not let us reach (%s) stays, and keeps nobody waiting', async (fault, reason) => {
    const person = await newcomer();
    const [strange, own] = [await register(person), await register(person)];
    sides.firebase.failPushesTo(strange.token, fault);
    await addProvider(person);
    await eventually(() => pushesTo(own).length).toBe(1);
    await eventually(async () => (await sides.deliveries(person)).map((row) => row.reason)).toContain(reason);
    expect(await sides.sql('SELECT 1 FROM identity."DeliveryPause"')).toEqual([]);
    expect(await rowOf(strange)).toHaveLength(1);
  });

  // The last two say nothing of the device: the service account lacks the right to send, or there is no such project.
  it.each(['QUOTA_EXCEEDED', 'PERMISSION_DENIED', 'NOT_FOUND'] as const)(
    'to which Google lets nobody send now (%s) stays, and gets it later',
    async (fault) => {
      const person = await newcomer();
      const device = await register(person);
      sides.firebase.failPushesTo(device.token, fault);
      await addProvider(person);
      await eventually(() => sides.sql('SELECT channel::text FROM identity."DeliveryPause"')).toEqual([
        { channel: 'push' },
      ]);
      expect([pushesTo(device), (await rowOf(device)).length]).toEqual([[], 1]);
      sides.firebase.failPushesTo(device.token);
      sides.clock.advance(11_000);
      await sides.tick();
      await eventually(() => pushesTo(device).length).toBe(1);
      await eventually(() => sides.sql('SELECT 1 FROM identity."DeliveryPause"')).toEqual([]);
    },
  );

  it('that has become somebody else’s gets nothing of the one before', async () => {
    const [person, next] = [await newcomer(), await newcomer()];
    const device = await register(person);
    sides.firebase.failPushesTo(device.token, 'INVALID_ARGUMENT');
    await sides.sql(
      `WITH told AS (INSERT INTO identity."Notification" (user_id, kind, cause, payload, caused_at)
         VALUES ($1, 'plan_changed', $2, '{"plan":"Secret"}', $3) RETURNING id)
       INSERT INTO identity."NotificationDelivery" (notification_id, user_id, channel, device_id, due_at)
       SELECT id, $1, 'push', $4, $3::timestamptz + interval '1 minute' FROM told`,
      [await sides.idOf(person), crypto.randomUUID(), sides.clock.now(), device.id],
    );
    await call(next, 'POST', '/account/devices', { platform: 'ios', token: device.token });
    sides.firebase.failPushesTo(device.token);
    sides.clock.advance(61_000);
    await sides.tick();
    await eventually(async () => (await pushOf(person))?.reason).toBe('device_gone');
    expect(pushesTo(device)).toEqual([]);
  });

  it('gets nothing of a kind that is not wanted there', async () => {
    const person = await newcomer();
    const device = await register(person);
    await call(person, 'PATCH', '/preferences', { notPushed: ['signed_out_everywhere'] });
    await signOut(person);
    await eventually(async () => (await pushOf(person))?.reason).toBe('not_wanted');
    expect(pushesTo(device)).toEqual([]);
  });
});

describe('unsubscribing', () => {
  const linkOf = async (person: SignedIn) => {
    await eventually(() => sides.subjects(person.email).length).toBe(1);
    const header = sides.mail.mails.find(({ to }) => to[0] === person.email)?.headers['list-unsubscribe'] ?? '';
    return `${sides.service.url}${new URL(header.slice(1, -1)).pathname}`;
  };
  const notMailed = async (person: SignedIn) =>
    ((await (await call(person, 'GET', '/preferences')).json()) as { notMailed: string[] }).notMailed;

  it('with the button of the mail program ends that kind and no other, at once and however often', async () => {
    const person = await newcomer();
    await call(person, 'PATCH', '/preferences', { notMailed: ['renewed'] });
    const url = await linkOf(person);
    for (let times = 0; times < 2; times += 1) {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const response = await fetch(url, { method: 'POST', headers, body: 'List-Unsubscribe=One-Click' });
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    }
    expect((await notMailed(person)).sort()).toEqual(['renewed', 'welcome']);
  });

  it('by opening the link alone ends nothing: whatever checks links opens them', async () => {
    const person = await newcomer();
    const response = await fetch(await linkOf(person));
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('<form method="post">')]);
    expect(response.headers.get('content-security-policy')).toContain("form-action 'self'");
    expect(await notMailed(person)).toEqual([]);
  });

  it('with what no mail has is refused', async () => {
    const response = await fetch(`${sides.service.url}/notifications/unsubscribe/${'a'.repeat(80)}`, {
      method: 'POST',
    });
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'invalid_request' }),
    ]);
  });

  it('for an account that is gone does nothing, and says that it is done', async () => {
    const person = await newcomer();
    const url = await linkOf(person);
    await sides.sql('DELETE FROM identity."User" WHERE firebase_uid = $1', [person.uid]);
    expect((await fetch(url, { method: 'POST' })).status).toBe(200);
  });
});

it('pages of mails are shown in development alone', async () => {
  expect((await sides.get('/dev/mail')).status).toBe(404);
  expect((await sides.get('/dev/mail/welcome')).status).toBe(404);
});
