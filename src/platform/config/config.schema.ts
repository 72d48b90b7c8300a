import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';

/**
 * The settings that the service reads from its environment, one shape for each side. The sides share only public settings:
 * the addresses to listen on and the names in the token challenge.
 */

const flagPort = z.coerce.number({ error: 'expected a port number' }).int().min(0).max(65535);

const list = (what: string, check: (item: string) => boolean) =>
  z
    .string()
    .default('')
    .transform((text) => text.split(',').map((item) => item.trim()))
    .transform((items) => items.filter((item) => item !== ''))
    .refine((items) => items.every(check), { error: `expected a comma-separated list of ${what}` });

const isCidr = (text: string) => ipaddr.isValidCIDR(text);

const isOrigin = (text: string) => URL.canParse(text) && new URL(text).origin === text;

const postgresUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'expected postgresql://user:password@host/database' });
const redisUrl = z.url({ protocol: /^rediss?$/, error: 'expected redis://host:port' });
const httpUrl = z.url({ protocol: /^https?$/, error: 'expected an http(s) URL' });

const key32 = z
  .string()
  .regex(/^[A-Za-z0-9+/]{43}=$/, { error: 'expected 32 random bytes in base64 (openssl rand -base64 32)' })
  .transform((text) => Buffer.from(text, 'base64'));

const hostname = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, { error: 'expected a lower-case host name' });

const seconds = (fallback: number) => z.coerce.number().int().min(0).max(3600).default(fallback);

/** A rate limit per minute. Zero turns it off; only tests and the bench do that. */
const allowance = (fallback: number) => z.coerce.number().int().min(0).max(10_000_000).default(fallback);

const serviceAccount = z.string().transform((source, context) => {
  try {
    const text = source.trimStart().startsWith('{') ? source : readFileSync(source, 'utf8');
    const parsed = z.object({ client_email: z.email(), private_key: z.string().min(1) }).parse(JSON.parse(text));
    return { clientEmail: parsed.client_email, privateKey: parsed.private_key };
  } catch {
    context.addIssue({ code: 'custom', message: 'expected a service account: its JSON, or the path of the file' });
    return z.NEVER;
  }
});

/** The private key of App Store Connect: PKCS #8, on the curve P-256. */
const appleKey = z.string().transform((source, context) => {
  try {
    const text = source.trimStart().startsWith('-----BEGIN') ? source : readFileSync(source, 'utf8');
    if (createPrivateKey(text).asymmetricKeyDetails?.namedCurve !== 'prime256v1')
      throw new Error('another kind of key');
    return text;
  } catch {
    context.addIssue({
      code: 'custom',
      message: 'expected the .p8 key of App Store Connect: its text, or the path of the file',
    });
    return z.NEVER;
  }
});

/** An address to use instead of a provider's API. Production refuses it: see load-config.ts. */
const apiUrl = z.string().refine((text) => /^https?:/.test(text) && isOrigin(text), {
  error: 'expected scheme, host and port alone, such as http://127.0.0.1:9444',
});

/** Google's library speaks only TLS. */
const firebaseApiUrl = z.string().refine((text) => text.startsWith('https:') && isOrigin(text), {
  error: 'expected https, host and port alone, such as https://127.0.0.1:9443',
});

/** `Name <address>`: the name of the service and the sender of its mails. */
const sender = z
  .string()
  .regex(/^[^<>"\\,;:@\p{Cc}]{1,60} <[\w.+-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*>$/u, {
    error: 'expected a name and one address, such as Example VPN <hello@example.com>',
  })
  .transform((text) => {
    const [name = '', address = ''] = text.slice(0, -1).split(' <');
    return { name: name.trim(), address };
  });

const webhookSecret = z.string().regex(/^whsec_\w+$/, { error: "expected the endpoint's signing secret: whsec_…" });

const roles = ['all', 'gatekeeper', 'anonymizer'] as const;

export const commonShape = {
  NODE_ENV: z.enum(['development', 'production', 'test']).default('production'),
  SERVICE_ROLE: z.enum(roles).default('all'),
  HOST: z.string().default('127.0.0.1'),
  PORT: flagPort.default(3000),
  METRICS_HOST: z.string().default('127.0.0.1'),
  METRICS_PORT: flagPort.default(9464),
  TRUST_PROXY: list('CIDRs, such as 10.0.0.0/8', isCidr),
  CORS_ORIGINS: list('origins, such as https://app.example.com', isOrigin),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'),
  REQUEST_TIMEOUT_S: z.coerce.number().int().min(1).max(120).default(10),
  SHUTDOWN_NOTICE_S: seconds(0),
  SHUTDOWN_GRACE_S: seconds(10),
  TOKEN_ISSUER_NAME: hostname,
  TOKEN_ORIGIN: hostname,
};

export const gatekeeperShape = {
  IDENTITY_DATABASE_URL: postgresUrl,
  IDENTITY_REDIS_URL: redisUrl,
  IDENTITY_SECRET_KEY: key32,
  IDENTITY_LOG: z.string().default('stdout'),
  ISSUER_KEY_ENCRYPTION_KEY: key32,
  ISSUER_KEY_ENCRYPTION_KEY_PREVIOUS: key32.optional(),
  FIREBASE_PROJECT_ID: z.string().regex(/^[a-z0-9-]{4,40}$/, { error: 'expected a Firebase project id' }),
  FIREBASE_SERVICE_ACCOUNT: serviceAccount.optional(),
  FIREBASE_AUTH_EMULATOR_HOST: z.string().optional(),
  FIREBASE_API_URL: firebaseApiUrl.optional(),
  FIREBASE_CA_FILE: z.string().optional(),
  LOCATIONS_URL: httpUrl.optional(),
  TRIAL_DAYS: z.coerce.number().int().min(0).max(90).default(7),
  GRACE_DAYS: z.coerce.number().int().min(0).max(60).default(7),
  IDENTITY_WORKER: z.enum(['inside', 'apart']).default('inside'),
  STRIPE_SECRET_KEY: z
    .string()
    .regex(/^(sk|rk)_(live|test)_\w+$/, { error: 'expected a secret or restricted key: sk_live_…, rk_test_…' })
    .optional(),
  STRIPE_WEBHOOK_SECRET: webhookSecret.optional(),
  STRIPE_WEBHOOK_SECRET_PREVIOUS: webhookSecret.optional(),
  STRIPE_API_URL: apiUrl.optional(),
  PAYMENT_RETURN_URLS: list('URLs, such as https://app.example.com/account', (text) => URL.canParse(text)),
  APPLE_BUNDLE_ID: z
    .string()
    .regex(/^[A-Za-z0-9.-]{1,155}$/, { error: 'expected a bundle id, such as com.example.vpn' })
    .optional(),
  APPLE_APP_ID: z.coerce.number({ error: 'expected the Apple ID of the app, a number' }).int().positive().optional(),
  // The library also knows Xcode and LocalTesting, which skip signature checks.
  APPLE_ENVIRONMENT: z.enum(['Production', 'Sandbox']).default('Production'),
  // Not z.uuid(): Apple's ids have other version bits than RFC 9562 allows.
  APPLE_ISSUER_ID: z.guid({ error: 'expected the issuer id of App Store Connect, a UUID' }).optional(),
  APPLE_KEY_ID: z
    .string()
    .regex(/^[A-Z0-9]{10}$/, { error: 'expected the id of the key of App Store Connect, 10 characters' })
    .optional(),
  APPLE_PRIVATE_KEY: appleKey.optional(),
  APPLE_API_URL: apiUrl.optional(),
  APPLE_ROOT_CA_FILE: z.string().optional(),
  SMTP_URL: z.url({ protocol: /^smtps?$/, error: 'expected smtps://user:password@host or smtp://…' }).optional(),
  SMTP_CONNECTIONS: z.coerce.number().int().min(1).max(50).default(4),
  MAIL_FROM: sender.optional(),
  MAIL_UNSUBSCRIBE_URL: httpUrl.refine((text) => !text.endsWith('/'), { error: 'expected no / at the end' }).optional(),
  RATE_LIMIT_USER_PER_MINUTE: allowance(120),
  RATE_LIMIT_IDENTITY_ADDRESS_PER_MINUTE: allowance(600),
};

export const anonymizerShape = {
  NETWORK_DATABASE_URL: postgresUrl,
  NETWORK_REDIS_URL: redisUrl,
  NETWORK_SECRET_KEY: key32,
  NETWORK_SECRET_KEY_PREVIOUS: key32.optional(),
  NETWORK_LOG: z.string().default('stderr'),
  ISSUER_DIRECTORY_URL: httpUrl.optional(),
  NODE_ACK_TIMEOUT_MS: z.coerce.number().int().min(100).max(4_000).default(1_000),
  RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: allowance(120),
  RATE_LIMIT_NODE_PER_MINUTE: allowance(6000),
};

const ownedBy = (keys: readonly string[], prefixes: readonly string[]) => (key: string) =>
  keys.includes(key) || prefixes.some((prefix) => key.startsWith(prefix));

/** Settings that a process which serves only the anonymizer must not have: they give access to who the users are. */
export const isIdentityOnly = ownedBy(
  [...Object.keys(gatekeeperShape), 'GOOGLE_APPLICATION_CREDENTIALS'],
  ['IDENTITY_', 'ISSUER_KEY_', 'FIREBASE_', 'STRIPE_', 'APPLE_', 'SMTP_', 'MAIL_'],
);

/** Settings that a process which serves only the gatekeeper must not have. */
export const isNetworkOnly = ownedBy(Object.keys(anonymizerShape), ['NETWORK_']);

/** Name of every setting that the service reads. */
export const serviceKeys: readonly string[] = Object.keys({ ...commonShape, ...gatekeeperShape, ...anonymizerShape });
