import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OperatorAccessService } from '../../src/subscription/index.js';
import { type SignedIn, type TestGatekeeper } from '../support/gatekeeper.js';
import { type Notices, startNotices } from '../support/notifications.js';
import { AnnouncementsService } from '../../src/notifications/index.js';

let gatekeeper: TestGatekeeper & Notices;

beforeAll(async () => {
  gatekeeper = await startNotices();
});
afterAll(() => gatekeeper.stop());

const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 20_000 });
const kindsOf = async (user: SignedIn) => (await gatekeeper.deliveries(user)).map(({ kind }) => kind);
const call = async (user: SignedIn, method: string, path: string, body?: object) => {
  const headers = { ...user.headers, 'if-match': '*', ...(body && { 'content-type': 'application/json' }) };
  const response = await fetch(`${gatekeeper.service.url}${path}`, {
    method,
    headers,
    body: body && JSON.stringify(body),
  });
  expect(response.status).toBeLessThan(300);
  return response;
};

const announceMaintenance = (maintenance: Parameters<AnnouncementsService['maintenance']>[0]) =>
  gatekeeper.service.app
    .get(AnnouncementsService, { strict: false })
    .maintenance(maintenance, { actor: 'hopper', reason: 'a new database' });

async function newUser(account: { emailVerified?: boolean } = {}): Promise<SignedIn> {
  // Firebase dates sign-ins by the machine's clock.
  gatekeeper.clock.set(new Date());
  const user = await gatekeeper.signIn(account);
  await call(user, 'GET', '/subscription');
  return user;
}

describe('enqueueNotifications', () => {
  it('enqueues one notification for fifty concurrent statements with the same cause', async () => {
    const user = await newUser();
    await Promise.all(
      Array.from({ length: 50 }, () => gatekeeper.tell(user, 'plan_changed', 'one cause', { plan: 'Plus' })),
    );
    await eventually(() => gatekeeper.subjects(user.email).length).toBe(2);
    await gatekeeper.settled();
    expect(gatekeeper.subjects(user.email)).toEqual(['Welcome to Example VPN', 'Your plan is now Plus']);
  });

  it('skips users whose account is being deleted', async () => {
    const user = await newUser();
    await gatekeeper.sql(`INSERT INTO identity."AccountDeletion" VALUES ($1, $2, now(), NULL)`, [
      await gatekeeper.idOf(user),
      user.uid,
    ]);
    await announceMaintenance({
      from: new Date(gatekeeper.clock.now().getTime() + 3_600_000),
      to: new Date(gatekeeper.clock.now().getTime() + 7_200_000),
      text: 'for the other users',
    });
    expect(await kindsOf(user)).toEqual(['welcome']);
    await gatekeeper.sql(`DELETE FROM identity."AccountDeletion" WHERE firebase_uid = $1`, [user.uid]);
  });
});

describe('a user', () => {
  it('gets one welcome mail after many concurrent first requests', async () => {
    gatekeeper.clock.set(new Date());
    const user = await gatekeeper.signIn();
    await Promise.all(Array.from({ length: 20 }, () => gatekeeper.get('/subscription', user.headers)));
    expect(await kindsOf(user)).toEqual(['welcome']);
  });

  it('is notified when the address is verified later', async () => {
    const user = await newUser({ emailVerified: false });
    expect(await kindsOf(user)).toEqual([]);
    gatekeeper.firebase.setEmail(user.uid, user.email, true);
    gatekeeper.clock.advance(61_000);
    await Promise.all(Array.from({ length: 5 }, () => gatekeeper.get('/subscription', user.headers)));
    expect(await kindsOf(user)).toEqual(['email_verified']);
  });

  it('is notified which sign-in method was added', async () => {
    const user = await newUser();
    gatekeeper.firebase.link(user.uid, 'google.com');
    gatekeeper.clock.advance(61_000);
    await gatekeeper.get('/subscription', user.headers);
    await gatekeeper.settled();
    expect(await kindsOf(user)).toEqual(['welcome', 'sign_in_provider_added']);
    const mail = gatekeeper.mail.mails.filter(({ to }) => to[0] === user.email).at(-1);
    expect(mail?.text).toContain('google.com');
    // A security message, which cannot be turned off.
    expect(mail?.headers['list-unsubscribe']).toBeUndefined();
  });

  it('is notified of a sign-out on all devices', async () => {
    const user = await newUser();
    await call(user, 'POST', '/auth/signout-everywhere');
    expect(await kindsOf(user)).toEqual(['welcome', 'signed_out_everywhere']);
  });

  it('gets one last mail after the deletion, and then the address is deleted', async () => {
    const user = await newUser();
    await gatekeeper.settled();
    await call(user, 'DELETE', '/account');
    await eventually(() => gatekeeper.subjects(user.email)).toEqual([
      'Welcome to Example VPN',
      'Your account is deleted',
    ]);
    const left = `SELECT 1 FROM identity."NotificationDelivery" WHERE address IS NOT NULL`;
    await eventually(() => gatekeeper.sql(left)).toEqual([]);
    expect(gatekeeper.mail.mails.at(-1)?.headers['list-unsubscribe']).toBeUndefined();
    expect(gatekeeper.mail.mails.at(-1)?.text).not.toContain('Apple');
  });
});

describe('TimedNotificationsService', () => {
  it('announces the end of a trial three days before, one day before and when it ends, each once', async () => {
    const user = await newUser();
    await call(user, 'POST', '/subscription/trial');
    const kindsAfter = async (days: number) => {
      gatekeeper.clock.advance(days * 86_400_000);
      await Promise.all([gatekeeper.tick(), gatekeeper.tick()]);
      await gatekeeper.tick();
      return (await kindsOf(user)).slice(1);
    };
    expect(await kindsAfter(3.9)).toEqual([]);
    expect(await kindsAfter(0.2)).toEqual(['trial_ending']);
    expect(await kindsAfter(1)).toEqual(['trial_ending']);
    expect(await kindsAfter(1)).toEqual(['trial_ending', 'trial_ending']);
    expect(await kindsAfter(1)).toEqual(['trial_ending', 'trial_ending', 'expired']);
    expect(await kindsAfter(1)).toEqual(['trial_ending', 'trial_ending', 'expired']);
    await gatekeeper.settled();
    expect(gatekeeper.subjects(user.email).slice(1)).toEqual([
      expect.stringMatching(/^Your trial ends on /),
      expect.stringMatching(/^Your trial ends on /),
      'Your trial has ended',
    ]);
    const events = await gatekeeper.sql(
      `SELECT kind::text FROM identity."SubscriptionEvent" WHERE user_id = $1 ORDER BY id`,
      [await gatekeeper.idOf(user)],
    );
    expect(events.map(({ kind }) => kind)).toEqual(['started', 'expired']);
  });

  const operators = () => gatekeeper.service.app.get(OperatorAccessService, { strict: false });
  const grant = (user: SignedIn, days: number) =>
    operators().grant(user.uid, { planId: 'standard', days }, { actor: 'hopper', reason: 'thanks' });
  const later = async (days: number) => {
    gatekeeper.clock.advance(days * 86_400_000);
    await gatekeeper.tick();
    await gatekeeper.tick();
  };
  const eventsOf = async (user: SignedIn) =>
    (
      await gatekeeper.sql(
        `SELECT provider::text || ' ' || kind AS what FROM identity."SubscriptionEvent"
        WHERE user_id = $1 ORDER BY at, id`,
        [await gatekeeper.idOf(user)],
      )
    ).map(({ what }) => what);

  it('does not announce the end of a trial to a user whose access continues after it', async () => {
    const user = await newUser();
    await call(user, 'POST', '/subscription/trial');
    await grant(user, 30);
    for (const days of [5, 1.5, 1]) await later(days);
    expect(await kindsOf(user)).toEqual(['welcome']);
    expect(await eventsOf(user)).toEqual(['trial started', 'operator started', 'trial expired']);
  });

  it('announces only the end of the longest grant', async () => {
    const user = await newUser();
    await grant(user, 3);
    await grant(user, 1);
    await grant(user, 3);
    await later(1.5);
    expect(await kindsOf(user)).toEqual(['welcome']);
    await later(2);
    expect(await kindsOf(user)).toEqual(['welcome', 'expired']);
    expect((await eventsOf(user)).filter((what) => what === 'operator expired')).toHaveLength(3);
  });
});

describe('AnnouncementsService', () => {
  const announce = (text: string) =>
    announceMaintenance({ from: new Date('2035-01-01T02:00:00Z'), to: new Date('2035-01-01T03:00:00Z'), text });

  it('notifies all users once, except those who turned it off', async () => {
    const [optedOut, subscribed] = [await newUser(), await newUser()];
    await call(optedOut, 'PATCH', '/preferences', { notMailed: ['maintenance'] });
    expect(await announce('We move.')).toBeGreaterThanOrEqual(2);
    expect(await announce('We move.')).toBe(0);
    await eventually(async () => (await gatekeeper.deliveries(optedOut)).at(-1)?.reason).toBe('not_wanted');
    await eventually(() => gatekeeper.subjects(subscribed.email).at(-1)).toBe('Maintenance on January 1, 2035');
    expect(gatekeeper.subjects(optedOut.email)).toEqual(['Welcome to Example VPN']);
  });

  it('refuses a period that is over, or that ends before it begins', async () => {
    const [early, late] = [new Date('2020-01-01'), new Date('2035-01-02')];
    await expect(announceMaintenance({ from: early, to: early, text: 'x' })).rejects.toThrow(/--from/);
    await expect(announceMaintenance({ from: late, to: new Date('2035-01-01'), text: 'x' })).rejects.toThrow(/--from/);
  });
});

describe('pushes to a device', () => {
  const register = async (user: SignedIn) => {
    const token = `token:${crypto.randomUUID()}`;
    const { id } = (await (await call(user, 'POST', '/account/devices', { platform: 'ios', token })).json()) as {
      id: string;
    };
    return { id, token };
  };
  const signOut = (user: SignedIn) => call(user, 'POST', '/auth/signout-everywhere');
  /** Causes a notification, without removing a device. */
  const addProvider = async (user: SignedIn) => {
    gatekeeper.firebase.link(user.uid, 'google.com');
    gatekeeper.clock.advance(61_000);
    await gatekeeper.get('/subscription', user.headers);
  };
  const pushesTo = ({ token }: { token: string }) => gatekeeper.firebase.pushes.filter((push) => push.token === token);
  const pushOf = async (user: SignedIn) =>
    (await gatekeeper.deliveries(user)).find(({ channel }) => channel === 'push');

  it('reach each device of the user', async () => {
    const user = await newUser();
    const [one, two] = [await register(user), await register(user)];
    await addProvider(user);
    await eventually(() => [...pushesTo(one), ...pushesTo(two)].length).toBe(2);
    expect(pushesTo(two)).toMatchObject([{ data: { kind: 'sign_in_provider_added' } }]);
  });

  const rowOf = ({ id }: { id: string }) => gatekeeper.sql('SELECT 1 FROM identity."PushDevice" WHERE id = $1', [id]);

  it('remove the device if its token is dead', async () => {
    const user = await newUser();
    const device = await register(user);
    gatekeeper.firebase.failPushesTo(device.token, 'UNREGISTERED');
    await addProvider(user);
    await eventually(() => rowOf(device)).toEqual([]);
  });

  it.each([
    ['SENDER_ID_MISMATCH', 'sender_id_mismatch'],
    ['THIRD_PARTY_AUTH_ERROR', 'third-party-auth-error'],
  ] as const)('neither remove the device nor pause the channel after %s', async (fault, reason) => {
    const user = await newUser();
    const [strange, own] = [await register(user), await register(user)];
    gatekeeper.firebase.failPushesTo(strange.token, fault);
    await addProvider(user);
    await eventually(() => pushesTo(own).length).toBe(1);
    await eventually(async () => (await gatekeeper.deliveries(user)).map((row) => row.reason)).toContain(reason);
    expect(await gatekeeper.sql('SELECT 1 FROM identity."DeliveryPause"')).toEqual([]);
    expect(await rowOf(strange)).toHaveLength(1);
  });

  // The last two do not concern the device: the service account may not send, or the project does not exist.
  it.each(['QUOTA_EXCEEDED', 'PERMISSION_DENIED', 'NOT_FOUND'] as const)(
    'pause the channel after %s, keep the device, and are sent later',
    async (fault) => {
      const user = await newUser();
      const device = await register(user);
      gatekeeper.firebase.failPushesTo(device.token, fault);
      await addProvider(user);
      await eventually(() => gatekeeper.sql('SELECT channel::text FROM identity."DeliveryPause"')).toEqual([
        { channel: 'push' },
      ]);
      expect([pushesTo(device), (await rowOf(device)).length]).toEqual([[], 1]);
      gatekeeper.firebase.failPushesTo(device.token);
      gatekeeper.clock.advance(11_000);
      await gatekeeper.tick();
      await eventually(() => pushesTo(device).length).toBe(1);
      await eventually(() => gatekeeper.sql('SELECT 1 FROM identity."DeliveryPause"')).toEqual([]);
    },
  );

  it('are not sent to a device that now belongs to another user', async () => {
    const [user, next] = [await newUser(), await newUser()];
    const device = await register(user);
    gatekeeper.firebase.failPushesTo(device.token, 'INVALID_ARGUMENT');
    await gatekeeper.sql(
      `WITH enqueued AS (INSERT INTO identity."Notification" (user_id, kind, cause, payload, caused_at)
         VALUES ($1, 'plan_changed', $2, '{"plan":"Secret"}', $3) RETURNING id)
       INSERT INTO identity."NotificationDelivery" (notification_id, user_id, channel, device_id, due_at)
       SELECT id, $1, 'push', $4, $3::timestamptz + interval '1 minute' FROM enqueued`,
      [await gatekeeper.idOf(user), crypto.randomUUID(), gatekeeper.clock.now(), device.id],
    );
    await call(next, 'POST', '/account/devices', { platform: 'ios', token: device.token });
    gatekeeper.firebase.failPushesTo(device.token);
    gatekeeper.clock.advance(61_000);
    await gatekeeper.tick();
    await eventually(async () => (await pushOf(user))?.reason).toBe('device_gone');
    expect(pushesTo(device)).toEqual([]);
  });

  it('are not sent for a kind that the user turned off', async () => {
    const user = await newUser();
    const device = await register(user);
    await call(user, 'PATCH', '/preferences', { notPushed: ['signed_out_everywhere'] });
    await signOut(user);
    await eventually(async () => (await pushOf(user))?.reason).toBe('not_wanted');
    expect(pushesTo(device)).toEqual([]);
  });
});

describe('unsubscribing', () => {
  const linkOf = async (user: SignedIn) => {
    await eventually(() => gatekeeper.subjects(user.email).length).toBe(1);
    const header = gatekeeper.mail.mails.find(({ to }) => to[0] === user.email)?.headers['list-unsubscribe'] ?? '';
    return `${gatekeeper.service.url}${new URL(header.slice(1, -1)).pathname}`;
  };
  const notMailed = async (user: SignedIn) =>
    ((await (await call(user, 'GET', '/preferences')).json()) as { notMailed: string[] }).notMailed;

  it('turns off that kind alone with the button of the mail program, also when repeated', async () => {
    const user = await newUser();
    await call(user, 'PATCH', '/preferences', { notMailed: ['renewed'] });
    const url = await linkOf(user);
    for (let times = 0; times < 2; times += 1) {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const response = await fetch(url, { method: 'POST', headers, body: 'List-Unsubscribe=One-Click' });
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    }
    expect((await notMailed(user)).sort()).toEqual(['renewed', 'welcome']);
  });

  it('changes nothing when the link is only opened, as mail scanners do', async () => {
    const user = await newUser();
    const response = await fetch(await linkOf(user));
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('<form method="post">')]);
    expect(response.headers.get('content-security-policy')).toContain("form-action 'self'");
    expect(await notMailed(user)).toEqual([]);
  });

  it('refuses a token that is in no mail', async () => {
    const response = await fetch(`${gatekeeper.service.url}/notifications/unsubscribe/${'a'.repeat(80)}`, {
      method: 'POST',
    });
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'invalid_request' }),
    ]);
  });

  it('succeeds for a deleted account, without doing anything', async () => {
    const user = await newUser();
    const url = await linkOf(user);
    await gatekeeper.sql('DELETE FROM identity."User" WHERE firebase_uid = $1', [user.uid]);
    expect((await fetch(url, { method: 'POST' })).status).toBe(200);
  });
});

it('serves the mail previews only in development', async () => {
  expect((await gatekeeper.get('/dev/mail')).status).toBe(404);
  expect((await gatekeeper.get('/dev/mail/welcome')).status).toBe(404);
});
