import { randomUUID } from 'node:crypto';
import { type FakeFirebase, startFakeFirebase } from '@vpn-backend/fake-providers/firebase';
import { type Env, gatekeeperEnv, startTestApp, type TestApp } from './app.js';
import { createTestStack, type TestStack } from './stack.js';
import { TestClock } from './test-clock.js';

/** A signed-in user with an account at the provider. */
export interface SignedIn {
  readonly uid: string;
  readonly email: string;
  readonly headers: { readonly authorization: string };
}

/** A gatekeeper alone, with its own stores, a fake Firebase and a clock that tests can move. */
export interface TestGatekeeper {
  readonly stack: TestStack;
  readonly firebase: FakeFirebase;
  /** Starts at the machine's time, because firebase-admin compares the expiry of tokens with it. */
  readonly clock: TestClock;
  readonly service: TestApp;
  signIn(account?: { email?: string; emailVerified?: boolean }): Promise<SignedIn>;
  /** Signs in now with an existing account. */
  signInAgain(uid: string): Promise<SignedIn['headers']>;
  /** A user who signed in more than five minutes ago, with a fresh token. */
  signInLongAgo(): Promise<SignedIn>;
  /** A user whose trial has just started. */
  signInWithTrial(): Promise<SignedIn>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  post(path: string, headers?: Readonly<Record<string, string>>, body?: unknown): Promise<Response>;
  stop(): Promise<void>;
}

export async function startGatekeeper(env: Env = {}, clock = new TestClock(new Date())): Promise<TestGatekeeper> {
  const [stack, firebase] = await Promise.all([createTestStack(), startFakeFirebase({ projectId: 'demo-vpn', clock })]);
  const service = await startTestApp(
    {
      SERVICE_ROLE: 'gatekeeper',
      ...gatekeeperEnv(stack, firebase),
      ...env,
    },
    clock,
  );
  const bearer = async (uid: string) => ({ authorization: `Bearer ${await firebase.mintIdToken(uid)}` });
  const signIn: TestGatekeeper['signIn'] = async ({
    email = `${randomUUID()}@example.com`,
    emailVerified = true,
  } = {}) => {
    const { uid } = firebase.createAccount({ email, emailVerified });
    return { uid, email, headers: await bearer(uid) };
  };
  const post: TestGatekeeper['post'] = (path, headers = {}, body) =>
    fetch(`${service.url}${path}`, {
      method: 'POST',
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  return {
    stack,
    firebase,
    clock,
    service,
    signIn,
    signInAgain: bearer,
    signInLongAgo: async () => {
      const email = `${randomUUID()}@example.com`;
      const at = new Date(clock.now().getTime() - 301_000);
      const { uid } = firebase.createAccount({ email, emailVerified: true, createdAt: at });
      const claims = { auth_time: Math.floor(at.getTime() / 1000) };
      return { uid, email, headers: { authorization: `Bearer ${await firebase.mintIdToken(uid, { claims })}` } };
    },
    signInWithTrial: async () => {
      const user = await signIn();
      const response = await post('/subscription/trial', user.headers);
      if (response.status !== 201) throw new Error(`the trial did not start: ${await response.text()}`);
      return user;
    },
    get: (path, headers = {}) => fetch(`${service.url}${path}`, { headers }),
    post,
    stop: async () => {
      await service.stop();
      await Promise.all([stack.stop(), firebase.close()]);
    },
  };
}
