import { randomUUID } from 'node:crypto';
import { blindedTexts } from '../support/issuing.js';
import { query } from '../support/stack.js';
import { type Cluster } from './cluster.js';
import { type Answer, retryUntilAnswered, send } from './requests.js';

/** A signed-in user. */
export interface TestUser {
  readonly uid: string;
  readonly email: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The issuer key that the user asks for, base64url. Without it, the service signs with its current key. */
  readonly keyId?: string;
}

export interface IssuanceAnswer extends Answer {
  readonly signatures?: readonly string[];
}

export async function signIn({ firebase }: Cluster): Promise<TestUser> {
  const email = `${randomUUID()}@users.example`;
  const { uid } = firebase.createAccount({ email, emailVerified: true });
  return { uid, email, headers: { authorization: `Bearer ${await firebase.mintIdToken(uid)}` } };
}

export const startTrial = (url: string, { headers }: TestUser) =>
  send(`${url}/subscription/trial`, { method: 'POST', headers });

/**
 * Creates a user with a trial of a plan of `dailyTokens`. The user names the issuer key, as apps do: quotas are counted per
 * key, and at midnight the service starts to sign with the next one.
 */
export async function signInWithQuota(
  cluster: Cluster,
  urls: readonly string[],
  dailyTokens: number,
): Promise<TestUser> {
  const user = await signIn(cluster);
  const trial = await retryUntilAnswered(urls, (url) => startTrial(url, user));
  if (![201, 409].includes(trial.status)) throw new Error(`starting the trial failed: ${trial.code}`);
  await query(
    cluster.services.ownerUrl,
    `WITH plan AS (
       INSERT INTO identity."Plan" (id, name, daily_tokens) VALUES ($1, $1, $2)
       ON CONFLICT (id) DO UPDATE SET daily_tokens = excluded.daily_tokens RETURNING id)
     UPDATE identity."Subscription" SET plan_id = plan.id FROM plan
     WHERE user_id = (SELECT id FROM identity."User" WHERE firebase_uid = $3)`,
    [`quota-${dailyTokens}`, dailyTokens, user.uid],
  );
  return { ...user, keyId: cluster.keyId };
}

/** Asks the service to sign these blinded messages. It signs all of them or none. */
export async function requestSignatures(
  url: string,
  { headers, keyId }: TestUser,
  blindedTokens: readonly string[],
): Promise<IssuanceAnswer> {
  return send(`${url}/auth/vpn-token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ blindedTokens, keyId }),
  });
}

export async function requestSignaturesUntilAnswered(
  urls: readonly string[],
  user: TestUser,
  blindedTokens: readonly string[],
  firstUrl = 0,
): Promise<IssuanceAnswer> {
  return retryUntilAnswered(urls, (url) => requestSignatures(url, user, blindedTokens), firstUrl);
}

/** How many messages the database counts against this user's quota. */
export async function countIssued(cluster: Cluster, { uid }: TestUser): Promise<number> {
  const [row] = await query<{ n: number }>(
    cluster.services.ownerUrl,
    `SELECT coalesce(sum(cardinality(hashes)), 0)::int AS n FROM identity."TokenIssuance"
     WHERE user_id = (SELECT id FROM identity."User" WHERE firebase_uid = $1)`,
    [uid],
  );
  return row?.n ?? 0;
}

export { blindedTexts };
