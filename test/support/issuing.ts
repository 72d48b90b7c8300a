import { randomBytes } from 'node:crypto';
import { parseTokenKey, type TokenKey } from '../../src/crypto/index.js';
import { PlansService } from '../../src/subscription/index.js';
import { type SignedIn, startGatekeeper, type TestGatekeeper } from './gatekeeper.js';
import { type Env } from './app.js';
import { whenNotBusy } from './patiently.js';
import { query } from './stack.js';
import { holdMaintenanceJob } from './maintenance.js';

/** All members that a response of `POST /auth/vpn-token` can have. */
export interface Reply {
  readonly signature: string;
  readonly signatures: string[];
  readonly keyId: string;
  readonly expiry: string;
  readonly expiresAt: string;
  readonly code: string;
  readonly remaining: number;
  readonly resetsAt: string;
}

export const tokenRequestType = 'application/private-token-request';

export const replyOf = async (response: Response) => ({
  status: response.status,
  ...((await response.json()) as Reply),
});

export const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

/** A random number below every modulus, like the result of Blind. */
export const blinded = () => Buffer.concat([Buffer.of(0), randomBytes(255)]);

export const blindedTexts = (count: number) => Array.from({ length: count }, () => text(blinded()));

/** A TokenRequest of Privacy Pass (RFC 9578 §6.1). */
export const tokenRequest = ({ keyId }: Pick<TokenKey, 'keyId'>, message: Uint8Array) =>
  new Uint8Array([0, 2, keyId.readUInt8(31), ...message]);

export interface CurrentKey extends TokenKey {
  readonly verifyUntil: Date;
}

/** A gatekeeper with helpers for tests of token issuance. */
export interface TestIssuing extends TestGatekeeper {
  issue(headers: Readonly<Record<string, string>>, body: unknown): Promise<Response>;
  issueBinary(
    headers: Readonly<Record<string, string>>,
    body: Uint8Array<ArrayBuffer>,
    type?: string,
  ): Promise<Response>;
  /** Today's key, from the issuer directory. */
  currentKey(): Promise<CurrentKey>;
  movePlan(user: SignedIn, dailyTokens: number): Promise<void>;
  signInWithQuota(dailyTokens: number): Promise<SignedIn>;
  /** How many messages are counted for this user, under all keys. */
  countedFor(user: SignedIn): Promise<number>;
  /** A sign-in that stays valid when the test moves the clock by days. */
  signInForDays(user: SignedIn): Promise<SignedIn['headers']>;
}

interface PublishedKey {
  readonly 'token-key': string;
  readonly 'not-before': number;
  readonly 'verify-until': number;
}

export async function startIssuing(env?: Env): Promise<TestIssuing> {
  const gatekeeper = await startGatekeeper(env);
  const { service, stack, clock, firebase } = gatekeeper;
  // When tests move the clock, this job would delete the key that signs today.
  const rotation = await holdMaintenanceJob(stack.ownerUrl, 'identity', 'issuer-keys');
  const movePlan: TestIssuing['movePlan'] = async ({ uid }, dailyTokens) => {
    const id = `quota-${dailyTokens}`;
    await whenNotBusy(() => service.app.get(PlansService, { strict: false }).set({ id, name: id, dailyTokens }));
    await query(
      stack.ownerUrl,
      `UPDATE identity."Subscription" SET plan_id = $1
       WHERE user_id = (SELECT id FROM identity."User" WHERE firebase_uid = $2)`,
      [id, uid],
    );
  };
  return {
    ...gatekeeper,
    stop: async () => {
      await rotation.release();
      await gatekeeper.stop();
    },
    issue: (headers, body) => gatekeeper.post('/auth/vpn-token', headers, body),
    issueBinary: (headers, body, type = tokenRequestType) =>
      fetch(`${service.url}/auth/vpn-token`, { method: 'POST', headers: { ...headers, 'content-type': type }, body }),
    currentKey: async () => {
      const response = await gatekeeper.get('/.well-known/private-token-issuer-directory');
      const { 'token-keys': keys } = (await response.json()) as { 'token-keys': PublishedKey[] };
      const published = keys.find((key) => key['not-before'] <= clock.now().getTime() / 1000);
      const parsed = parseTokenKey(Buffer.from(published?.['token-key'] ?? '', 'base64url'));
      if (published === undefined || parsed === undefined) throw new Error('no current key');
      return { ...parsed, verifyUntil: new Date(published['verify-until'] * 1000) };
    },
    movePlan,
    signInWithQuota: async (dailyTokens) => {
      const user = await gatekeeper.signInWithTrial();
      await movePlan(user, dailyTokens);
      return user;
    },
    countedFor: async ({ uid }) => {
      const [row] = await query<{ n: number }>(
        stack.ownerUrl,
        `SELECT coalesce(sum(cardinality(hashes)), 0)::int AS n FROM identity."TokenIssuance"
         WHERE user_id = (SELECT id FROM identity."User" WHERE firebase_uid = $1)`,
        [uid],
      );
      return row?.n ?? 0;
    },
    signInForDays: async ({ uid }) => {
      const exp = Math.floor(Date.now() / 1000) + 3 * 86_400;
      return { authorization: `Bearer ${await firebase.mintIdToken(uid, { claims: { exp } })}` };
    },
  };
}
