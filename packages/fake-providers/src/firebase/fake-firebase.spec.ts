import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deleteApp, initializeApp } from 'firebase-admin/app';
import { type Auth, getAuth } from 'firebase-admin/auth';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { googleAdmin } from '../../test/google-admin.js';
import { ManualClock } from '../testing/manual-clock.js';
import { type FakeFirebase, type FakeFirebaseOptions, startFakeFirebase } from './index.js';

const projectId = 'demo-vpn';
const cleanUp: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

async function start(options: Partial<FakeFirebaseOptions> = {}): Promise<FakeFirebase> {
  const firebase = await startFakeFirebase({ projectId, ...options });
  cleanUp.push(() => firebase.close());
  return firebase;
}

async function post(url: string, body: object, headers: Record<string, string> = {}) {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body), headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const signUp = (firebase: FakeFirebase, email = 'user@example.com') =>
  post(`${firebase.url}/v1/accounts:signUp?key=any`, { email, password: 'correct horse', returnSecureToken: true });

/** Google's library for backends, connected to the TLS listener. */
function adminOf(firebase: FakeFirebase): Auth {
  const { auth, close } = googleAdmin(firebase, projectId);
  cleanUp.push(close);
  return auth;
}

describe('FakeFirebase', () => {
  it('satisfies firebase-admin from sign-up to deletion', async () => {
    // firebase-admin dates a revocation by the machine's clock, and sign-ins of the same second survive it. So the sign-in
    // is dated ten seconds earlier.
    const clock = new ManualClock(new Date(Date.now() - 10_000));
    const firebase = await start({ clock });
    vi.stubEnv('FIREBASE_AUTH_EMULATOR_HOST', new URL(firebase.url).host);
    const app = initializeApp({ projectId }, crypto.randomUUID());
    const admin = getAuth(app);
    vi.unstubAllEnvs();
    cleanUp.push(() => deleteApp(app));
    const overTls = adminOf(firebase);

    const { localId, idToken } = (await signUp(firebase)).body;
    const uid = String(localId);
    const verified = await overTls.verifyIdToken(String(idToken));
    expect(verified).toMatchObject({ uid, email: 'user@example.com', email_verified: false });
    expect(await admin.getUserByEmail('USER@example.com')).toMatchObject({ uid, disabled: false });

    await admin.revokeRefreshTokens(uid);
    const revoked = await overTls.getUser(uid);
    expect(Date.parse(revoked.tokensValidAfterTime ?? '')).toBeGreaterThan(verified.auth_time * 1000);
    await expect(overTls.verifyIdToken(String(idToken), true)).rejects.toMatchObject({ code: 'auth/id-token-revoked' });

    await admin.updateUser(uid, { disabled: true, emailVerified: true });
    expect(await overTls.getUser(uid)).toMatchObject({ disabled: true, emailVerified: true });

    await admin.deleteUser(uid);
    await expect(overTls.getUser(uid)).rejects.toMatchObject({ code: 'auth/user-not-found' });
    await expect(admin.deleteUser(uid)).rejects.toMatchObject({ code: 'auth/user-not-found' });
    await expect(admin.updateUser(uid, { disabled: true })).rejects.toMatchObject({ code: 'auth/user-not-found' });
  });

  it('creates links for firebase-admin that change the address once, verify it, and revoke all sign-ins', async () => {
    // As above: a sign-in of the same second would survive.
    const clock = new ManualClock(new Date(Date.now() - 10_000));
    const firebase = await start({ clock });
    const admin = adminOf(firebase);
    const { localId } = (await signUp(firebase)).body;
    await signUp(firebase, 'other@example.com');
    const linkFor = (email: string, newEmail: string) => admin.generateVerifyAndChangeEmailLink(email, newEmail);
    const inUse = { code: 'auth/email-already-exists' };
    await expect(linkFor('user@example.com', 'OTHER@example.com')).rejects.toMatchObject(inUse);
    const unknown = { code: 'auth/email-not-found' };
    await expect(linkFor('unknown@example.com', 'new@example.com')).rejects.toMatchObject(unknown);
    const [link, second] = [
      await linkFor('user@example.com', 'New@example.com'),
      await linkFor('user@example.com', 'later@example.com'),
    ];
    const before = await admin.getUser(String(localId));
    expect(before).toMatchObject({ email: 'user@example.com', emailVerified: false });
    expect((await fetch(link)).status).toBe(200);
    const after = await admin.getUser(String(localId));
    expect(after).toMatchObject({ email: 'new@example.com', emailVerified: true });
    const validAfter = ({ tokensValidAfterTime = '' }) => Date.parse(tokensValidAfterTime);
    expect(validAfter(after)).toBeGreaterThan(validAfter(before));
    // The first link was used. The second is for an address that the account no longer has.
    expect([(await fetch(link)).status, (await fetch(second)).status]).toEqual([400, 400]);
  });

  it('answers errors in Google’s format', async () => {
    const firebase = await start();
    await signUp(firebase);
    expect(await signUp(firebase)).toEqual({
      status: 400,
      body: {
        error: {
          code: 400,
          message: 'EMAIL_EXISTS',
          errors: [{ message: 'EMAIL_EXISTS', domain: 'global', reason: 'invalid' }],
        },
      },
    });
  });

  it.each([
    ['accounts:lookup', { idToken: 'x' }, 400, 'INVALID_ID_TOKEN'],
    ['accounts:lookup', {}, 400, 'MISSING_ID_TOKEN'],
    ['accounts:sendOobCode', { requestType: 'EMAIL_SIGNIN', idToken: 'x' }, 400, 'INVALID_REQ_TYPE'],
    ['accounts:update', { oobCode: 'x' }, 400, 'INVALID_OOB_CODE'],
    ['token', { grant_type: 'refresh_token', refresh_token: 'x' }, 400, 'INVALID_REFRESH_TOKEN'],
    ['accounts:signUp', { email: 'a@example.com', password: 7 }, 400, 'MISSING_PASSWORD'],
    ['accounts:signUp', { email: 'x'.repeat(70_000) }, 413, 'REQUEST_TOO_LARGE'],
    ['accounts:nothing', {}, 404, 'NOT_FOUND'],
    [`projects/${projectId}/accounts:lookup`, { localId: ['x'] }, 401, 'UNAUTHENTICATED'],
  ])('answers %s %j with %i %s', async (path, body, status, message) => {
    const firebase = await start();
    const answer = await post(`${firebase.url}/v1/${path}`, body);
    expect(answer).toMatchObject({ status, body: { error: { code: status, message } } });
  });

  it('serves only its own project, and refuses ID tokens that it did not sign', async () => {
    const firebase = await start();
    const owner = { authorization: 'Bearer owner' };
    const elsewhere = await post(`${firebase.url}/v1/projects/other/accounts:lookup`, { localId: ['x'] }, owner);
    expect(elsewhere.status).toBe(404);
    const { uid } = firebase.createAccount({ email: 'user@example.com' });
    for (const signature of ['none', 'foreign-key', 'hs256-with-certificate'] as const) {
      const idToken = await firebase.mintIdToken(uid, { signature });
      const answer = await post(`${firebase.url}/v1/accounts:delete`, { idToken });
      expect(answer.body).toMatchObject({ error: { message: 'INVALID_ID_TOKEN' } });
    }
  });

  it('expires ID tokens by its clock, and refreshes them with the original auth_time', async () => {
    const clock = new ManualClock();
    const firebase = await start({ clock });
    const { idToken, refreshToken: refresh_token } = (await signUp(firebase)).body;
    clock.advance(3_600_000);
    const late = await post(`${firebase.url}/v1/accounts:lookup`, { idToken });
    expect(late.body).toMatchObject({ error: { message: 'TOKEN_EXPIRED' } });

    const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: String(refresh_token) });
    const refreshed = await fetch(`${firebase.url}/securetoken.googleapis.com/v1/token?key=any`, {
      method: 'POST',
      body: form,
    });
    const { id_token, expires_in, token_type } = (await refreshed.json()) as Record<string, string>;
    expect([expires_in, token_type]).toEqual(['3600', 'Bearer']);
    expect(claimsOf(id_token)).toMatchObject({ iat: claimsOf(idToken).exp, auth_time: claimsOf(idToken).auth_time });
  });

  it('allows browsers from any origin', async () => {
    const firebase = await start();
    const preflight = await fetch(`${firebase.url}/v1/accounts:signUp`, { method: 'OPTIONS' });
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
    expect(preflight.headers.get('access-control-allow-headers')).toBe('*');
  });

  it('keeps accounts, sessions and its signing key in the data folder, with permissions for the owner only', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'fake-'));
    cleanUp.push(() => rmSync(dataDir, { recursive: true }));
    const first = await start({ dataDir });
    const { localId, idToken, refreshToken: refresh_token } = (await signUp(first)).body;
    await first.close();
    const file = join(dataDir, 'firebase', 'accounts.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).not.toContain('correct horse');

    const second = await start({ dataDir });
    expect(await adminOf(second).verifyIdToken(String(idToken))).toMatchObject({ uid: localId });
    const signIn = { email: 'user@example.com', password: 'correct horse' };
    expect(await post(`${second.url}/v1/accounts:signInWithPassword`, signIn)).toMatchObject({ body: { localId } });
    const refreshed = await post(`${second.url}/v1/token`, { grant_type: 'refresh_token', refresh_token });
    expect(refreshed).toMatchObject({ status: 200, body: { user_id: localId } });
  });

  it('leaves no files without a data folder, and closes during a request that hangs', async () => {
    const firebase = await start();
    firebase.goDown('hanging');
    const hung = signUp(firebase).catch((error: unknown) => error);
    await expect.poll(() => existsSync(firebase.tls.caFile)).toBe(true);
    await firebase.close();
    expect(await hung).toBeInstanceOf(Error);
    expect(existsSync(firebase.tls.caFile)).toBe(false);
  });
});

function claimsOf(token: unknown): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
}
