import { Environment } from '@apple/app-store-server-library';
import { generateKeyPairSync } from 'node:crypto';
import {
  type Clock,
  closeServer,
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
  /** Sandbox by default. One fake serves one environment, like each of Apple's hosts. */
  readonly environment?: Environment.PRODUCTION | Environment.SANDBOX;
  readonly appAppleId?: number;
  /** Length of the billing grace period in days; 16 by default, 0 for none. */
  readonly graceDays?: number;
  /** A free port by default. */
  readonly port?: number;
  /** The same seed and the same calls give the same ids. */
  readonly seed?: string;
  /** The machine's clock by default. The App Store's time is this clock's, plus the time by which it was advanced. */
  readonly clock?: Clock;
  /**
   * How notifications are retried. The App Store "retries five times, at 1, 12, 24, 48, and 72 hours after the previous
   * attempt", and never in the sandbox. The fake retries five times within seconds in both.
   */
  readonly retry?: RetryPolicy;
  /** The maximum number of notifications that are sent at the same time; one by default, which keeps their order. */
  readonly concurrency?: number;
  /** Stores everything except the certificate chain in its `apple` folder. Without it, `close` discards everything. */
  readonly dataDir?: string;
}

/** The part of the App Store that a backend with subscriptions uses, on 127.0.0.1. */
export interface FakeApple extends AppleControls {
  /** Replaces `https://api.storekit.apple.com`. */
  readonly url: string;
  readonly environment: Environment.PRODUCTION | Environment.SANDBOX;
  readonly bundleId: string;
  readonly appAppleId: number;
  /** The root that the backend must trust instead of Apple Root CA - G3, in DER. */
  readonly rootCertificate: Buffer;
  /** The backend's API key: PKCS #8 in PEM, like the .p8 file of App Store Connect. */
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
  const save = () => stored.write(() => state.snapshot());

  const server = new AppleServer();
  const port = await listen(server.server, options.port ?? 0);
  const url = `http://${host}:${port}`;
  // The certificates contain the responder's URL with its port, so each start needs a new chain.
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
  const acceptedKey = { keyId: apiKey.keyId, issuerId: apiKey.issuerId, bundleId, publicKey: keys.publicKey };
  const faults = new Faults();
  server.context = { chain, acceptedKey, state, routes: routes(state, notifications), faults, save };
  return {
    ...controls({ state, lifecycle, revocations, notifications, signer, server, faults, save }),
    url,
    environment,
    bundleId,
    appAppleId,
    rootCertificate: derOf(chain.root),
    apiKey,
    close: async () => {
      notifications.close();
      await closeServer(server.server);
      save();
      stored.flush();
    },
  };
}
