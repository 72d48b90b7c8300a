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

/** All test clients share one address, so rate limits would refuse them. */
const noRateLimits: Settings = {
  RATE_LIMIT_USER_PER_MINUTE: '0',
  RATE_LIMIT_IDENTITY_ADDRESS_PER_MINUTE: '0',
  RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: '0',
  RATE_LIMIT_NODE_PER_MINUTE: '0',
};

/** The tests start many processes. The cache saves each of them from compiling the same code again. */
const compileCache: Settings = { NODE_COMPILE_CACHE: join(tmpdir(), 'vpn-backend-compile-cache') };

/** One process of the service. */
export interface Replica extends ServiceProcess {
  readonly port: number;
  /** The text that Prometheus reads. */
  metrics(): Promise<string>;
}

/** PostgreSQL and Redis of the test file's own, and as many processes of the built service as the test starts. */
export interface Cluster {
  readonly services: Services;
  readonly firebase: FakeFirebase;
  /** Receives the mails that the service sends. */
  readonly mail?: MailCatcher;
  /** The settings that all replicas share. */
  readonly env: Settings;
  /** Started together with the stores. */
  readonly firstReplica: Replica;
  /** Every replica that was started, including those that have ended. */
  readonly replicas: readonly Replica[];
  /** The issuer key that was current when the cluster started, base64url. It signs for at least twelve more minutes. */
  readonly keyId: string;
  /** Makes tokens that are signed with that key. */
  readonly mint: TokenMint;
  /** Starts another replica. It uses the same stores unless the settings name others. */
  startReplica(settings?: Settings): Promise<Replica>;
  /** Adds a location and returns an enrolment token for this many nodes in it. */
  addLocation(id: string, nodes: number): Promise<string>;
  /** Stops the replicas that still run, then the stores. */
  stop(): Promise<void>;
}

/**
 * The port stays reserved until the tests end, also when its replica is killed: clients and nodes go on sending requests to
 * it, which must not reach another program.
 */
const reservePort = async () => ({ PORT: String(await freePort()) });

export async function startCluster(settings: Settings = {}): Promise<Cluster> {
  const metricsPort = await freePort();
  const stack = await startStack({
    env: { ...noRateLimits, ...compileCache, ...(await reservePort()), ...settings, METRICS_PORT: String(metricsPort) },
  });
  const { services, firebase, mail, env } = stack;
  const firstReplica = withMetrics(stack.service, metricsPort);
  const replicas = [firstReplica];
  const { TOKEN_ISSUER_NAME: issuerName = '', TOKEN_ORIGIN: originInfo = '' } = env;
  await withoutNightlyComparison(services.ownerUrl);
  const key = await readIssuerKey(services.ownerUrl, env['ISSUER_KEY_ENCRYPTION_KEY'] ?? '');
  return {
    services,
    firebase,
    mail,
    env,
    firstReplica,
    replicas,
    keyId: key.keyId.toString('base64url'),
    mint: new TokenMint(key, challengeDigest(serviceChallenge({ issuerName, originInfo }))),
    startReplica: async (overrides = {}) => {
      const port = await freePort();
      const settings = settingsForRole({ ...env, ...(await reservePort()), ...overrides, METRICS_PORT: String(port) });
      const replica = withMetrics(await startService(settings), port);
      replicas.push(replica);
      return replica;
    },
    addLocation: async (id, nodes) => {
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

function withMetrics(service: ServiceProcess, metricsPort: number): Replica {
  return {
    ...service,
    port: Number(new URL(service.url).port),
    metrics: async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
  };
}
