import { blind, challengeDigestOf, finalize, type RedeemedConfig, type VpnToken } from '@vpn-backend/client';
import { Redis } from 'ioredis';
import { MemoryCredentialStore, MemoryDriver, NodeAgent } from 'vpn-node-agent';
import { serviceChallenge } from '../../src/crypto/index.js';
import { IssuerKeysService } from '../../src/crypto/issuer/index.js';
import { Locations, NodeDirectory } from '../../src/nodes/index.js';
import { anonymizerEnv, type Env, gatekeeperEnv, startTestApp, type TestApp } from './app.js';
import { addLocation, enrolNode, pulse, type TestNode, wireguardKey } from './fleet.js';
import { createTestStack, query, type TestStack, type TestStackOptions } from './stack.js';
import { TestClock } from './test-clock.js';

/** A token that the service accepts, as it is sent. */
export type GoodToken = Pick<VpnToken, 'token' | 'signature'>;

/** A redemption that is granted as it is. */
export interface RedemptionRequest extends GoodToken {
  readonly location: string;
  readonly public_key: string;
}

/** Every member that any answer of `/vpn/*` may have. */
export interface Answer extends Partial<Omit<RedeemedConfig, 'expires_at'>> {
  readonly status: number;
  readonly headers: Headers;
  readonly code?: string;
  readonly detail?: string;
  readonly errors?: readonly { readonly field: string; readonly message: string }[];
  readonly expires_at?: string;
}

/** What a status answers: there `status` is the connection's, so the HTTP status has another name. */
export interface StatusAnswer {
  readonly http: number;
  readonly status?: string | number;
  readonly code?: string;
  readonly location?: string;
  readonly expires_at?: string;
}

/** A node with a real agent, whose peers are in memory: it acknowledges. */
export interface AgentNode extends TestNode {
  readonly agent: NodeAgent;
  readonly driver: MemoryDriver;
}

/** A row of "Connection", as much as tests ask of it. */
export interface ConnectionRow extends Record<string, unknown> {
  readonly id: string;
  readonly status: string;
  readonly revision: number;
  readonly node_id: string | null;
  readonly slot: number | null;
  readonly public_key: Buffer | null;
  readonly salt: Buffer | null;
  readonly secret_hash: Buffer | null;
}

/**
 * The anonymizer on stores of its own, with an issuer in the same process that signs for nobody in particular: tokens cost no
 * account, trial or quota here. The clock stands still at the machine's time, because Redis and agents live by that.
 */
export interface TestAnonymizer {
  readonly stack: TestStack;
  readonly clock: TestClock;
  readonly service: TestApp;
  /** A client of the tests' own, which comes back when Redis does. */
  readonly redis: Redis;
  readonly issuer: IssuerKeysService;
  addLocation(id: string, options?: { readonly enabled?: boolean }): Promise<void>;
  /** Enrols a node and starts its agent; resolves when it is chosen for connections and follows its stream. */
  addNode(registration?: Record<string, unknown>): Promise<AgentNode>;
  /** Enrols a node that pulses once and never acknowledges anything. */
  addSilentNode(registration?: Record<string, unknown>): Promise<TestNode>;
  /** Makes the service read the fleet now, rather than within a second. */
  refresh(): Promise<void>;
  /** Blinds, has it signed by the service's own issuer, and finalizes. */
  mint(): Promise<GoodToken>;
  /** A fresh token with a fresh key of the client's, for `de-frankfurt`. */
  request(): Promise<RedemptionRequest>;
  redeem(body: object, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  status(secret: string): Promise<StatusAnswer>;
  /** @returns the HTTP status */
  disconnect(secret: string): Promise<number>;
  /** All connections, ended ones too. */
  rows(): Promise<ConnectionRow[]>;
  /** Another replica on the same stores and clock. `stop` stops it too. */
  addReplica(env?: Env): Promise<TestApp>;
  stop(): Promise<void>;
}

export interface TestAnonymizerOptions extends TestStackOptions {
  readonly env?: Env;
}

/** With the location `de-frankfurt` and no node. */
export async function startAnonymizer({ env = {}, ...options }: TestAnonymizerOptions = {}): Promise<TestAnonymizer> {
  const clock = new TestClock(new Date());
  const stack = await createTestStack(options);
  const settings = { ...gatekeeperEnv(stack), ...anonymizerEnv(stack), ...env };
  const service = await startTestApp(settings, clock);
  const replicas = [service];
  const agents: NodeAgent[] = [];
  const issuer = service.app.get(IssuerKeysService, { strict: false });
  const directory = service.app.get(NodeDirectory, { strict: false });
  const challenge = await challengeDigestOf(new Uint8Array(serviceChallenge(service.config.common)));
  const refresh = () => directory.refresh();
  const redis = new Redis(stack.redisUrl);
  redis.on('error', () => undefined);
  const mint = async () => {
    const key = issuer.signingKey();
    const blinded = await blind(new Uint8Array(key.spki), challenge);
    const signature = await finalize(blinded, key.blindSign(Buffer.from(blinded.blindedToken)));
    return { token: base64url(blinded.token), signature: base64url(signature) };
  };
  await addLocation(service);
  await refresh();
  return {
    stack,
    clock,
    service,
    redis,
    issuer,
    addLocation: async (id, { enabled = true } = {}) => {
      await addLocation(service, id);
      if (!enabled) await service.app.get(Locations, { strict: false }).setEnabled(id, false);
      await refresh();
    },
    addNode: async (registration) => {
      const node = await enrolNode(service, registration);
      const running = await followAs(node, service.url);
      agents.push(running.agent);
      await refresh();
      return running;
    },
    addSilentNode: async (registration) => {
      const node = await enrolNode(service, registration);
      await pulse(service, node);
      await refresh();
      return node;
    },
    refresh,
    mint,
    request: async () => ({ ...(await mint()), location: 'de-frankfurt', public_key: wireguardKey() }),
    redeem: (body, headers) => redeemAt(service.url, body, headers),
    status: async (secret) => {
      const response = await fetch(`${service.url}/vpn/connection`, { headers: bearer(secret) });
      return { ...((await response.json()) as object), http: response.status };
    },
    disconnect: async (secret) => {
      const response = await fetch(`${service.url}/vpn/connection`, { method: 'DELETE', headers: bearer(secret) });
      return response.status;
    },
    rows: () => query<ConnectionRow>(stack.ownerUrl, 'SELECT * FROM network."Connection"'),
    addReplica: async (changes = {}) => {
      const replica = await startTestApp({ ...settings, ...changes }, clock);
      replicas.push(replica);
      return replica;
    },
    stop: async () => {
      await Promise.all(agents.map((agent) => agent.stop()));
      await Promise.all(replicas.map((replica) => replica.stop()));
      redis.disconnect();
      await stack.stop();
    },
  };
}

/** `POST /vpn/config` at this replica. */
export async function redeemAt(
  url: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`${url}/vpn/config`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const { status: _status, ...members } = (await response.json()) as Record<string, unknown>;
  return { ...members, status: response.status, headers: response.headers };
}

/** Starts an agent for a node that is enrolled; resolves once it has had its first list. */
export async function followAs(node: TestNode, backendUrl: string): Promise<AgentNode> {
  const { id, credential, publicKey } = node;
  const credentials = new MemoryCredentialStore();
  await credentials.save({ id, credential, interface: { addresses: [], listenPort: 0, mtu: 0 } });
  const driver = new MemoryDriver();
  const registration = { publicKey, ip: '127.0.0.1', locationId: '' };
  const agent = await NodeAgent.enrol({ backendUrl, enrolmentToken: '', node: registration, credentials, driver });
  agent.start();
  await agent.whenSynced();
  return { ...node, agent, driver };
}

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
