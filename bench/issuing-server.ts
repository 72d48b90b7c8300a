import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import Fastify from 'fastify';
import { bearer, postgresPool, rateLimit, redisClient } from './bare.js';

/**
 * `POST /auth/vpn-token` without the framework: bare Fastify, pg and ioredis in one file. It takes the service's steps of a
 * successful request, in the same order and with the same SQL: limit by address, ID token, limit by user, access, quota,
 * signature. It knows its users from the start, as the service does after each user's first request.
 */
export interface IssuingConfiguration {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly projectId: string;
  /** Key id → PEM, as Google publishes them. */
  readonly certificates: Readonly<Record<string, string>>;
  /** The service's own SQL. */
  readonly accessSql: string;
  readonly quotaSql: string;
  /** Firebase uid → user id. */
  readonly users: ReadonlyMap<string, string>;
  /** PKCS #8 DER. */
  readonly privateKey: Buffer;
  readonly keyId: Buffer;
  readonly verifyUntil: Date;
  /** Whether requests are rate-limited, as in the service. */
  readonly limits: boolean;
}

interface Access {
  readonly blocks: readonly string[];
  readonly status: string;
  readonly paid_through: Date;
  readonly plan_id: string;
  readonly daily_tokens: number;
}

const text = { type: 'string' } as const;
const schema = {
  body: {
    type: 'object',
    required: ['blindedToken'],
    additionalProperties: false,
    properties: { blindedToken: { type: 'string', pattern: '^[A-Za-z0-9_-]{342}$' } },
  },
  response: {
    200: { type: 'object', properties: { signature: text, keyId: text, expiry: text, expiresAt: text } },
  },
};

const maxPerMinute = 10_000_000;
const grantingStatuses = ['TRIAL', 'ACTIVE'];

export async function startIssuing(
  configuration: IssuingConfiguration,
  sign: (blinded: Buffer) => Promise<Buffer>,
): Promise<{ port: number; stop: () => Promise<unknown> }> {
  const { users, limits, accessSql, quotaSql, keyId: key } = configuration;
  const pool = postgresPool(configuration.databaseUrl, 'identity');
  const redis = redisClient(configuration.redisUrl);
  const unlimited = async () => {};
  const limitAddress = limits ? rateLimit(redis, 'bench:limit:address', maxPerMinute) : unlimited;
  const limitUser = limits ? rateLimit(redis, 'bench:limit:user', maxPerMinute) : unlimited;
  const verifyIdToken = idTokenVerifier(configuration);
  const common = {
    keyId: key.toString('base64url'),
    expiry: '24h',
    expiresAt: configuration.verifyUntil.toISOString(),
  };

  const app = Fastify();
  app.post<{ Body: { blindedToken: string } }>('/auth/vpn-token', { schema }, async (request, reply) => {
    await limitAddress(request.ip);
    const uid = verifyIdToken(bearer(request.headers.authorization));
    await limitUser(uid);
    const userId = users.get(uid);
    const { rows } = await pool.query<Access>({ name: 'access', text: accessSql, values: [userId] });
    const access = rows.find((row) => grantingStatuses.includes(row.status) && row.paid_through > new Date());
    if (access === undefined || access.blocks.length > 0) return reply.code(403).send();
    const blinded = Buffer.from(request.body.blindedToken, 'base64url');
    const hashes = [createHash('sha256').update(blinded).digest()];
    const { daily_tokens: quota } = access;
    const values = [userId, key, access.plan_id, hashes, quota, quota];
    const counted = await pool.query({ name: 'quota', text: quotaSql, values });
    if (counted.rows.length === 0) return reply.code(429).send();
    const signature = await sign(blinded);
    void reply.header('cache-control', 'no-store');
    return { signature: signature.toString('base64url'), ...common };
  });
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    port: Number(new URL(address).port),
    stop: async () => {
      await app.close();
      await pool.end();
      redis.disconnect();
    },
  };
}

interface Claims {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
}

/** Verifies RS256 and the claims with node:crypto only. */
function idTokenVerifier({ projectId, certificates }: IssuingConfiguration): (token: string) => string {
  const keys = new Map<string, KeyObject>(Object.entries(certificates).map(([id, pem]) => [id, createPublicKey(pem)]));
  const parse = <T>(part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as T;
  return (token) => {
    const [header = '', payload = '', signature = ''] = token.split('.');
    const { alg, kid } = parse<{ alg: string; kid: string }>(header);
    const key = keys.get(kid);
    const signed = Buffer.from(`${header}.${payload}`);
    if (alg !== 'RS256' || key === undefined || !verify('sha256', signed, key, Buffer.from(signature, 'base64url'))) {
      throw new Error('bad signature');
    }
    const { iss, aud, sub, iat, exp } = parse<Claims>(payload);
    const now = Date.now() / 1000;
    const isValid = aud === projectId && iss === `https://securetoken.google.com/${projectId}` && iat <= now + 60;
    if (!isValid || exp <= now) throw new Error('bad claims');
    return sub;
  };
}
