import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { IssuanceStore } from '../src/auth/issuance/issuance.store.js';
import { SubscriptionStore } from '../src/subscription/subscription.store.js';
import { projectId, type Stack } from '../dev/stack/stack.js';
import { type IssuingConfiguration } from './issuing-server.js';
import { readIssuerKey } from '../test/support/opened-issuer-key.js';
import { type LoadRequest } from './load.js';
import { type Competitor, type Measured, measureInTurns, type Log, type Timing } from './rounds.js';
import { statementOf } from './same-sql.js';
import { type MeasuredServer, startProgram } from './server-process.js';
import { type Meters } from './meters.js';

export interface IssuingOptions {
  readonly timing: Timing;
  readonly users: number;
  readonly connections: number;
  readonly log: Log;
}

interface User {
  readonly uid: string;
  readonly userId: string;
  readonly idToken: string;
}

const planId = 'bench';
const path = '/auth/vpn-token';

/** Measures issuing: the service, bare servers (with and without limits), and a bare server with a library's signature. */
export async function measureIssuing(stack: Stack, meters: Meters, options: IssuingOptions): Promise<Measured[]> {
  const { timing, connections, log } = options;
  const owner = new pg.Client(stack.services.ownerUrl);
  await owner.connect();
  const servers: MeasuredServer[] = [];
  const start = async (program: string, configuration: IssuingConfiguration) => {
    const server = await startProgram(program, configuration);
    servers.push(server);
    return server;
  };
  try {
    log(`${options.users} users, each with a trial and an ID token`);
    const users = await createUsers(stack, owner, options.users);
    const configuration = await bareConfiguration(stack, users);
    const bare = await start('bare-issuing', configuration);
    const unlimited = await start('bare-issuing', { ...configuration, limits: false });
    const library = await start('privacypass-issuing', configuration);
    await compareAnswers(users, [stack.service.url, bare.url, unlimited.url, library.url]);

    const prepare = async (count: number) => {
      // Each round begins with empty quotas, like a new day, because a user's row grows with every token.
      await owner.query('TRUNCATE identity."TokenIssuance"');
      return requests(users, count);
    };
    const competitor = (name: string, server: { url: string; pid: number }): Competitor => ({
      name,
      url: server.url,
      pid: server.pid,
      connections,
      prepare,
      maxRate: 6_000,
      cpu: meters.of(server.pid),
    });
    const measured = await measureInTurns(
      [
        competitor('service', stack.service),
        competitor('bare', bare),
        competitor('bare, without rate limits', unlimited),
      ],
      timing,
      log,
    );
    // Few connections, because it makes only a few signatures a second and more requests would only queue.
    const slow = { ...competitor('bare with privacypass-ts', library), connections: 2, fastest: 200 };
    return [...measured, ...(await measureInTurns([slow], { ...timing, rounds: 1 }, log))];
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await owner.end();
  }
}

/** Creates accounts at Firebase and their rows, which otherwise a user's first request creates. */
async function createUsers({ firebase }: Stack, owner: pg.Client, count: number): Promise<User[]> {
  const emails = Array.from({ length: count }, (_, index) => `user-${index}@example.com`);
  const accounts = emails.map((email) => ({ email, ...firebase.createAccount({ email, emailVerified: true }) }));
  await owner.query('INSERT INTO identity."Plan" (id, name, daily_tokens) VALUES ($1, $1, 1000000)', [planId]);
  const { rows } = await owner.query<{ uid: string; userId: string }>(
    `WITH account AS (
       INSERT INTO identity."User" (firebase_uid, email, email_verified, created_on)
       SELECT uid, email, true, current_date FROM unnest($1::text[], $2::text[]) u (uid, email)
       RETURNING id, firebase_uid)
     INSERT INTO identity."Subscription" (user_id, provider, provider_ref, plan_id, status, paid_through)
     SELECT id, 'trial', firebase_uid, $3, 'TRIAL', now() + interval '30 days' FROM account
     RETURNING provider_ref AS uid, user_id AS "userId"`,
    [accounts.map(({ uid }) => uid), emails, planId],
  );
  return Promise.all(rows.map(async (row) => ({ ...row, idToken: await firebase.mintIdToken(row.uid) })));
}

async function bareConfiguration(stack: Stack, users: readonly User[]): Promise<IssuingConfiguration> {
  const { env, services, firebase } = stack;
  const certificates = await fetch(
    `${firebase.url}/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com`,
  ).then((response) => response.json() as Promise<Record<string, string>>);
  const issuance = { userId: '', keyId: Buffer.alloc(32), planId, hashes: [] };
  return {
    databaseUrl: env['IDENTITY_DATABASE_URL'] ?? '',
    redisUrl: services.redisUrl,
    projectId,
    certificates,
    accessSql: await statementOf(SubscriptionStore, (store) => store.find('')),
    quotaSql: await statementOf(IssuanceStore, (store) => store.countAgainstQuota(issuance, 0)),
    users: new Map(users.map(({ uid, userId }) => [uid, userId])),
    ...(await readIssuerKey(services.ownerUrl, env['ISSUER_KEY_ENCRYPTION_KEY'] ?? '')),
    limits: true,
  };
}

/** Each request has its own blinded element. The users take turns. */
function requests(users: readonly User[], count: number): () => LoadRequest | undefined {
  const prepared = Array.from({ length: count }, (_, index) => request(users[index % users.length], randomElement()));
  let used = 0;
  return () => prepared[used++];
}

function request(user: User | undefined, blinded: Buffer): LoadRequest {
  return {
    path,
    headers: { authorization: `Bearer ${user?.idToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ blindedToken: blinded.toString('base64url') }),
  };
}

/** A random number below every modulus, because a modulus has its first bit set. */
function randomElement(): Buffer {
  const element = randomBytes(256);
  element.writeUInt8(element.readUInt8(0) & 0x7f, 0);
  return element;
}

/** Checks that all servers do the same: every server must return the same signature of one blinded element. */
async function compareAnswers([user]: readonly User[], urls: readonly string[]): Promise<void> {
  const { headers, body } = request(user, randomElement());
  const answers = urls.map(async (url) => {
    const response = await fetch(url + path, { method: 'POST', headers, body });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${url} answers ${response.status}: ${text}`);
    return JSON.stringify(Object.entries(JSON.parse(text) as object).sort());
  });
  if (new Set(await Promise.all(answers)).size !== 1) throw new Error('The compared servers answer differently.');
}
