import { migrate, type Side, sides } from '../../src/prisma/migrate/index.js';
import { type FakeFirebase, type FakeFirebaseOptions, startFakeFirebase } from '@vpn-backend/fake-providers/firebase';
import { type CaughtMail, type MailCatcher, startMailCatcher } from '@vpn-backend/fake-providers/mail';
import { type Services, startServices } from '../services/index.js';
import { type StackSecrets, stackSecrets } from './secrets.js';
import { type ServiceProcess, startService } from './service-process.js';
import { startStripeAccount, type StripeAccount } from './stripe-account.js';

export const projectId = 'demo-vpn';

export interface Stack {
  readonly services: Services;
  readonly firebase: FakeFirebase;
  /** Present when requested, the gatekeeper is served, and `env` sets no other account. */
  readonly stripe?: StripeAccount;
  /** Present when the gatekeeper is served and `env` sets no other mail server. */
  readonly mail?: MailCatcher;
  /** The environment of the service and of the operator's command. */
  readonly env: Readonly<Record<string, string>>;
  readonly service: ServiceProcess;
  stop(): Promise<void>;
}

export interface StackOptions {
  /** Stores databases, accounts and secrets between starts. Without it, `stop` deletes everything. */
  readonly dataDir?: string;
  /** Settings of the service that override the stack's, such as PORT or IDENTITY_DATABASE_URL. */
  readonly env?: Readonly<Record<string, string>>;
  /** Starts a fake Stripe, unless `env` sets a Stripe account. */
  readonly stripe?: boolean;
  /** The clock of the fake Firebase; the machine's by default. */
  readonly clock?: FakeFirebaseOptions['clock'];
  /** Prints the service's log. */
  readonly echo?: boolean;
  /** Called with each mail of the service. Mails are caught, never sent. */
  readonly onMail?: (mail: CaughtMail) => void;
}

/** PostgreSQL, Redis, the fakes and the built service, on free ports of 127.0.0.1. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const { dataDir, env = {}, echo = false } = options;
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne();
  };
  try {
    const ours = sidesOf(env).filter((side) => env[databaseUrlOf(side)] === undefined);
    const services = await startServices({ dataDir, redisUrl: env.REDIS_URL, withoutPostgres: ours.length === 0 });
    stops.push(() => services.stop());
    const firebase = await startFakeFirebase({ projectId, dataDir, clock: options.clock });
    stops.push(() => firebase.close());
    const sells = options.stripe === true && env.STRIPE_SECRET_KEY === undefined && sidesOf(env).includes('identity');
    const stripe = sells ? await startStripeAccount(dataDir) : undefined;
    stops.push(async () => stripe?.close());
    const catches = env.SMTP_URL === undefined && sidesOf(env).includes('identity');
    const mail = catches ? await startMailCatcher({ onMail: options.onMail }) : undefined;
    stops.push(async () => mail?.close());
    const secrets = stackSecrets(dataDir);
    const ownDatabases = ours.map((side) => [databaseUrlOf(side), runtimeUrl(services.ownerUrl, side, secrets)]);
    const settings = {
      ...serviceEnv(services, firebase, secrets),
      ...stripe?.env,
      ...(mail && mailEnv(mail)),
      ...(Object.fromEntries(ownDatabases) as Settings),
      ...env,
    };
    for (const side of sidesOf(settings)) {
      // A given database is migrated here if its owner's URL is set. Otherwise run npm run db:migrate first.
      const ownerUrl = ours.includes(side) ? services.ownerUrl : settings[`${side.toUpperCase()}_OWNER_DATABASE_URL`];
      if (ownerUrl) await migrate({ side, ownerUrl, runtimeUrl: settings[databaseUrlOf(side)] ?? '' });
    }
    const own = settingsForRole(settings);
    const service = await startService(own, { echo, onSpawn: (pid) => services.adopt(pid) });
    stops.push(() => service.stop());
    stripe?.notify(service.url);
    return { services, firebase, stripe, mail, env: own, service, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The environment of a deployment, with the URLs of the local fakes. */
function serviceEnv(services: Services, firebase: FakeFirebase, secrets: StackSecrets): Record<string, string> {
  return {
    NODE_ENV: 'development',
    PORT: '0',
    METRICS_PORT: '0',
    TOKEN_ISSUER_NAME: 'issuer.vpn.localhost',
    TOKEN_ORIGIN: 'vpn.localhost',
    IDENTITY_REDIS_URL: services.redisUrl,
    IDENTITY_SECRET_KEY: secrets.identitySecretKey,
    ISSUER_KEY_ENCRYPTION_KEY: secrets.issuerKeyEncryptionKey,
    FIREBASE_PROJECT_ID: projectId,
    FIREBASE_API_URL: firebase.tls.url,
    FIREBASE_CA_FILE: firebase.tls.caFile,
    NETWORK_REDIS_URL: services.redisUrl,
    NETWORK_SECRET_KEY: secrets.networkSecretKey,
  };
}

/** Nothing serves the unsubscribe URL: mails are only read where they are caught. */
const mailEnv = ({ url }: MailCatcher): Settings => ({
  SMTP_URL: url,
  MAIL_FROM: 'VPN <hello@vpn.localhost>',
  MAIL_UNSUBSCRIBE_URL: 'http://vpn.localhost/notifications/unsubscribe',
});

type Settings = Readonly<Record<string, string>>;

const databaseUrlOf = (side: Side) => `${side.toUpperCase()}_DATABASE_URL`;

/** The sides that the role serves. */
function sidesOf({ SERVICE_ROLE: role }: Settings): readonly Side[] {
  if (role === 'gatekeeper') return ['identity'];
  return role === 'anonymizer' ? ['network'] : sides;
}

function runtimeUrl(ownerUrl: string, side: Side, secrets: StackSecrets): string {
  const url = new URL(ownerUrl);
  url.username = `vpn_${side}`;
  url.password = secrets[`${side}Password`];
  return url.href;
}

/** Removes the other side's settings, which a service of one side refuses, and the owner URLs, which only migrations use. */
export function settingsForRole(settings: Settings): Settings {
  const foreign = {
    all: /_OWNER_DATABASE_URL$/,
    gatekeeper: /^NETWORK_|_OWNER_DATABASE_URL$|^ISSUER_DIRECTORY_URL$/,
    anonymizer: /^(IDENTITY|ISSUER_KEY|FIREBASE|STRIPE|APPLE|PAYMENT|SMTP|MAIL)_|_OWNER_DATABASE_URL$/,
  }[settings.SERVICE_ROLE ?? 'all'];
  return Object.fromEntries(Object.entries(settings).filter(([key]) => foreign?.test(key) !== true));
}
