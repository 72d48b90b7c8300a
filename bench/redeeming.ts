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
import { type Contestant, type Measured, takeTurns, type Tell, type Timing } from './rounds.js';
import { statementOf } from './same-sql.js';
import { type MeasuredServer, startProgram } from './server-process.js';
import { type MintedToken, TokenMint } from '../test/support/minted-tokens.js';

export interface RedeemingOptions {
  readonly timing: Timing;
  /** Nodes of each contestant. */
  readonly nodes: number;
  readonly connections: number;
  readonly tell: Tell;
}

const path = '/vpn/config';
const headers = { 'content-type': 'application/json' };
const baseConnections = 1_000;

/** The service reads anew about every second what nodes there are. */
export const settleMs = 2_000;

/** Redeeming: the service and the same work bare, each with agents of its own, over one database. */
export async function measureRedeeming(stack: Stack, meters: Meters, options: RedeemingOptions): Promise<Measured[]> {
  const { timing, connections, tell } = options;
  const owner = new pg.Client(stack.services.ownerUrl);
  await owner.connect();
  const servers: MeasuredServer[] = [];
  const start = async (program: string, configuration: object) => {
    const server = await startProgram(program, configuration);
    servers.unshift(server);
    return server;
  };
  try {
    tell(`${options.nodes} nodes for each, ${baseConnections} connections`);
    const mint = await mintOf(stack);
    const addNodes = async (location: string) => {
      await addLocation(owner, location);
      return addLiveNodes(owner, location, options.nodes);
    };
    const [nodes, bareNodes] = [await addNodes('of-the-service'), await addNodes('of-the-bare-server')];
    await addConnections(owner, baseConnections, stack.env['NETWORK_SECRET_KEY'] ?? '');
    const bare = await start('bare-redeeming', await bareConfiguration(stack, 'of-the-bare-server', bareNodes));
    const contestant = async (
      name: string,
      server: { url: string; pid: number },
      location: string,
      fleet: readonly LiveNode[],
    ): Promise<Contestant> => {
      const agents = await start('agents', { backendUrl: server.url, nodes: fleet });
      return {
        name,
        url: server.url,
        pid: server.pid,
        connections,
        prepare: redemptions(owner, mint, location),
        fastest: 4_000,
        cpu: meters.of(server.pid, { 'node agents': agents.pid }),
      };
    };
    const contestants = [
      await contestant('service', stack.service, 'of-the-service', nodes),
      await contestant('bare', bare, 'of-the-bare-server', bareNodes),
    ];
    await setTimeout(settleMs);
    await compareAnswers(mint, [
      [stack.service.url, 'of-the-service'],
      [bare.url, 'of-the-bare-server'],
    ]);
    return await takeTurns(contestants, timing, tell);
  } finally {
    for (const server of servers) await server.stop();
    await owner.end();
  }
}

/** Redeems tokens of the key that signs now. */
export async function mintOf({ services, env }: Stack): Promise<TokenMint> {
  const key = await readIssuerKey(services.ownerUrl, env['ISSUER_KEY_ENCRYPTION_KEY'] ?? '');
  return new TokenMint(key, digestOf(env));
}

/** Begins every round with the connections the fleet began with, and with fresh tokens and keys. */
export function redemptions(owner: pg.Client, mint: TokenMint, location: string): Contestant['prepare'] {
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

/** What is compared must do the same: the answers have the same fields, and the same lines of configuration. */
async function compareAnswers(mint: TokenMint, servers: readonly (readonly [url: string, location: string])[]) {
  const shapes: string[] = [];
  for (const [url, location] of servers) {
    const [token] = await mint.take(1);
    if (token === undefined) throw new Error('no token was made');
    const { body } = redemption(token, location);
    const response = await fetch(url + path, { method: 'POST', headers, body });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${url} answers ${response.status}: ${text}`);
    const answer = JSON.parse(text) as { wireguard_conf: string };
    const lines = answer.wireguard_conf.split('\n').map((line) => line.split(' = ')[0]);
    shapes.push(JSON.stringify([Object.keys(answer).sort(), lines]));
  }
  if (new Set(shapes).size !== 1) throw new Error(`Those compared do not answer the same: ${shapes.join(' ')}`);
}
