import { blind, challengeDigestOf, finalize, type RedeemedConfig, type VpnToken } from '@vpn-backend/client';
import { Redis } from 'ioredis';
import { expect, vi } from 'vitest';
import { MemoryCredentialStore, MemoryDriver, NodeAgent } from 'vpn-node-agent';
import { connectionIdOf, tokenHashOf } from '../../src/connection/connection-id.js';
import { serviceChallenge } from '../../src/crypto/index.js';
import { IssuerKeysService } from '../../src/crypto/issuer/index.js';
import { OperatorLocationsService, NodeDirectoryService } from '../../src/nodes/index.js';
import { type NodeStatus } from '../../src/prisma/network/index.js';
import { anonymizerEnv, type Env, gatekeeperEnv, startTestApp, type TestApp } from './app.js';
import { addLocation, enrolNode, postJson, pulse, type TestNode, wireguardKey } from './fleet.js';
import { createTestStack, query, type TestStack, type TestStackOptions } from './stack.js';
import { TestClock } from './test-clock.js';

/** A token that the service accepts, in the request's format. */
type ValidToken = Pick<VpnToken, 'token' | 'signature'>;

/** A valid redemption request. */
export interface RedemptionRequest extends ValidToken {
  readonly location: string;
  readonly public_key: string;
}

/** All members that a response of `/vpn/*` can have. */
export interface Answer extends Partial<Omit<RedeemedConfig, 'expires_at'>> {
  readonly status: number;
  readonly headers: Headers;
  readonly code?: string;
  readonly detail?: string;
  readonly errors?: readonly { readonly field: string; readonly message: string }[];
  readonly expires_at?: string;
}

/** A response of `GET /vpn/connection`. Its `status` is the connection's, so the HTTP status is `http`. */
interface StatusAnswer {
  readonly http: number;
  readonly status?: string | number;
  readonly code?: string;
  readonly location?: string;
  readonly expires_at?: string;
}

/** A node with a real agent that installs its peers in memory and acknowledges them. */
export interface AgentNode extends TestNode {
  readonly agent: NodeAgent;
  readonly driver: MemoryDriver;
}

/** A `peer-added` event. */
interface AddedPeer {
  readonly connection_id: string;
  readonly revision: number;
  readonly preshared_key: string;
}

/** A node that has sent one pulse and receives events, but acknowledges nothing. */
export interface SilentNode extends TestNode {
  /** Resolves to the next peer that it must add, at once when the event has arrived already. */
  nextPeer(): Promise<AddedPeer>;
}

/** The columns of a "Connection" row that tests use. */
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

/** The two locks on a token: the mark in Redis and the row in PostgreSQL. */
interface Traces {
  readonly mark: string | undefined;
  readonly row: ConnectionRow | undefined;
}

/**
 * The anonymizer with its own databases, and an issuer in the same process: tests get tokens without account, trial or quota.
 * The clock stands still at the machine's time, because Redis and agents use that.
 */
export interface TestAnonymizer {
  readonly stack: TestStack;
  readonly clock: TestClock;
  readonly service: TestApp;
  /** A client for the tests, which reconnects when Redis is back. */
  readonly redis: Redis;
  readonly issuer: IssuerKeysService;
  addLocation(id: string, options?: { readonly enabled?: boolean }): Promise<void>;
  /** Enrols a node and starts its agent; resolves when the node can get connections and its stream is open. */
  addNode(registration?: Record<string, unknown>): Promise<AgentNode>;
  /** Enrols a node that acknowledges nothing by itself. */
  addSilentNode(registration?: Record<string, unknown>): Promise<SilentNode>;
  /** Makes the service read the fleet now, not only within a second. */
  refresh(): Promise<void>;
  /** Sets a node's status and refreshes the service's snapshot. An agent's next pulse changes `unhealthy` to `healthy`. */
  setStatus(node: TestNode, status: NodeStatus): Promise<void>;
  /** Acknowledges a peer on behalf of its node; true when that made the connection active. */
  acknowledge(node: TestNode, placement: Pick<AddedPeer, 'connection_id' | 'revision'>): Promise<boolean>;
  /** Gets a token: blinds it, lets the service's own issuer sign it, and finalizes it. */
  mint(): Promise<ValidToken>;
  /** A request with a new token and a new client key, for `de-frankfurt`. */
  request(): Promise<RedemptionRequest>;
  redeem(body: object, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  /** Redeems, and retries on 503, because on a busy machine a node may acknowledge too late. Such a 503 spends nothing. */
  connect(body: object, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  status(secret: string): Promise<StatusAnswer>;
  /** @returns the HTTP status */
  disconnect(secret: string): Promise<number>;
  /** All connections, including ended ones. */
  rows(): Promise<ConnectionRow[]>;
  /** The mark and the row of this token. */
  traces(request: ValidToken): Promise<Traces>;
  /** Another replica on the same stores and clock. `stop` stops it too. */
  addReplica(env?: Env): Promise<TestApp>;
  /** Another anonymizer on the same stores and clock, whose issuer is unreachable. `stop` stops it too. */
  addCutOff(): Promise<TestApp>;
  stop(): Promise<void>;
}

export interface TestAnonymizerOptions extends TestStackOptions {
  readonly env?: Env;
}

/** Starts with the location `de-frankfurt` and no node. */
export async function startAnonymizer({ env = {}, ...options }: TestAnonymizerOptions = {}): Promise<TestAnonymizer> {
  const clock = new TestClock(new Date());
  const stack = await createTestStack(options);
  const settings = { ...gatekeeperEnv(stack), ...anonymizerEnv(stack), ...env };
  const service = await startTestApp(settings, clock);
  const replicas = [service];
  const add = async (environment: Env) => {
    const replica = await startTestApp(environment, clock);
    replicas.push(replica);
    return replica;
  };
  const agents: NodeAgent[] = [];
  const silent = new AbortController();
  const issuer = service.app.get(IssuerKeysService, { strict: false });
  const directory = service.app.get(NodeDirectoryService, { strict: false });
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
      if (!enabled) await service.app.get(OperatorLocationsService, { strict: false }).setEnabled(id, false);
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
      const nextPeer = await listenAs(node, service.url, silent.signal);
      await refresh();
      return { ...node, nextPeer };
    },
    refresh,
    setStatus: async ({ id }, status) => {
      await query(stack.ownerUrl, `UPDATE network."Node" SET status = $2::network."NodeStatus" WHERE id = $1`, [
        id,
        status,
      ]);
      await refresh();
    },
    acknowledge: async (node, { connection_id, revision }) => {
      const body = { added: [{ connection_id, revision }] };
      const response = await postJson(`${service.url}/node/${node.id}/acks`, body, node.credential);
      return ((await response.json()) as { added: number }).added === 1;
    },
    mint,
    request: async () => ({ ...(await mint()), location: 'de-frankfurt', public_key: wireguardKey() }),
    redeem: (body, headers) => redeemAt(service.url, body, headers),
    connect: (body, headers) => connectAt(service.url, body, headers),
    status: async (secret) => {
      const response = await fetch(`${service.url}/vpn/connection`, { headers: bearer(secret) });
      return { ...((await response.json()) as object), http: response.status };
    },
    disconnect: async (secret) => {
      const response = await fetch(`${service.url}/vpn/connection`, { method: 'DELETE', headers: bearer(secret) });
      return response.status;
    },
    rows: () => query<ConnectionRow>(stack.ownerUrl, 'SELECT * FROM network."Connection"'),
    traces: async ({ token }) => {
      const hash = tokenHashOf(Buffer.from(token, 'base64url'));
      const [mark, [row]] = await Promise.all([
        redis.get(`spent:${hash.toString('hex')}`),
        query<ConnectionRow>(stack.ownerUrl, 'SELECT * FROM network."Connection" WHERE id = $1', [
          connectionIdOf(hash),
        ]),
      ]);
      return { mark: mark ?? undefined, row };
    },
    addReplica: (changes = {}) => add({ ...settings, ...changes }),
    addCutOff: () => {
      const role = { SERVICE_ROLE: 'anonymizer', ISSUER_DIRECTORY_URL: 'http://127.0.0.1:9/' };
      return add({ ...anonymizerEnv(stack), ...role });
    },
    stop: async () => {
      silent.abort();
      await Promise.all(agents.map((agent) => agent.stop()));
      await Promise.all(replicas.map((replica) => replica.stop()));
      redis.disconnect();
      await stack.stop();
    },
  };
}

/** Sends `POST /vpn/config` to this replica. */
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

async function connectAt(...request: Parameters<typeof redeemAt>): Promise<Answer> {
  const answer = await redeemAt(...request);
  return answer.status === 503 ? connectAt(...request) : answer;
}

/**
 * Redeems all requests at once, at these replicas in turn. When a node acknowledges too late, the response is a 503, which
 * spends nothing. Then all requests are repeated, and those that succeeded before must get the same connection.
 */
export async function race(
  replicas: readonly TestApp[],
  bodies: readonly object[],
  before: readonly Answer[] = [],
): Promise<Answer[]> {
  const pending = bodies.map(async (body, n) => {
    const served = before[n]?.status === 200 ? before[n] : undefined;
    // Without a key, a client cannot prove that it is the one that was served.
    if (served !== undefined && !('public_key' in body)) return served;
    const answer = await redeemAt(replicas[n % replicas.length]?.url ?? '', body);
    if (served === undefined) return answer;
    if (answer.status !== 503) expect(answer).toMatchObject({ status: 200, connection_id: served.connection_id });
    return served;
  });
  const answers = await Promise.all(pending);
  return answers.some(({ status }) => status === 503) ? race(replicas, bodies, answers) : answers;
}

/** Starts an agent for an enrolled node; resolves once it has received its first list and sent its first pulse. */
export async function followAs(node: TestNode, backendUrl: string): Promise<AgentNode> {
  const { id, credential, publicKey } = node;
  const credentials = new MemoryCredentialStore();
  const registered = { publicKey, ip: '127.0.0.1', locationId: '' };
  const tunnel = { addresses: [], resolvers: { none: [], ads: [], ads_trackers_malware: [] }, listenPort: 0, mtu: 0 };
  await credentials.save({ id, credential, interface: tunnel, registered });
  const driver = new MemoryDriver();
  const agent = await NodeAgent.enrol({ backendUrl, enrolmentToken: '', node: registered, credentials, driver });
  agent.start();
  await agent.whenSynced();
  await vi.waitUntil(() => agent.status().lastPulseAt !== undefined, 30_000);
  return { ...node, agent, driver };
}

/** Reads a node's server-sent events (one `data:` line each), and returns the peers to add one by one. */
async function listenAs(node: TestNode, backendUrl: string, signal: AbortSignal): Promise<SilentNode['nextPeer']> {
  const response = await fetch(`${backendUrl}/node/${node.id}/events`, { headers: bearer(node.credential), signal });
  const events = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const peers: AddedPeer[] = [];
  let text = '';
  return async () => {
    for (;;) {
      const peer = peers.shift();
      if (peer !== undefined) return peer;
      const { value, done = true } = (await events?.read()) ?? {};
      if (done) throw new Error('the event stream has ended');
      const blocks = (text + value).split('\n\n');
      text = blocks.pop() ?? '';
      const added = blocks.filter((block) => block.startsWith('event: peer-added\n'));
      peers.push(...added.map((block) => JSON.parse(block.slice(block.indexOf('{'))) as AddedPeer));
    }
  };
}

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
