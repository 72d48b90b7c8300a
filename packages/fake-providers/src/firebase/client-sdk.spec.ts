import { deleteApp, type FirebaseApp, initializeApp } from '@firebase/app';
import {
  applyActionCode,
  type Auth,
  connectAuthEmulator,
  createUserWithEmailAndPassword,
  deleteUser,
  getIdTokenResult,
  initializeAuth,
  inMemoryPersistence,
  reload,
  sendEmailVerification,
  signInWithEmailAndPassword,
  updatePassword,
} from '@firebase/auth';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type FakeFirebase, startFakeFirebase } from './index.js';

const projectId = 'demo-vpn';
const password = 'correct horse';

let firebase: FakeFirebase;
let app: FirebaseApp;
let auth: Auth;

beforeAll(async () => {
  firebase = await startFakeFirebase({ projectId });
});
afterAll(() => firebase.close());
beforeEach(() => {
  app = initializeApp({ projectId, apiKey: 'any' }, crypto.randomUUID());
  auth = initializeAuth(app, { persistence: inMemoryPersistence });
  connectAuthEmulator(auth, firebase.url, { disableWarnings: true });
});
afterEach(() => deleteApp(app));

const newEmail = () => `User-${crypto.randomUUID()}@Example.com`;

async function codeFor(email: string): Promise<string> {
  const answer = await fetch(`${firebase.url}/emulator/v1/projects/${projectId}/oobCodes`);
  const { oobCodes } = (await answer.json()) as { oobCodes: { email: string; oobCode: string }[] };
  return oobCodes.findLast((code) => code.email === email.toLowerCase())?.oobCode ?? '';
}

/** Firebase's own SDK checks the fake's responses. */
describe('Firebase’s client SDK on FakeFirebase', () => {
  it('signs up, verifies the address, and gets tokens with email_verified', async () => {
    const email = newEmail();
    const { user } = await createUserWithEmailAndPassword(auth, email, password);
    expect(user).toMatchObject({ email: email.toLowerCase(), emailVerified: false, isAnonymous: false });

    await sendEmailVerification(user);
    const code = await codeFor(email);
    await applyActionCode(auth, code);
    await expect(applyActionCode(auth, code)).rejects.toMatchObject({ code: 'auth/invalid-action-code' });
    await reload(user);
    expect(user.emailVerified).toBe(true);

    const before = await getIdTokenResult(user);
    expect(before.claims).toMatchObject({ email_verified: false, aud: projectId, sub: user.uid, user_id: user.uid });
    const fresh = await getIdTokenResult(user, true);
    expect(fresh.claims).toMatchObject({ email_verified: true, iss: `https://securetoken.google.com/${projectId}` });
    expect([fresh.signInProvider, fresh.authTime]).toEqual(['password', before.authTime]);
    expect(Date.parse(fresh.expirationTime) - Date.parse(fresh.issuedAtTime)).toBe(3_600_000);
  });

  it('signs in with the address in any letter case', async () => {
    const email = newEmail();
    const { user } = await createUserWithEmailAndPassword(auth, email, password);
    expect((await signInWithEmailAndPassword(auth, email.toUpperCase(), password)).user.uid).toBe(user.uid);
  });

  it('gets the same error for a wrong password and an unknown address', async () => {
    const email = newEmail();
    await createUserWithEmailAndPassword(auth, email, password);
    const refused = { code: 'auth/invalid-credential' };
    await expect(signInWithEmailAndPassword(auth, email, 'wrong password')).rejects.toMatchObject(refused);
    await expect(signInWithEmailAndPassword(auth, newEmail(), password)).rejects.toMatchObject(refused);
  });

  it.each([
    ['auth/weak-password', newEmail(), 'short'],
    ['auth/invalid-email', 'nowhere', password],
    ['auth/missing-email', '', password],
    ['auth/missing-password', newEmail(), ''],
  ])('cannot sign up: %s', async (code, email, secret) => {
    await expect(createUserWithEmailAndPassword(auth, email, secret)).rejects.toMatchObject({ code });
  });

  it('creates one account when fifty sign-ups with the same address race', async () => {
    const email = newEmail();
    const all = await Promise.allSettled(
      Array.from({ length: 50 }, () => createUserWithEmailAndPassword(auth, email, password)),
    );
    const refusals = all.filter((one) => one.status === 'rejected').map(({ reason }) => reason as unknown);
    expect(refusals).toHaveLength(49);
    for (const reason of refusals) expect(reason).toMatchObject({ code: 'auth/email-already-in-use' });
  });

  it('stays signed in after a password change, while other devices are signed out', async () => {
    const email = newEmail();
    const otherApp = initializeApp({ projectId, apiKey: 'any' }, crypto.randomUUID());
    const otherAuth = initializeAuth(otherApp, { persistence: inMemoryPersistence });
    connectAuthEmulator(otherAuth, firebase.url, { disableWarnings: true });
    const { user } = await createUserWithEmailAndPassword(auth, email, password);
    const other = await signInWithEmailAndPassword(otherAuth, email, password);

    await updatePassword(user, 'another password');

    expect(await user.getIdToken(true)).toMatch(/^eyJ/);
    await expect(other.user.getIdToken(true)).rejects.toMatchObject({ code: 'auth/user-token-expired' });
    await expect(signInWithEmailAndPassword(auth, email, password)).rejects.toThrow();
    expect((await signInWithEmailAndPassword(auth, email, 'another password')).user.uid).toBe(user.uid);
    await deleteApp(otherApp);
  });

  it('reports a disabled account', async () => {
    const email = newEmail();
    const { user } = await createUserWithEmailAndPassword(auth, email, password);
    firebase.disable(user.uid);
    const disabled = { code: 'auth/user-disabled' };
    await expect(user.getIdToken(true)).rejects.toMatchObject(disabled);
    await expect(signInWithEmailAndPassword(auth, email, password)).rejects.toMatchObject(disabled);
    firebase.enable(user.uid);
    expect((await signInWithEmailAndPassword(auth, email, password)).user.uid).toBe(user.uid);
  });

  it('deletes the account, so that the address can sign up again', async () => {
    const email = newEmail();
    const { user } = await createUserWithEmailAndPassword(auth, email, password);
    await deleteUser(user);
    await expect(signInWithEmailAndPassword(auth, email, password)).rejects.toThrow('auth/invalid-credential');
    expect((await createUserWithEmailAndPassword(auth, email, password)).user.uid).not.toBe(user.uid);
  });

  it('reports a network error while the provider is down', async () => {
    firebase.goDown();
    await expect(signInWithEmailAndPassword(auth, newEmail(), password)).rejects.toMatchObject({
      code: 'auth/network-request-failed',
    });
    firebase.comeBack();
  });
});
