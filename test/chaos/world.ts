import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FakeFirebase } from '@vpn-backend/fake-providers/firebase';
import { type MailCatcher } from '@vpn-backend/fake-providers/mail';
import { type Services } from '../../dev/services/index.js';
import { freePort } from '../../dev/services/server-process.js';
import { type ServiceProcess, startService } from '../../dev/stack/service-process.js';
import { settingsForRole, startStack } from '../../dev/stack/stack.js';
import { readIssuerKey } from '../support/opened-issuer-key.js';
import { TokenMint } from '../support/minted-tokens.js';
import { SystemClock } from '../../src/platform/config/index.js';
import { challengeDigest, serviceChallenge } from '../../src/crypto/index.js';
import { addLocation, createFleetReplica, enrolmentToken } from '../support/fleet.js';
import { withoutNightlyComparison } from '../support/postgres.js';

export type Settings = Readonly<Record<string, string>>;

/** Limits would refuse the crowds that these tests make of one address. */
const unlimited: Settings = {
  RATE_LIMIT_USER_PER_MINUTE: '0',
  RATE_LIMIT_IDENTITY_ADDRESS_PER_MINUTE: '0',
  RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: '0',
  RATE_LIMIT_NODE_PER_MINUTE: '0',
};

/** So many processes are started here that compiling the same code again is worth saving. */
const compileCache: Settings = { NODE_COMPILE_CACHE: join(tmpdir(), 'vpn-backend-compile-cache') };

/** One process of the service. */
export interface Replica extends ServiceProcess {
  readonly port: number;
  /** What Prometheus would read. */
  metrics(): Promise<string>;
}

/** Stores of a test file's own, and the built service in as many processes as the test starts. */
export interface World {
  readonly services: Services;
  readonly firebase: FakeFirebase;
  /** Catches the mails to people. */
  readonly mail?: MailCatcher;
  /** What each replica is configured by. */
  readonly env: Settings;
  /** Runs from the start. */
  readonly first: Replica;
  /** All that was ever started, whether it still runs or not. */
  readonly replicas: readonly Replica[];
  /** The key that signed when this began: base64url, for those who have messages signed. It signs for twelve minutes at least. */
  readonly keyId: string;
  /** Makes tokens of that key. */
  readonly mint: TokenMint;
  /** Another process on the same stores, or on others when the settings say so. */
  replica(settings?: Settings): Promise<Replica>;
  /** Adds a location, and an enrolment token for so many nodes of it. */
  openLocation(id: string, nodes: number): Promise<string>;
  /** Ends the replicas that still run, then the stores. */
  stop(): Promise<void>;
}

/** For good: clients and nodes go on asking at the port of one that was killed, and must find no other program there. */
const ownPort = async () => ({ PORT: String(await freePort()) });

export async function createWorld(settings: Settings = {}): Promise<World> {
  const metricsPort = await freePort();
  const stack = await startStack({
    env: { ...unlimited, ...compileCache, ...(await ownPort()), ...settings, METRICS_PORT: String(metricsPort) },
  });
  const { services, firebase, mail, env } = stack;
  const first = observed(stack.service, metricsPort);
  const replicas = [first];
  const { TOKEN_ISSUER_NAME: issuerName = '', TOKEN_ORIGIN: originInfo = '' } = env;
  await withoutNightlyComparison(services.ownerUrl);
  const key = await readIssuerKey(services.ownerUrl, env['ISSUER_KEY_ENCRYPTION_KEY'] ?? '');
  return {
    services,
    firebase,
    mail,
    env,
    first,
    replicas,
    keyId: key.keyId.toString('base64url'),
    mint: new TokenMint(key, challengeDigest(serviceChallenge({ issuerName, originInfo }))),
    replica: async (changed = {}) => {
      const port = await freePort();
      const settings = settingsForRole({ ...env, ...(await ownPort()), ...changed, METRICS_PORT: String(port) });
      const replica = observed(await startService(settings), port);
      replicas.push(replica);
      return replica;
    },
    openLocation: async (id, nodes) => {
      const stores = { networkUrl: env['NETWORK_DATABASE_URL'] ?? '', redisUrl: services.redisUrl };
      const operator = await createFleetReplica(stores, new SystemClock());
      await addLocation(operator, id);
      const token = await enrolmentToken(operator, nodes, id);
      await operator.stop();
      return token;
    },
    stop: async () => {
      await Promise.all(replicas.map((replica) => replica.stop()));
      await stack.stop();
    },
  };
}

function observed(service: ServiceProcess, metricsPort: number): Replica {
  return {
    ...service,
    port: Number(new URL(service.url).port),
    metrics: async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
  };
}
