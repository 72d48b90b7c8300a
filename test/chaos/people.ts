import { randomUUID } from 'node:crypto';
import { blindedTexts } from '../support/issuing.js';
import { query } from '../support/stack.js';
import { type Answer, ask, untilAnswered } from './asking.js';
import { type World } from './world.js';

/** Somebody signed in who may have so many tokens a day. */
export interface Person {
  readonly uid: string;
  readonly email: string;
  readonly headers: Readonly<Record<string, string>>;
  /** By which their messages are signed, base64url; without it by the one that signs just then. */
  readonly keyId?: string;
}

export interface SignedAnswer extends Answer {
  readonly signatures?: readonly string[];
}

export async function signIn({ firebase }: World): Promise<Person> {
  const email = `${randomUUID()}@people.example`;
  const { uid } = firebase.createAccount({ email, emailVerified: true });
  return { uid, email, headers: { authorization: `Bearer ${await firebase.mintIdToken(uid)}` } };
}

export const startTrial = (url: string, { headers }: Person) =>
  ask(`${url}/subscription/trial`, { method: 'POST', headers });

/**
 * A new user with a trial of a plan of this size. A quota is one for each key, and at midnight another key signs: so they name
 * one, as apps do.
 */
export async function personWithQuota(world: World, urls: readonly string[], dailyTokens: number): Promise<Person> {
  const person = await signIn(world);
  const trial = await untilAnswered(urls, (url) => startTrial(url, person));
  if (![201, 409].includes(trial.status)) throw new Error(`the trial did not begin: ${trial.code}`);
  await query(
    world.services.ownerUrl,
    `WITH plan AS (
       INSERT INTO identity."Plan" (id, name, daily_tokens) VALUES ($1, $1, $2)
       ON CONFLICT (id) DO UPDATE SET daily_tokens = excluded.daily_tokens RETURNING id)
     UPDATE identity."Subscription" SET plan_id = plan.id FROM plan
     WHERE user_id = (SELECT id FROM identity."User" WHERE firebase_uid = $3)`,
    [`quota-${dailyTokens}`, dailyTokens, person.uid],
  );
  return { ...person, keyId: world.keyId };
}

/** Has these blinded messages signed, all or none. */
export async function sign(
  url: string,
  { headers, keyId }: Person,
  blindedTokens: readonly string[],
): Promise<SignedAnswer> {
  return ask(`${url}/auth/vpn-token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ blindedTokens, keyId }),
  });
}

export async function signUntilAnswered(
  urls: readonly string[],
  person: Person,
  blindedTokens: readonly string[],
  first = 0,
): Promise<SignedAnswer> {
  return untilAnswered(urls, (url) => sign(url, person, blindedTokens), first);
}

/** How many messages the database counts against this person. */
export async function countedFor(world: World, { uid }: Person): Promise<number> {
  const [row] = await query<{ n: number }>(
    world.services.ownerUrl,
    `SELECT coalesce(sum(cardinality(hashes)), 0)::int AS n FROM identity."TokenIssuance"
     WHERE user_id = (SELECT id FROM identity."User" WHERE firebase_uid = $1)`,
    [uid],
  );
  return row?.n ?? 0;
}

export { blindedTexts };
