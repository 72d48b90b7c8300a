import { Environment } from '@apple/app-store-server-library';
import { generateKeyPairSync } from 'node:crypto';
import {
  type Clock,
  end,
  Faults,
  host,
  listen,
  type RetryPolicy,
  StoredJson,
  systemClock,
  Timeline,
} from '../common/index.js';
import { createChain, derOf } from './chain.js';
import { type AppleControls, controls } from './controls.js';
import { Lifecycle } from './lifecycle.js';
import { Notifications } from './notifications.js';
import { type Product } from './products.js';
import { Revocations } from './revocations.js';
import { routes } from './routes.js';
import { AppleServer, ocspPath } from './server.js';
import { Signer } from './signer.js';
import { State, type StateSnapshot } from './state.js';

export interface FakeAppleOptions {
  readonly bundleId: string;
  readonly products: readonly Product[];
  /** Sandbox by default; one fake is one environment, as each of Apple's hosts is. */
  readonly environment?: Environment.PRODUCTION | Environment.SANDBOX;
  readonly appAppleId?: number;
  /** Days of billing grace; 16 by default, 0 for none. */
  readonly graceDays?: number;
  /** A free one by default. */
  readonly port?: number;
  /** The same seed and the same calls give the same ids. */
  readonly seed?: string;
  /** The machine's by default. Subscriptions run on it, plus however far it was advanced. */
  readonly clock?: Clock;
  /**
   * How refused notifications are sent again. The App Store "retries five times, at 1, 12, 24, 48, and 72 hours after the
   * previous attempt", and in the sandbox not at all: seconds here, and five retries in both.
   */
  readonly retry?: RetryPolicy;
  /** How many notifications are sent at once; one, by default, which keeps their order. */
  readonly concurrency?: number;
  /** Keeps everything but the chain in its `apple` folder; without it all is gone at `close`. */
  readonly dataDir?: string;
}

/** The App Store on 127.0.0.1, so far as a backend of subscriptions meets it. */
export interface FakeApple extends AppleControls {
  /** In place of `https://api.storekit.apple.com`. */
  readonly url: string;
  readonly environment: Environment.PRODUCTION | Environment.SANDBOX;
  readonly bundleId: string;
  readonly appAppleId: number;
  /** What a backend trusts, in place of Apple Root CA - G3: DER. */
  readonly rootCertificate: Buffer;
  /** What a backend calls the API with; the key is PKCS #8 in PEM, as App Store Connect's .p8 file is. */
  readonly apiKey: { readonly keyId: string; readonly issuerId: string; readonly privateKey: string };
  close(): Promise<void>;
}

const defaultRetry: RetryPolicy = { firstMs: 1000, factor: 2, attempts: 6 };

export async function startFakeApple(options: FakeAppleOptions): Promise<FakeApple> {
  const { bundleId, products, environment = Environment.SANDBOX, appAppleId = 1_234_567_890, graceDays = 16 } = options;
  const { seed = 'apple', clock = systemClock, retry = defaultRetry, concurrency = 1 } = options;
  const stored = new StoredJson<StateSnapshot>(options.dataDir, 'apple');
  const snapshot = stored.read();
  const timeline = new Timeline(clock, snapshot?.timeline);
  const state = new State({ bundleId, appAppleId, environment, products, graceDays }, timeline, seed, snapshot);
  const changed = () => stored.write(() => state.snapshot());

  const server = new AppleServer();
  const port = await listen(server.server, options.port ?? 0);
  const url = `http://${host}:${port}`;
  // Certificates name their responder, so each start has a chain of its own.
  const chain = await createChain(url + ocspPath);
  const signer = new Signer(chain);
  const notifications = new Notifications(state, signer, retry, concurrency);
  const lifecycle = new Lifecycle(state, notifications);
  const revocations = new Revocations(state, notifications);
  timeline.on('renew', (id) => lifecycle.renew(id));
  timeline.on('endGrace', (id) => lifecycle.endGrace(id));
  timeline.on('endRetry', (id) => lifecycle.endRetry(id));

  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const apiKey = {
    keyId: 'FAKEKEY001',
    issuerId: '57246542-96fe-1a63-e053-0824d011072a',
    privateKey: String(keys.privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
  const caller = { keyId: apiKey.keyId, issuerId: apiKey.issuerId, bundleId, publicKey: keys.publicKey };
  const faults = new Faults();
  server.served = { chain, caller, state, routes: routes(state, notifications), faults, changed };
  return {
    ...controls({ state, lifecycle, revocations, notifications, signer, server, faults, changed }),
    url,
    environment,
    bundleId,
    appAppleId,
    rootCertificate: derOf(chain.root),
    apiKey,
    close: async () => {
      notifications.close();
      await end(server.server);
      changed();
      stored.flush();
    },
  };
}
