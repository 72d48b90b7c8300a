import { setTimeout } from 'node:timers/promises';
import { createClient, generateWireguardKeyPair, type RedeemedConfig, VpnApiError } from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { SeededRandom } from '@vpn-backend/fake-providers/testing';
import { HoldingProxy } from '../support/holding-proxy.js';
import { http } from '../support/wire-protocols.js';
import { shortPause } from './requests.js';
import { collectData, labelsFoundIn, UsedValues } from './leak-search.js';
import { type ChaosNode, frankfurt, startNodes } from './nodes.js';
import { signIn } from './users.js';
import { startCluster, type Cluster } from './cluster.js';

/**
 * Twenty users get tokens and redeem them with the client SDK while the service and its stores are killed: logs often leak
 * private data when something fails. Then the test searches both databases, all logs and all metrics for every value that
 * was used.
 */
let cluster: Cluster;
let front: HoldingProxy;
let nodes: ChaosNode[];
let url: string;
const used = new UsedValues();
let found: Awaited<ReturnType<typeof collectData>>;

beforeAll(async () => {
  cluster = await startCluster({ LOG_LEVEL: 'debug' });
  front = await HoldingProxy.start([cluster.firstReplica.port], http);
  url = `http://127.0.0.1:${front.port}`;
  nodes = await startNodes(cluster, [url], { count: 2 });
  const journeys = Array.from({ length: 20 }, () => journey());
  await killRepeatedly();
  await Promise.all(journeys);
  found = await collectData(cluster);
}, 300_000);

afterAll(async () => {
  await Promise.all(nodes.map(({ agent }) => agent.stop()));
  await front.stop();
  await cluster.stop();
});

/** Kills PostgreSQL, Redis and the service, and restarts them. */
async function killRepeatedly(): Promise<void> {
  const { services } = cluster;
  const random = new SeededRandom(`separation ${inject('seed')}`);
  for (let round = 0; round < 3; round += 1) {
    await setTimeout(random.integer(1_000));
    await services.killRedis();
    await setTimeout(random.integer(1_000));
    await services.killPostgres();
    await setTimeout(random.integer(1_000));
    await services.restartPostgres();
    await services.restartRedis();
    const next = await cluster.startReplica({ LOG_LEVEL: 'debug' });
    await cluster.replicas.at(-2)?.kill();
    front.switchTo(next.port);
  }
}

/** Starts a trial, fetches three tokens, redeems two, and tries to redeem those two again with other keys. Retries each step. */
async function journey(): Promise<void> {
  const user = await signIn(cluster);
  used.addIdentityValue('uid', user.uid);
  used.addIdentityValue('e-mail address', user.email);
  const idToken = user.headers['authorization']?.replace('Bearer ', '') ?? '';
  used.addIdentityValue('ID token', idToken);
  const client = createClient({
    gatekeeperUrl: url,
    anonymizerUrl: url,
    getIdToken: () => idToken,
    fetch: (target, init) => {
      recordBlindedTokens(init?.body);
      return fetch(target, init);
    },
  });
  await retry(() => client.startTrial(), 'trial_already_used');
  const tokens = await retry(() => client.fetchTokens(3));
  for (const { token, signature } of tokens) {
    used.addNetworkValue('token', token, 'base64url');
    used.addNetworkValue('signature', signature, 'base64url');
  }
  for (const { token, signature } of tokens.slice(0, 2)) {
    const { publicKey } = await generateWireguardKeyPair();
    const redeemed = await retry(() => client.redeem({ token, signature, location: frankfurt, publicKey }));
    recordConnection(redeemed);
    const thief = await generateWireguardKeyPair();
    await retry(
      () => client.redeem({ token, signature, location: frankfurt, publicKey: thief.publicKey }),
      'token_reused',
    );
  }
}

/** Retries a request while the service is unavailable. Resolves also when the service refuses with the expected code. */
async function retry<T>(request: () => Promise<T>, expectedCode?: string): Promise<T> {
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof VpnApiError)) throw error;
      if (error.code === expectedCode) return undefined as T;
      if (error.status !== 0 && error.status !== 503) throw error;
      await shortPause();
    }
  }
}

function recordBlindedTokens(body: unknown): void {
  if (typeof body !== 'string') return;
  const { blindedTokens = [] } = JSON.parse(body) as { blindedTokens?: string[] };
  for (const text of blindedTokens) used.addBlindedToken(text);
}

function recordConnection(redeemed: RedeemedConfig): void {
  used.addNetworkValue('public key', redeemed.public_key, 'base64');
  used.addNetworkValue('preshared key', redeemed.preshared_key, 'base64');
  // The service hashes the secret's text rather than its bytes, so the search needs the hashes of both.
  used.addNetworkValue('connection secret', redeemed.connection_secret, 'base64url');
  used.addNetworkValue('connection secret', redeemed.connection_secret, 'utf8');
  used.addNetworkValue('connection id', redeemed.connection_id, 'utf8');
  for (const address of redeemed.addresses) used.addNetworkValue('tunnel address', address.split('/')[0] ?? '', 'utf8');
}

describe('the search for leaked values, after kills of the service and its stores', () => {
  it('finds in each database the values that belong there, so that it can find a leak', () => {
    expect(labelsFoundIn(found.identity, used.identityValues)).toEqual([
      'e-mail address',
      'hash of blinded token',
      'uid',
    ]);
    expect(labelsFoundIn(found.network, used.networkValues)).toEqual([
      'connection id',
      'hash of connection secret',
      'public key',
    ]);
    expect(found.logs).toContain('"level":"error"');
    expect(found.metrics).toContain('redemptions_total');
  });

  it('finds no user in the network database, and no token or connection in the identity database', () => {
    expect(labelsFoundIn(found.network, used.identityValues)).toEqual([]);
    expect(labelsFoundIn(found.identity, used.networkValues)).toEqual([]);
  });

  it('finds no used value and no client address in logs and metrics', () => {
    const allValues = [...used.identityValues, ...used.networkValues, ['client address', '127.0.0.1'] as const];
    expect(labelsFoundIn(found.logs, allValues)).toEqual([]);
    expect(labelsFoundIn(found.metrics, allValues)).toEqual([]);
  });
});
