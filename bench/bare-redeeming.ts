import { constants, createHash, createHmac, createPublicKey, randomBytes, randomInt, verify } from 'node:crypto';
import { type ServerResponse } from 'node:http';
import Fastify, { type FastifyInstance } from 'fastify';
import { connectionIdOf, tokenHashOf } from '../src/connection/connection-id.js';
import { slotAddresses } from '../src/nodes/tunnel-addresses.js';
import { bearer, postgresPool, rateLimit, redisClient } from './bare.js';
import { type LiveNode } from '../test/support/fleet-rows.js';
import { serveProgram } from './server-process.js';
import { wireguardConf } from './wireguard-conf.js';

/**
 * `POST /vpn/config` and the needed part of the node protocol without the framework: bare Fastify, pg and ioredis. It takes the
 * steps of a successful redemption in the service's order and with its SQL, and answers after the node's acknowledgement. Unlike
 * the service, it runs as one process and loses its state on restart: it pushes changes to nodes from memory, while the service
 * reads them from the database.
 */
export interface RedeemingConfiguration {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** The service's own statements. */
  readonly sql: Readonly<Record<'allocate' | 'acknowledge' | 'node' | 'pulse' | 'peers', string>>;
  readonly nodes: readonly LiveNode[];
  readonly location: string;
  readonly keyId: Buffer;
  /** PKCS #1 or SPKI, PEM. */
  readonly issuerKey: string;
  readonly verifyUntil: Date;
  readonly challengeDigest: Buffer;
  /** 32 bytes. */
  readonly secretKey: Buffer;
}

interface Redemption {
  readonly token: string;
  readonly signature: string;
  readonly location: string;
  readonly public_key: string;
}

interface Placement {
  readonly connection_id: string;
  readonly revision: number;
}

interface PeerRow {
  readonly id: string;
  readonly revision: number;
  readonly status: string;
  readonly slot: number;
  readonly publicKey: Buffer;
  readonly salt: Buffer;
  readonly dnsBlocking: string;
  readonly expiresAt: Date;
}

const base64url = (bytes: number) => ({ type: 'string', pattern: `^[A-Za-z0-9_-]{${Math.ceil((bytes * 4) / 3)}}$` });
const redemptionSchema = {
  body: {
    type: 'object',
    required: ['token', 'signature', 'location', 'public_key'],
    additionalProperties: false,
    properties: {
      token: base64url(98),
      signature: base64url(256),
      location: { type: 'string', maxLength: 64 },
      public_key: { type: 'string', pattern: '^[A-Za-z0-9+/]{43}=$' },
    },
  },
};

const maxPerMinute = 10_000_000;
const ackTimeoutMs = 1_000;
const heartbeatMs = 15_000;
const hourMs = 3_600_000;
const slotCandidates = 32;

class BareRedeeming {
  readonly #pool;
  readonly #redis;
  readonly #limitAddress;
  readonly #limitNode;
  readonly #issuerKey;
  readonly #secretKeyId;
  readonly #streams = new Map<string, ServerResponse>();
  readonly #connectionCounts = new Map<string, number>();
  readonly #waiting = new Map<string, () => void>();
  readonly #heartbeat = setInterval(
    () => this.#streams.forEach((stream) => event(stream, 'heartbeat', {})),
    heartbeatMs,
  );

  constructor(private readonly configuration: RedeemingConfiguration) {
    this.#pool = postgresPool(configuration.databaseUrl, 'network');
    this.#redis = redisClient(configuration.redisUrl);
    this.#limitAddress = rateLimit(this.#redis, 'bench:limit:address', maxPerMinute);
    this.#limitNode = rateLimit(this.#redis, 'bench:limit:node', maxPerMinute);
    this.#issuerKey = createPublicKey(configuration.issuerKey);
    this.#secretKeyId = createHash('sha256').update(configuration.secretKey).digest().subarray(0, 8);
  }

  async stop(): Promise<void> {
    clearInterval(this.#heartbeat);
    for (const stream of this.#streams.values()) stream.end();
    await this.#pool.end();
    this.#redis.disconnect();
  }

  /** @returns undefined when the redemption is refused for any reason */
  async redeem(address: string, body: Redemption): Promise<object | undefined> {
    const { keyId, challengeDigest, location, verifyUntil } = this.configuration;
    await this.#limitAddress(address);
    const token = Buffer.from(body.token, 'base64url');
    const publicKey = Buffer.from(body.public_key, 'base64');
    const ours = token.readUInt16BE(0) === 2 && token.subarray(34, 66).equals(challengeDigest);
    if (!ours || !token.subarray(66).equals(keyId) || body.location !== location) return undefined;
    const pss = { key: this.#issuerKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
    if (!verify('sha384', token, pss, Buffer.from(body.signature, 'base64url'))) return undefined;
    const node = this.#pickNode();
    if (node === undefined) return undefined;

    const hash = tokenHashOf(token);
    const fingerprint = createHash('sha256').update(token).update(publicKey).digest('base64url');
    const until = Math.ceil(verifyUntil.getTime() / 1000) + 3600;
    const before = await this.#redis.call(
      'SET',
      `spent:${hash.toString('hex')}`,
      fingerprint,
      'NX',
      'GET',
      'EXAT',
      until,
    );
    if (before !== null && before !== fingerprint) return undefined;
    const id = connectionIdOf(hash);
    const secret = this.#hmac('secret', token).toString('base64url');
    const peer = await this.#allocate(id, node, publicKey, createHash('sha256').update(secret).digest());
    if (peer === undefined || !(await this.#isInstalled(node, peer))) return undefined;
    return this.#answer(node, peer, secret);
  }

  async acknowledge(nodeId: string, added: readonly Placement[]): Promise<object> {
    await this.#limitNode(nodeId);
    if (added.length === 0) return { added: 0, removed: 0 };
    const values = [added.map((row) => row.connection_id), added.map((row) => row.revision), nodeId];
    const { rows } = await this.#query<{ id: string; revision: number }>('acknowledge', values);
    for (const { id, revision } of rows) this.#waiting.get(`${id}/${revision}`)?.();
    return { added: rows.length, removed: 0 };
  }

  async isNode(id: string, credential: string): Promise<boolean> {
    const { rows } = await this.#query<{ credentialHash: Buffer }>('node', [id]);
    return rows[0]?.credentialHash.equals(createHash('sha256').update(credential).digest()) === true;
  }

  async pulse(id: string, load: number): Promise<object> {
    const { rows } = await this.#query<{ status: string }>('pulse', [load, new Date(), 'healthy', id]);
    return { status: rows[0]?.status, next_pulse_s: 10 };
  }

  async peers(id: string): Promise<object> {
    const { rows } = await this.#query<PeerRow>('peers', [id, 0, new Date(), 60_000]);
    return { complete: true, peers: rows.map((row) => this.#describe(row)) };
  }

  async follow(id: string, stream: ServerResponse): Promise<void> {
    stream.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    event(stream, 'snapshot', await this.peers(id));
    this.#streams.set(id, stream);
  }

  /** Picks the one of two random nodes that has fewer connections. */
  #pickNode(): LiveNode | undefined {
    const { nodes } = this.configuration;
    const pick = () => nodes[Math.floor(Math.random() * nodes.length)];
    const [one, other] = [pick(), pick()];
    const node = this.#connectionsOn(one) <= this.#connectionsOn(other) ? one : other;
    if (node !== undefined) this.#connectionCounts.set(node.id, this.#connectionsOn(node) + 1);
    return node;
  }

  #connectionsOn(node: LiveNode | undefined): number {
    return this.#connectionCounts.get(node?.id ?? '') ?? 0;
  }

  async #allocate(id: string, node: LiveNode, publicKey: Buffer, secretHash: Buffer): Promise<PeerRow | undefined> {
    const now = Date.now();
    const expiresAt = new Date(Math.ceil((now + 24 * hourMs) / hourMs) * hourMs);
    const startedOn = new Date(Math.floor(now / (24 * hourMs)) * 24 * hourMs);
    const [salt, revision] = [randomBytes(16), randomInt(1, 2 ** 30)];
    const slots = new Set<number>();
    while (slots.size < slotCandidates) slots.add(randomInt(1, node.capacity + 1));
    const { keyId } = this.configuration;
    const values = [
      id,
      keyId,
      revision,
      node.id,
      publicKey,
      salt,
      this.#secretKeyId,
      secretHash,
      'none',
      startedOn,
      expiresAt,
    ];
    const { rows } = await this.#query<{ slot: number }>('allocate', [...values, [...slots]]);
    const [row] = rows;
    return row && { id, revision, status: 'pending', slot: row.slot, publicKey, salt, dnsBlocking: 'none', expiresAt };
  }

  async #isInstalled(node: LiveNode, peer: PeerRow): Promise<boolean> {
    const key = `${peer.id}/${peer.revision}`;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), ackTimeoutMs);
    this.#waiting.set(key, () => resolve(true));
    const stream = this.#streams.get(node.id);
    if (stream !== undefined) event(stream, 'peer-added', this.#describe(peer));
    const installed = await promise;
    clearTimeout(timer);
    this.#waiting.delete(key);
    return installed;
  }

  #describe({ id, revision, status, publicKey, salt, slot, dnsBlocking, expiresAt }: PeerRow): object {
    return {
      connection_id: id,
      revision,
      status,
      public_key: publicKey.toString('base64'),
      preshared_key: this.#presharedKey(id, salt),
      allowed_ips: slotAddresses(slot),
      dns_blocking: dnsBlocking,
      expires_at: expiresAt.toISOString(),
    };
  }

  #answer(node: LiveNode, peer: PeerRow, secret: string): object {
    const endpoint = `${node.ip}:${node.port}`;
    const addresses = slotAddresses(peer.slot);
    const dns = ['10.64.0.2', 'fdb7:4a2c:91e6::2'];
    const serverPublicKey = node.publicKey.toString('base64');
    const presharedKey = this.#presharedKey(peer.id, peer.salt);
    return {
      wireguard_conf: wireguardConf({ addresses, dns, serverPublicKey, presharedKey, endpoint }),
      connection_id: peer.id,
      connection_secret: secret,
      expires_at: peer.expiresAt.toISOString(),
      location: this.configuration.location,
      endpoint,
      server_public_key: serverPublicKey,
      preshared_key: presharedKey,
      public_key: peer.publicKey.toString('base64'),
      addresses,
      dns,
      allowed_ips: ['0.0.0.0/0', '::/0'],
      mtu: 1420,
      persistent_keepalive: 25,
    };
  }

  #presharedKey(id: string, salt: Buffer): string {
    return this.#hmac('psk', Buffer.from(id.replaceAll('-', ''), 'hex'), salt).toString('base64');
  }

  #hmac(label: string, ...parts: Buffer[]): Buffer {
    const hmac = createHmac('sha256', this.configuration.secretKey).update(label);
    for (const part of parts) hmac.update(part);
    return hmac.digest();
  }

  #query<Row extends object>(name: keyof RedeemingConfiguration['sql'], values: unknown[]) {
    return this.#pool.query<Row>({ name, text: this.configuration.sql[name], values });
  }
}

function event(stream: ServerResponse, name: string, data: object): void {
  stream.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}

function routes(app: FastifyInstance, redeeming: BareRedeeming): void {
  app.post<{ Body: Redemption }>('/vpn/config', { schema: redemptionSchema }, async (request, reply) => {
    const answer = await redeeming.redeem(request.ip, request.body);
    return answer ?? reply.code(503).send();
  });
  type Node = { Params: { id: string } };
  app.register(async (nodes) => {
    nodes.addHook<Node>('preHandler', async (request, reply) => {
      const known = await redeeming.isNode(request.params.id, bearer(request.headers.authorization));
      if (!known) return reply.code(401).send();
    });
    nodes.get<Node>('/node/:id/events', async (request, reply) =>
      redeeming.follow(request.params.id, reply.hijack().raw),
    );
    nodes.get<Node>('/node/:id/peers', async (request) => redeeming.peers(request.params.id));
    nodes.post<Node & { Body: { added: Placement[] } }>('/node/:id/acks', async (request) =>
      redeeming.acknowledge(request.params.id, request.body.added),
    );
    nodes.post<Node & { Body: { currentLoad: number } }>('/node/:id/pulse', async (request) =>
      redeeming.pulse(request.params.id, request.body.currentLoad),
    );
  });
}

await serveProgram(async (configuration: RedeemingConfiguration) => {
  const redeeming = new BareRedeeming(configuration);
  const app = Fastify({ bodyLimit: 1024 * 1024 });
  routes(app, redeeming);
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  const stop = async () => {
    await redeeming.stop();
    app.server.closeAllConnections();
    await app.close();
  };
  return { port: Number(new URL(address).port), stop };
});
