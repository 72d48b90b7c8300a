import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type FakeFirebase, type IdTokenOverrides, startFakeFirebase } from '@vpn-backend/fake-providers/firebase';
import { freePort } from '../../dev/services/server-process.js';
import { TestClock } from '../../test/support/test-clock.js';
import {
  FirebaseClient,
  type FirebaseClientOptions,
  FirebaseTokenError,
  FirebaseUnavailable,
} from './firebase.client.js';

const projectId = 'demo-vpn';
// The library reads the machine's clock too, so the test clock starts at the same time and only moves forward.
const clock = new TestClock(new Date(Math.floor(Date.now() / 1000) * 1000));
const start = clock.now();
const later = (seconds: number) => new Date(start.getTime() + seconds * 1000);
const unix = (date: Date) => date.getTime() / 1000;

let firebase: FakeFirebase;
let client: FirebaseClient;
const clients: FirebaseClient[] = [];

function newClient(options: Partial<FirebaseClientOptions> = {}): FirebaseClient {
  const api = firebase.tls;
  const created = new FirebaseClient(
    { projectId, serviceAccount: undefined, emulatorHost: undefined, api, timeoutMs: 10_000, ...options },
    clock,
  );
  clients.push(created);
  return created;
}

beforeAll(async () => {
  firebase = await startFakeFirebase({ projectId, clock });
});
beforeEach(() => {
  clock.set(start);
  client = newClient();
});
afterEach(async () => {
  firebase.comeBack();
  for (const used of clients.splice(0)) await used.onApplicationShutdown();
});
afterAll(() => firebase.close());

const newAccount = (emailVerified = false) => {
  const email = `${crypto.randomUUID()}@example.com`;
  return { email, ...firebase.createAccount({ email, emailVerified }) };
};

describe('FirebaseClient.verifyIdToken', () => {
  it('returns the user and the time of the sign-in', async () => {
    const { uid, email } = newAccount(true);
    expect(await client.verifyIdToken(await firebase.mintIdToken(uid))).toEqual({
      uid,
      email,
      emailVerified: true,
      authTime: start,
    });
  });

  it('accepts a token without an e-mail address', async () => {
    const verified = await client.verifyIdToken(await firebase.mintIdToken('phone-user'));
    expect(verified).toMatchObject({ uid: 'phone-user', emailVerified: false });
    expect(verified.email).toBeUndefined();
  });

  it('does not fetch the account', async () => {
    const { uid } = newAccount();
    await client.verifyIdToken(await firebase.mintIdToken(uid));
    expect(firebase.countLookups(uid)).toBe(0);
  });

  const issuer = 'https://securetoken.google.com';
  const badTokens: [string, IdTokenOverrides][] = [
    ['for another audience', { claims: { aud: 'other-project' } }],
    ['for several audiences, ours among them', { claims: { aud: [projectId, 'other-project'] } }],
    ['of another issuer', { claims: { iss: `${issuer}/other-project` } }],
    ['of an issuer that only begins like ours', { claims: { iss: `${issuer}/${projectId}.evil.example` } }],
    ['without an issuer', { claims: { iss: undefined } }],
    ['without a subject', { claims: { sub: undefined } }],
    ['with an empty subject', { claims: { sub: '' } }],
    ['with a subject of 129 characters', { claims: { sub: 'x'.repeat(129) } }],
    ['that never expires', { claims: { exp: undefined } }],
    ['without a time of issue', { claims: { iat: undefined } }],
    ['without a time of sign-in', { claims: { auth_time: undefined } }],
    ['whose time of issue is a string', { claims: { iat: 'now' } }],
    ['signed by a key that is not published', { signature: 'unknown-key' }],
    ['signed by another key under the published id', { signature: 'foreign-key' }],
    ['that is unsigned', { signature: 'none' }],
    ['signed by HMAC with the public certificate', { signature: 'hs256-with-certificate' }],
    ['of 10 kB', { claims: { padding: 'x'.repeat(10_000) } }],
  ];

  it.each(badTokens)('refuses a token %s', async (_, overrides) => {
    const { uid } = newAccount();
    expect(await errorReason(await firebase.mintIdToken(uid, overrides))).toBe('invalid');
  });

  it('refuses a token that was altered in any part', async () => {
    const token = await firebase.mintIdToken(newAccount().uid);
    const [header = '', payload = '', signature = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const otherSubject = encode({ ...claims, sub: 'other-user' });
    const withoutKeyId = encode({ alg: 'RS256', typ: 'JWT' });
    const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
    const altered = [
      `${header}.${otherSubject}.${signature}`,
      `${withoutKeyId}.${payload}.${signature}`,
      `${encode({ alg: 'RS256', kid: '__proto__' })}.${payload}.${signature}`,
      `${encode({ alg: 'none' })}.${payload}.`,
      `${encode({ alg: 'none' })}.${payload}.${signature}`,
      `${header}.${payload}.${flipped}`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
    ];
    for (const one of altered) expect(await errorReason(one), one).toBe('invalid');
    expect(await errorReason(token)).toBeUndefined();
  });

  it.each([
    ['an empty string', ''],
    ['one word', 'token'],
    ['only dots', '..'],
    ['three words', 'a.b.c'],
    ['a payload that is null', `${encode({ alg: 'RS256', kid: 'k' })}.${encode(null)}.c2ln`],
    ['a header that is null', `${encode(null)}.${encode({})}.c2ln`],
    ['Cyrillic letters', 'ключ.ключ.ключ'],
    ['control characters', 'a.b.c\r\nx: y'],
    ['10 kB of one letter', 'e'.repeat(10_000)],
  ])('refuses a malformed token: %s', async (_, token) => {
    expect(await errorReason(token)).toBe('invalid');
  });

  it('refuses a token that has expired by the machine’s clock', async () => {
    expect(await errorReason(await firebase.mintIdToken('someone', { issuedAt: later(-3601) }))).toBe('expired');
  });

  it('refuses a token that has expired by our own clock, to the second', async () => {
    const token = await firebase.mintIdToken('someone');
    clock.set(later(3599));
    expect(await errorReason(token)).toBeUndefined();
    clock.set(later(3600));
    expect(await errorReason(token)).toBe('expired');
  });

  it.each(['iat', 'auth_time'])(
    'refuses a token whose %s is over a minute in the future, although the library accepts it',
    async (claim) => {
      const ahead = (seconds: number) =>
        firebase.mintIdToken('someone', { claims: { [claim]: unix(later(seconds)), exp: unix(later(9000)) } });
      expect(await errorReason(await ahead(60))).toBeUndefined();
      expect(await errorReason(await ahead(61))).toBe('from_the_future');
    },
  );

  it('does not quote the token in the error', async () => {
    const token = await firebase.mintIdToken('someone', { claims: { aud: 'other-project' } });
    const error = await client.verifyIdToken(token).catch((thrown: unknown) => thrown);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/eyJ|other-project|someone/);
  });
});

describe('FirebaseClient.fetchAccount', () => {
  it('returns the current state of the account, until it is deleted', async () => {
    const { uid, email } = newAccount();
    const asCreated = {
      email,
      emailVerified: false,
      disabled: false,
      tokensValidAfter: start,
      signInProviders: ['password'],
    };
    expect(await client.fetchAccount(uid)).toEqual(asCreated);
    firebase.disable(uid);
    expect(await client.fetchAccount(uid)).toEqual({ ...asCreated, disabled: true });
    firebase.delete(uid);
    expect(await client.fetchAccount(uid)).toBeUndefined();
    expect(firebase.countLookups(uid)).toBe(3);
  });

  it('returns a revocation time between the earlier and the later sign-ins', async () => {
    const { uid } = newAccount();
    const before = await client.verifyIdToken(await firebase.mintIdToken(uid));
    firebase.revoke(uid);
    const { tokensValidAfter } = (await client.fetchAccount(uid)) ?? {};
    const after = await client.verifyIdToken(await firebase.mintIdToken(uid));
    expect(before.authTime.getTime()).toBeLessThan(tokensValidAfter?.getTime() ?? 0);
    expect(after.authTime.getTime()).toBeGreaterThanOrEqual(tokensValidAfter?.getTime() ?? Infinity);
  });

  it('returns undefined for an account that never existed', async () => {
    expect(await client.fetchAccount('no-such-account')).toBeUndefined();
  });
});

describe('FirebaseClient while the provider is unavailable', () => {
  it.each(['refusing', 'hanging', 'failing'] as const)('reports a %s provider as unavailable', async (how) => {
    const { uid } = newAccount();
    const token = await firebase.mintIdToken(uid);
    const impatient = newClient({ timeoutMs: 500 });
    firebase.goDown(how);
    await expect(impatient.verifyIdToken(token)).rejects.toBeInstanceOf(FirebaseUnavailable);
    await expect(impatient.fetchAccount(uid)).rejects.toBeInstanceOf(FirebaseUnavailable);
    firebase.comeBack();
    await expect.poll(() => impatient.fetchAccount(uid).catch(String)).toMatchObject({ disabled: false });
    await expect.poll(() => impatient.verifyIdToken(token).catch(String)).toMatchObject({ uid });
  });

  it('still verifies tokens with the cached certificates', async () => {
    const token = await firebase.mintIdToken('someone');
    await client.verifyIdToken(token);
    firebase.goDown('hanging');
    expect((await client.verifyIdToken(token)).uid).toBe('someone');
  });

  it('does not trust another server: TLS verifies its certificate against the CA', async () => {
    const other = await startFakeFirebase({ projectId, clock });
    const impostor = newClient({ api: { ...other.tls, caFile: firebase.tls.caFile } });
    await expect(impostor.verifyIdToken(await other.mintIdToken('someone'))).rejects.toEqual(
      new FirebaseUnavailable('certificates'),
    );
    await other.close();
  });

  it('reports a network error if no server listens', async () => {
    const unconnected = newClient({ api: { ...firebase.tls, url: `https://127.0.0.1:${await freePort()}` } });
    await expect(unconnected.fetchAccount('someone')).rejects.toMatchObject({ code: 'app/network-error' });
  });

  it('closes its connections to a server that accepts them and never responds', async () => {
    const silent = await listen();
    const waiting = newClient({ api: { ...firebase.tls, url: `https://127.0.0.1:${silent.port}` }, timeoutMs: 200 });
    const token = await firebase.mintIdToken('someone');
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => waiting.verifyIdToken(token)));
    const refused = { status: 'rejected', reason: expect.objectContaining({ code: 'timeout' }) as unknown };
    expect(results).toEqual(Array.from({ length: 20 }, () => refused));
    await silent.connected;
    await vi.waitFor(() => expect(silent.sockets.size).toBe(0), 10_000);
    await silent.close();
  });
});

describe('FirebaseClient with unsigned tokens of the Firebase emulator', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('refuses them unless our configuration names an emulator, whatever the environment variable says', async () => {
    vi.stubEnv('FIREBASE_AUTH_EMULATOR_HOST', '127.0.0.1:1');
    const strict = newClient();
    const signed = await firebase.mintIdToken('someone');
    await expect(strict.verifyIdToken(await firebase.mintIdToken('someone', { signature: 'none' }))).rejects.toThrow(
      FirebaseTokenError,
    );
    expect((await strict.verifyIdToken(signed)).uid).toBe('someone');
    expect(process.env.FIREBASE_AUTH_EMULATOR_HOST).toBe('127.0.0.1:1');
  });

  it('accepts them from the configured emulator if it knows the account', async () => {
    const emulatorHost = new URL(firebase.url).host;
    const lax = newClient({ emulatorHost, api: undefined });
    const { uid } = newAccount();
    const token = await firebase.mintIdToken(uid, { signature: 'none' });
    expect((await lax.verifyIdToken(token)).uid).toBe(uid);
    expect(await lax.fetchAccount(uid)).toMatchObject({ disabled: false });
    expect(process.env.FIREBASE_AUTH_EMULATOR_HOST).toBeUndefined();
  });
});

/** Accepts connections and never responds. */
async function listen() {
  const sockets = new Set<Socket>();
  const first = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    first.resolve();
    sockets.add(socket.on('error', () => undefined).on('close', () => sockets.delete(socket)));
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
    await once(server, 'close');
  };
  return { port: (server.address() as AddressInfo).port, sockets, connected: first.promise, close };
}

/** Why a token is refused; undefined if it is accepted. Any other error fails the test. */
async function errorReason(token: string): Promise<string | undefined> {
  try {
    await client.verifyIdToken(token);
    return undefined;
  } catch (error) {
    if (error instanceof FirebaseTokenError) return error.reason;
    throw error;
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
