import { z } from 'zod';
import { anonymizerShape, commonShape, gatekeeperShape, isIdentityOnly, isNetworkOnly } from './config.schema.js';

type Role = z.output<typeof commonShape.SERVICE_ROLE>;

const commonConfig = z.object(commonShape).transform((env) => ({
  env: env.NODE_ENV,
  role: env.SERVICE_ROLE,
  host: env.HOST,
  port: env.PORT,
  metricsHost: env.METRICS_HOST,
  metricsPort: env.METRICS_PORT,
  trustProxy: env.TRUST_PROXY,
  corsOrigins: env.CORS_ORIGINS,
  logLevel: env.LOG_LEVEL,
  requestTimeoutS: env.REQUEST_TIMEOUT_S,
  shutdownNoticeS: env.SHUTDOWN_NOTICE_S,
  shutdownGraceS: env.SHUTDOWN_GRACE_S,
  issuerName: env.TOKEN_ISSUER_NAME,
  originInfo: env.TOKEN_ORIGIN,
}));

type GatekeeperEnv = z.output<z.ZodObject<typeof gatekeeperShape>>;

/** Undefined where the service uses the provider itself, with its own certificates. Production always does. */
function apiOf(url: string | undefined, caFile: string | undefined) {
  return url === undefined || caFile === undefined ? undefined : { url, caFile };
}

/** Undefined where the operator takes no payments through Stripe. */
function stripeOf({ STRIPE_SECRET_KEY: secretKey, STRIPE_WEBHOOK_SECRET: webhookSecret, ...env }: GatekeeperEnv) {
  if (secretKey === undefined || webhookSecret === undefined) return undefined;
  const previous = env.STRIPE_WEBHOOK_SECRET_PREVIOUS;
  return {
    secretKey,
    livemode: secretKey.includes('_live_'),
    webhookSecrets: previous === undefined ? [webhookSecret] : [webhookSecret, previous],
    returnUrls: env.PAYMENT_RETURN_URLS,
    apiUrl: env.STRIPE_API_URL,
  };
}

/** Undefined where the operator takes no payments through the App Store. */
function appleOf(env: GatekeeperEnv) {
  const { APPLE_BUNDLE_ID: bundleId, APPLE_APP_ID: appId, APPLE_ISSUER_ID: issuerId } = env;
  const { APPLE_KEY_ID: keyId, APPLE_PRIVATE_KEY: privateKey } = env;
  if (!bundleId || !appId || !issuerId || !keyId || !privateKey) return undefined;
  const { APPLE_ENVIRONMENT: environment } = env;
  const api = apiOf(env.APPLE_API_URL, env.APPLE_ROOT_CA_FILE);
  return { bundleId, appId, environment, issuerId, keyId, privateKey, api };
}

/** Undefined where the operator sends no mails. */
function mailOf({ SMTP_URL: smtpUrl, MAIL_FROM: from, ...env }: GatekeeperEnv) {
  const { MAIL_UNSUBSCRIBE_URL: unsubscribeUrl, SMTP_CONNECTIONS: connections } = env;
  if (smtpUrl === undefined || from === undefined || unsubscribeUrl === undefined) return undefined;
  return { smtpUrl, from, unsubscribeUrl, connections };
}

const gatekeeperConfig = z.object(gatekeeperShape).transform((env) => ({
  databaseUrl: env.IDENTITY_DATABASE_URL,
  redisUrl: env.IDENTITY_REDIS_URL,
  secretKey: env.IDENTITY_SECRET_KEY,
  log: env.IDENTITY_LOG,
  issuerKeyEncryptionKey: env.ISSUER_KEY_ENCRYPTION_KEY,
  issuerKeyEncryptionKeyPrevious: env.ISSUER_KEY_ENCRYPTION_KEY_PREVIOUS,
  firebase: {
    projectId: env.FIREBASE_PROJECT_ID,
    serviceAccount: env.FIREBASE_SERVICE_ACCOUNT,
    emulatorHost: env.FIREBASE_AUTH_EMULATOR_HOST,
    api: apiOf(env.FIREBASE_API_URL, env.FIREBASE_CA_FILE),
  },
  locationsUrl: env.LOCATIONS_URL,
  trialDays: env.TRIAL_DAYS,
  graceDays: env.GRACE_DAYS,
  worker: env.IDENTITY_WORKER,
  stripe: stripeOf(env),
  apple: appleOf(env),
  mail: mailOf(env),
  rateLimits: {
    user: env.RATE_LIMIT_USER_PER_MINUTE,
    address: env.RATE_LIMIT_IDENTITY_ADDRESS_PER_MINUTE,
  },
}));

const anonymizerConfig = z.object(anonymizerShape).transform((env) => ({
  databaseUrl: env.NETWORK_DATABASE_URL,
  redisUrl: env.NETWORK_REDIS_URL,
  secretKey: env.NETWORK_SECRET_KEY,
  secretKeyPrevious: env.NETWORK_SECRET_KEY_PREVIOUS,
  log: env.NETWORK_LOG,
  issuerDirectoryUrl: env.ISSUER_DIRECTORY_URL,
  nodeAckTimeoutMs: env.NODE_ACK_TIMEOUT_MS,
  rateLimits: {
    address: env.RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE,
    node: env.RATE_LIMIT_NODE_PER_MINUTE,
  },
}));

export type CommonConfig = Readonly<z.output<typeof commonConfig>>;
export type GatekeeperConfig = Readonly<z.output<typeof gatekeeperConfig>>;
export type AnonymizerConfig = Readonly<z.output<typeof anonymizerConfig>>;

export interface AppConfig {
  readonly common: CommonConfig;
  /** Present when this process serves the gatekeeper. */
  readonly gatekeeper?: GatekeeperConfig;
  /** Present when this process serves the anonymizer. */
  readonly anonymizer?: AnonymizerConfig;
}

/** Names every wrong setting in one message, with what was expected and never with its value. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/**
 * Reads the configuration of the sides that `SERVICE_ROLE` names.
 *
 * @throws {ConfigError} naming every bad setting at once: malformed, missing, renamed, of the side that this process does not
 * serve, used for two purposes, or unfit for production, such as another address of Stripe's API.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): AppConfig {
  const given = withoutEmpty(env);
  const problems: string[] = [];
  const common = read(commonConfig, given, problems);
  const role = commonShape.SERVICE_ROLE.safeParse(given.SERVICE_ROLE).data ?? 'all';
  const gatekeeper = role === 'anonymizer' ? undefined : read(gatekeeperConfig, given, problems);
  const anonymizer = role === 'gatekeeper' ? undefined : read(anonymizerConfig, given, problems);
  problems.push(...renamed(given), ...foreignKeys(role, given), ...sideProblems(role, given), ...sharedKeys(given));
  if (role !== 'anonymizer') problems.push(...incompleteProviders(given));
  // Parsed by itself, so that the problems of production are reported even when another setting is wrong.
  const kind = commonShape.NODE_ENV.safeParse(given.NODE_ENV).data ?? 'production';
  if (kind === 'production') problems.push(...unfitForProduction(given, role));
  if (problems.length > 0 || common === undefined) throw new ConfigError(problems);
  return deepFreeze({ common, gatekeeper, anonymizer });
}

type Environment = Readonly<Record<string, string>>;

function withoutEmpty(env: Readonly<Record<string, string | undefined>>): Environment {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => !!entry[1]));
}

function read<T>(schema: z.ZodType<T>, env: Environment, problems: string[]): T | undefined {
  const result = schema.safeParse(env);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const key = String(issue.path[0]);
    problems.push(env[key] === undefined ? `${key} is missing` : `${key}: ${issue.message}`);
  }
  return undefined;
}

const newNames: Readonly<Record<string, string>> = {
  STRIPE_STAND_IN: 'STRIPE_API_URL',
  APPLE_STAND_IN: 'APPLE_API_URL and APPLE_ROOT_CA_FILE',
  FIREBASE_STAND_IN: 'FIREBASE_API_URL and FIREBASE_CA_FILE',
  RATE_LIMIT_PERSON_PER_MINUTE: 'RATE_LIMIT_USER_PER_MINUTE',
};

/** A setting under its old name would be ignored, and with it what the operator meant. */
function renamed(env: Environment): string[] {
  return Object.entries(newNames)
    .filter(([key]) => env[key] !== undefined)
    .map(([key, name]) => `${key} has a new name: use ${name}`);
}

/** A process that serves one side must not have the other side's settings. */
function foreignKeys(role: Role, env: Environment): string[] {
  const isForeign = { all: () => false, gatekeeper: isNetworkOnly, anonymizer: isIdentityOnly }[role];
  return Object.keys(env)
    .filter(isForeign)
    .filter((key) => newNames[key] === undefined)
    .map((key) => `${key} must not be set with SERVICE_ROLE=${role}: it belongs to the other side`);
}

function sideProblems(role: Role, env: Environment): string[] {
  if (role === 'anonymizer' && env.ISSUER_DIRECTORY_URL === undefined) {
    return ['ISSUER_DIRECTORY_URL is missing: with SERVICE_ROLE=anonymizer the issuer keys are read over HTTP'];
  }
  if (role === 'all' && env.ISSUER_DIRECTORY_URL !== undefined) {
    return ['ISSUER_DIRECTORY_URL must not be set with SERVICE_ROLE=all: the issuer keys are read in process'];
  }
  if (role === 'all' && env.LOCATIONS_URL !== undefined) {
    return ['LOCATIONS_URL must not be set with SERVICE_ROLE=all: the list of locations is read in process'];
  }
  return [];
}

const keys = [
  'IDENTITY_SECRET_KEY',
  'ISSUER_KEY_ENCRYPTION_KEY',
  'ISSUER_KEY_ENCRYPTION_KEY_PREVIOUS',
  'NETWORK_SECRET_KEY',
  'NETWORK_SECRET_KEY_PREVIOUS',
];

/** Each key has one purpose, so that a leaked key opens one thing only. The sides share no key. */
function sharedKeys(env: Environment): string[] {
  return keys.flatMap((key, index) => {
    const equal = keys.slice(0, index).find((other) => env[key] !== undefined && env[key] === env[other]);
    return equal === undefined ? [] : [`${key} must differ from ${equal}: every key has one purpose`];
  });
}

const neededTogether = {
  STRIPE_: ['STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_SECRET', 'PAYMENT_RETURN_URLS'],
  APPLE_: ['APPLE_BUNDLE_ID', 'APPLE_APP_ID', 'APPLE_ISSUER_ID', 'APPLE_KEY_ID', 'APPLE_PRIVATE_KEY'],
  SMTP_: ['SMTP_URL', 'MAIL_FROM', 'MAIL_UNSUBSCRIBE_URL'],
  MAIL_: ['SMTP_URL', 'MAIL_FROM', 'MAIL_UNSUBSCRIBE_URL'],
  FIREBASE_API_URL: ['FIREBASE_CA_FILE'],
  FIREBASE_CA_FILE: ['FIREBASE_API_URL'],
  APPLE_API_URL: ['APPLE_ROOT_CA_FILE'],
  APPLE_ROOT_CA_FILE: ['APPLE_API_URL'],
};

/** Requires all settings of a provider, or none. */
function incompleteProviders(env: Environment): string[] {
  return Object.entries(neededTogether).flatMap(([prefix, keys]) => {
    const given = Object.keys(env).find((key) => key.startsWith(prefix));
    if (given === undefined) return [];
    return keys.filter((key) => env[key] === undefined).map((key) => `${key} is missing: ${given} is set`);
  });
}

/** Settings that can point at a fake provider, and what the service would then accept. */
const developmentOnly = {
  FIREBASE_AUTH_EMULATOR_HOST: 'tokens that Firebase did not sign',
  FIREBASE_API_URL: 'tokens that Firebase did not sign',
  FIREBASE_CA_FILE: 'tokens that Firebase did not sign',
  STRIPE_API_URL: 'payments that Stripe never saw',
  APPLE_API_URL: 'payments that Apple never saw',
  APPLE_ROOT_CA_FILE: 'payments that Apple never saw',
};

/** The emulator's tokens are unsigned, and a fake provider signs for anyone. Either would let everyone sign in. */
function unfitForProduction(env: Environment, role: Role): string[] {
  const problems = Object.entries(developmentOnly)
    .filter(([key]) => env[key] !== undefined)
    .map(([key, harm]) => `${key} must not be set in production: it accepts ${harm}`);
  if (role !== 'anonymizer' && env.FIREBASE_SERVICE_ACCOUNT === undefined) {
    problems.push('FIREBASE_SERVICE_ACCOUNT is missing: production asks Firebase for revoked sign-ins');
  }
  if (env.ISSUER_DIRECTORY_URL?.startsWith('http:')) {
    problems.push('ISSUER_DIRECTORY_URL must be https in production: its answer decides which tokens are valid');
  }
  if (env.MAIL_UNSUBSCRIBE_URL?.startsWith('http:')) {
    problems.push(
      'MAIL_UNSUBSCRIBE_URL must be https in production: mail programs use no other (RFC 8058 section 3.1)',
    );
  }
  return problems;
}

function deepFreeze<T extends object>(value: T): Readonly<T> {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null && !Buffer.isBuffer(inner)) deepFreeze(inner as object);
  }
  return Object.freeze(value);
}
