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
// The library looks at the machine's clock as well, so the tests' clock starts there and only moves forward.
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

const person = (emailVerified = false) => {
  const email = `${crypto.randomUUID()}@example.com`;
  return { email, ...firebase.createAccount({ email, emailVerified }) };
};

describe('an ID token', () => {
  it('tells who signed in, and when', async () => {
    const { uid, email } = person(true);
    expect(await client.verifyIdToken(await firebase.mintIdToken(uid))).toEqual({
      uid,
      email,
      emailVerified: true,
      authTime: start,
    });
  });

  it('of somebody without an e-mail address is as good', async () => {
    const verified = await client.verifyIdToken(await firebase.mintIdToken('phone-user'));
    expect(verified).toMatchObject({ uid: 'phone-user', emailVerified: false });
    expect(verified.email).toBeUndefined();
  });

  it('is verified without asking for the account', async () => {
    const { uid } = person();
    await client.verifyIdToken(await firebase.mintIdToken(uid));
    expect(firebase.countLookups(uid)).toBe(0);
  });

  const issuer = 'https://securetoken.google.com';
  const bad: [string, IdTokenOverrides][] = [
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
    ['whose times are words', { claims: { iat: 'now' } }],
    ['signed by a key nobody published', { signature: 'unknown-key' }],
    ['signed by another key under the published id', { signature: 'foreign-key' }],
    ['that is unsigned', { signature: 'none' }],
    ['signed by HMAC with the public certificate', { signature: 'hs256-with-certificate' }],
    ['of 10 kB', { claims: { padding: 'x'.repeat(10_000) } }],
  ];

  it.each(bad)('%s is invalid', async (_, overrides) => {
    const { uid } = person();
    expect(await faultOf(await firebase.mintIdToken(uid, overrides))).toBe('invalid');
  });

  it('altered in any of its parts is invalid', async () => {
    const token = await firebase.mintIdToken(person().uid);
    const [header = '', payload = '', signature = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const admin = encode({ ...claims, sub: 'somebody-else' });
    const keyless = encode({ alg: 'RS256', typ: 'JWT' });
    const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
    const altered = [
      `${header}.${admin}.${signature}`,
      `${keyless}.${payload}.${signature}`,
      `${encode({ alg: 'RS256', kid: '__proto__' })}.${payload}.${signature}`,
      `${encode({ alg: 'none' })}.${payload}.`,
      `${encode({ alg: 'none' })}.${payload}.${signature}`,
      `${header}.${payload}.${flipped}`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
    ];
    for (const one of altered) expect(await faultOf(one), one).toBe('invalid');
    expect(await faultOf(token)).toBeUndefined();
  });

  it.each([
    ['nothing', ''],
    ['a word', 'token'],
    ['dots', '..'],
    ['three words', 'a.b.c'],
    ['a payload that is null', `${encode({ alg: 'RS256', kid: 'k' })}.${encode(null)}.c2ln`],
    ['a header that is null', `${encode(null)}.${encode({})}.c2ln`],
    ['other alphabets', 'ключ.ключ.ключ'],
    ['control characters', 'a.b.c\r\nx: y'],
    ['10 kB of noise', 'e'.repeat(10_000)],
  ])('made of %s is invalid', async (_, token) => {
    expect(await faultOf(token)).toBe('invalid');
  });

  it('ends by the machine’s clock', async () => {
    expect(await faultOf(await firebase.mintIdToken('someone', { issuedAt: later(-3601) }))).toBe('expired');
  });

  it('ends by our own clock, to the second', async () => {
    const token = await firebase.mintIdToken('someone');
    clock.set(later(3599));
    expect(await faultOf(token)).toBeUndefined();
    clock.set(later(3600));
    expect(await faultOf(token)).toBe('expired');
  });

  it.each(['iat', 'auth_time'])(
    'whose %s is over a minute ahead is refused, which the library would accept',
    async (claim) => {
      const ahead = (seconds: number) =>
        firebase.mintIdToken('someone', { claims: { [claim]: unix(later(seconds)), exp: unix(later(9000)) } });
      expect(await faultOf(await ahead(60))).toBeUndefined();
      expect(await faultOf(await ahead(61))).toBe('from_the_future');
    },
  );

  it('is never quoted by the error that refuses it', async () => {
    const token = await firebase.mintIdToken('someone', { claims: { aud: 'other-project' } });
    const error = await client.verifyIdToken(token).catch((thrown: unknown) => thrown);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/eyJ|other-project|someone/);
  });
});

describe('an account', () => {
  it('is looked up as it is at this moment, until it is deleted', async () => {
    const { uid, email } = person();
    const asMade = {
      email,
      emailVerified: false,
      disabled: false,
      tokensValidAfter: start,
      signInProviders: ['password'],
    };
    expect(await client.lookUp(uid)).toEqual(asMade);
    firebase.disable(uid);
    expect(await client.lookUp(uid)).toEqual({ ...asMade, disabled: true });
    firebase.delete(uid);
    expect(await client.lookUp(uid)).toBeUndefined();
    expect(firebase.countLookups(uid)).toBe(3);
  });

  it('revoked refuses the sign-ins before, and none after', async () => {
    const { uid } = person();
    const before = await client.verifyIdToken(await firebase.mintIdToken(uid));
    firebase.revoke(uid);
    const { tokensValidAfter } = (await client.lookUp(uid)) ?? {};
    const after = await client.verifyIdToken(await firebase.mintIdToken(uid));
    expect(before.authTime.getTime()).toBeLessThan(tokensValidAfter?.getTime() ?? 0);
    expect(after.authTime.getTime()).toBeGreaterThanOrEqual(tokensValidAfter?.getTime() ?? Infinity);
  });

  it('nobody ever had does not exist', async () => {
    expect(await client.lookUp('no-such-account')).toBeUndefined();
  });
});

describe('a provider that is away', () => {
  it.each(['refusing', 'hanging', 'failing'] as const)('%s: says nothing about token or account', async (how) => {
    const { uid } = person();
    const token = await firebase.mintIdToken(uid);
    const hurried = newClient({ timeoutMs: 500 });
    firebase.goDown(how);
    await expect(hurried.verifyIdToken(token)).rejects.toBeInstanceOf(FirebaseUnavailable);
    await expect(hurried.lookUp(uid)).rejects.toBeInstanceOf(FirebaseUnavailable);
    firebase.comeBack();
    await expect.poll(() => hurried.lookUp(uid).catch(String)).toMatchObject({ disabled: false });
    await expect.poll(() => hurried.verifyIdToken(token).catch(String)).toMatchObject({ uid });
  });

  it('stops nobody whose token the certificates at hand can verify', async () => {
    const token = await firebase.mintIdToken('someone');
    await client.verifyIdToken(token);
    firebase.goDown('hanging');
    expect((await client.verifyIdToken(token)).uid).toBe('someone');
  });

  it('or that is somebody else is not believed: TLS checks the name under the CA', async () => {
    const other = await startFakeFirebase({ projectId, clock });
    const impostor = newClient({ api: { ...other.tls, caFile: firebase.tls.caFile } });
    await expect(impostor.verifyIdToken(await other.mintIdToken('someone'))).rejects.toEqual(
      new FirebaseUnavailable('certificates'),
    );
    await other.close();
  });

  it('or that listens to nothing', async () => {
    const lost = newClient({ api: { ...firebase.tls, url: `https://127.0.0.1:${await freePort()}` } });
    await expect(lost.lookUp('someone')).rejects.toMatchObject({ code: 'app/network-error' });
  });

  it('or that takes connections and no more leaves none behind', async () => {
    const silent = await listen();
    const waiting = newClient({ api: { ...firebase.tls, url: `https://127.0.0.1:${silent.port}` }, timeoutMs: 200 });
    const token = await firebase.mintIdToken('someone');
    const asked = await Promise.allSettled(Array.from({ length: 20 }, () => waiting.verifyIdToken(token)));
    const refused = { status: 'rejected', reason: expect.objectContaining({ code: 'timeout' }) as unknown };
    expect(asked).toEqual(Array.from({ length: 20 }, () => refused));
    await silent.connected;
    await vi.waitFor(() => expect(silent.sockets.size).toBe(0), 10_000);
    await silent.close();
  });
});

describe('the Firebase emulator’s unsigned tokens', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('are not accepted because the environment says so, only because our configuration does', async () => {
    vi.stubEnv('FIREBASE_AUTH_EMULATOR_HOST', '127.0.0.1:1');
    const strict = newClient();
    const signed = await firebase.mintIdToken('someone');
    await expect(strict.verifyIdToken(await firebase.mintIdToken('someone', { signature: 'none' }))).rejects.toThrow(
      FirebaseTokenError,
    );
    expect((await strict.verifyIdToken(signed)).uid).toBe('someone');
    expect(process.env.FIREBASE_AUTH_EMULATOR_HOST).toBe('127.0.0.1:1');
  });

  it('are accepted from the emulator that is configured, if it knows the account', async () => {
    const emulatorHost = new URL(firebase.url).host;
    const lax = newClient({ emulatorHost, api: undefined });
    const { uid } = person();
    const token = await firebase.mintIdToken(uid, { signature: 'none' });
    expect((await lax.verifyIdToken(token)).uid).toBe(uid);
    expect(await lax.lookUp(uid)).toMatchObject({ disabled: false });
    expect(process.env.FIREBASE_AUTH_EMULATOR_HOST).toBeUndefined();
  });
});

/** Takes connections and never answers. */
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

/** Why a token is refused; undefined when it is not. Any other failure is the test's. */
async function faultOf(token: string): Promise<string | undefined> {
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
