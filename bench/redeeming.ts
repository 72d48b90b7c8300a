import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { type Stack } from '../dev/stack/stack.js';
import { AllocationStore } from '../src/connection/allocation.store.js';
import { OutboxStore } from '../src/connection/peer-sync/outbox.store.js';
import { challengeDigest, serviceChallenge } from '../src/crypto/index.js';
import { NodeStore } from '../src/nodes/node.store.js';
import { type RedeemingConfiguration } from './bare-redeeming.js';
import {
  addConnections,
  addLiveNodes,
  addLocation,
  type LiveNode,
  removeRedeemed,
} from '../test/support/fleet-rows.js';
import { readIssuerKey } from '../test/support/opened-issuer-key.js';
import { type LoadRequest } from './load.js';
import { type Meters } from './meters.js';
import { type Competitor, type Measured, measureInTurns, type Log, type Timing } from './rounds.js';
import { statementOf } from './same-sql.js';
import { type MeasuredServer, startProgram } from './server-process.js';
import { type MintedToken, TokenMint } from '../test/support/minted-tokens.js';

export interface RedeemingOptions {
  readonly timing: Timing;
  /** Number of nodes of each competitor. */
  readonly nodes: number;
  readonly connections: number;
  readonly log: Log;
}

const path = '/vpn/config';
const headers = { 'content-type': 'application/json' };
const baseConnections = 1_000;

/** The service reloads the list of nodes about every second. */
export const settleMs = 2_000;

/** Measures redeeming: the service and the bare server, each with its own agents, on one database. */
export async function measureRedeeming(stack: Stack, meters: Meters, options: RedeemingOptions): Promise<Measured[]> {
  const { timing, connections, log } = options;
  const owner = new pg.Client(stack.services.ownerUrl);
  await owner.connect();
  const servers: MeasuredServer[] = [];
  const start = async (program: string, configuration: object) => {
    const server = await startProgram(program, configuration);
    servers.unshift(server);
    return server;
  };
  try {
    log(`${options.nodes} nodes for each, ${baseConnections} connections`);
    const mint = await mintOf(stack);
    const addNodes = async (location: string) => {
      await addLocation(owner, location);
      return addLiveNodes(owner, location, options.nodes);
    };
    const [nodes, bareNodes] = [await addNodes('service'), await addNodes('bare')];
    await addConnections(owner, baseConnections, stack.env['NETWORK_SECRET_KEY'] ?? '');
    const bare = await start('bare-redeeming', await bareConfiguration(stack, 'bare', bareNodes));
    const competitor = async (
      name: string,
      server: { url: string; pid: number },
      location: string,
      fleet: readonly LiveNode[],
    ): Promise<Competitor> => {
      const agents = await start('agents', { backendUrl: server.url, nodes: fleet });
      return {
        name,
        url: server.url,
        pid: server.pid,
        connections,
        prepare: redemptions(owner, mint, location),
        maxRate: 4_000,
        cpu: meters.of(server.pid, { 'node agents': agents.pid }),
      };
    };
    const competitors = [
      await competitor('service', stack.service, 'service', nodes),
      await competitor('bare', bare, 'bare', bareNodes),
    ];
    await setTimeout(settleMs);
    await compareAnswers(mint, [
      [stack.service.url, 'service'],
      [bare.url, 'bare'],
    ]);
    return await measureInTurns(competitors, timing, log);
  } finally {
    for (const server of servers) await server.stop();
    await owner.end();
  }
}

/** Mints tokens with the current issuer key. */
export async function mintOf({ services, env }: Stack): Promise<TokenMint> {
  const key = await readIssuerKey(services.ownerUrl, env['ISSUER_KEY_ENCRYPTION_KEY'] ?? '');
  return new TokenMint(key, digestOf(env));
}

/** Begins every round with the original connections, and with unspent tokens and new keys. */
export function redemptions(owner: pg.Client, mint: TokenMint, location: string): Competitor['prepare'] {
  let tokens: MintedToken[] = [];
  return async (count) => {
    mint.giveBack(tokens);
    tokens = await mint.take(count);
    await removeRedeemed(owner);
    return () => {
      const token = tokens.pop();
      return token && redemption(token, location);
    };
  };
}

function redemption(token: MintedToken, location: string): LoadRequest {
  // Any 32 bytes are an X25519 public value.
  const publicKey = randomBytes(32).toString('base64');
  return { path, headers, body: JSON.stringify({ ...token, location, public_key: publicKey }) };
}

function digestOf(env: Stack['env']): Buffer {
  const { TOKEN_ISSUER_NAME: issuerName = '', TOKEN_ORIGIN: originInfo = '' } = env;
  return challengeDigest(serviceChallenge({ issuerName, originInfo }));
}

async function bareConfiguration(
  { env, services }: Stack,
  location: string,
  nodes: readonly LiveNode[],
): Promise<RedeemingConfiguration> {
  const { keyId, verifyUntil, privateKey } = await readIssuerKey(
    services.ownerUrl,
    env['ISSUER_KEY_ENCRYPTION_KEY'] ?? '',
  );
  const publicKey = createPublicKey(createPrivateKey({ key: privateKey, format: 'der', type: 'pkcs8' }));
  const bytes = Buffer.alloc(32);
  const now = new Date();
  const wanted = {
    id: '',
    keyId: bytes,
    publicKey: bytes,
    salt: bytes,
    secretKeyId: bytes,
    secretHash: bytes,
    dnsBlocking: 'none',
    startedOn: now,
    expiresAt: now,
  } as const;
  return {
    databaseUrl: env['NETWORK_DATABASE_URL'] ?? '',
    redisUrl: services.redisUrl,
    sql: {
      allocate: await statementOf(AllocationStore, (store) => store.allocate(wanted, '', 60_000)),
      acknowledge: await statementOf(OutboxStore, (store) => store.acknowledgeAdded('', [{ id: '', revision: 1 }])),
      node: await statementOf(NodeStore, (store) => store.find('')),
      pulse: await statementOf(NodeStore, (store) => store.pulse('', 0, true, now)),
      peers: await statementOf(OutboxStore, (store) => store.peersOf('', now, 0, 0)),
    },
    nodes,
    location,
    keyId,
    verifyUntil,
    issuerKey: publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    challengeDigest: digestOf(env),
    secretKey: randomBytes(32),
  };
}

/** Checks that all servers do the same: their answers have the same fields and the same configuration lines. */
async function compareAnswers(mint: TokenMint, servers: readonly (readonly [url: string, location: string])[]) {
  const shapes: string[] = [];
  for (const [url, location] of servers) {
    const [token] = await mint.take(1);
    if (token === undefined) throw new Error('no token was minted');
    const { body } = redemption(token, location);
    const response = await fetch(url + path, { method: 'POST', headers, body });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${url} answers ${response.status}: ${text}`);
    const answer = JSON.parse(text) as { wireguard_conf: string };
    const lines = answer.wireguard_conf.split('\n').map((line) => line.split(' = ')[0]);
    shapes.push(JSON.stringify([Object.keys(answer).sort(), lines]));
  }
  if (new Set(shapes).size !== 1) throw new Error(`The compared servers answer differently: ${shapes.join(' ')}`);
}
