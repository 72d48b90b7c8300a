import { expect } from 'vitest';
import { NodeAgent, systemTiming, type Timing } from 'vpn-node-agent';
import { wireguardKey } from '../support/fleet.js';
import { query } from '../support/stack.js';
import { PausableDriver } from './pausable-driver.js';
import { type Cluster } from './cluster.js';

export const frankfurt = 'de-frankfurt';

/** Makes agents pulse, reconnect and reconcile ten times as often, so that tests need seconds rather than minutes. */
const tenTimesFaster: Timing = { ...systemTiming, sleep: (ms, signal) => systemTiming.sleep(ms / 10, signal) };

/** A node whose agent runs in the test's process, with its peers in memory. */
export interface ChaosNode {
  readonly agent: NodeAgent;
  readonly driver: PausableDriver;
}

export interface NodesOptions {
  readonly count: number;
  readonly location?: string;
  readonly capacity?: number;
}

/** Adds a location, enrols `count` nodes in it and waits until they have synced. The nodes take turns at the backend URLs. */
export async function startNodes(
  cluster: Cluster,
  backendUrls: readonly string[],
  { count, location = frankfurt, capacity = 60_000 }: NodesOptions,
): Promise<ChaosNode[]> {
  const enrolmentToken = await cluster.addLocation(location, count);
  const start = async (_: unknown, index: number): Promise<ChaosNode> => {
    const driver = new PausableDriver();
    const agent = await NodeAgent.enrol({
      backendUrl: backendUrls[index % backendUrls.length] ?? '',
      enrolmentToken,
      node: { publicKey: wireguardKey(), ip: '192.0.2.1', locationId: location, capacity },
      driver,
      timing: tenTimesFaster,
    });
    agent.start();
    await agent.whenSynced();
    return { agent, driver };
  };
  return Promise.all(Array.from({ length: count }, start));
}

/** Resolves when each of these nodes has received its whole list of peers again. */
export async function waitUntilSynced(nodes: readonly ChaosNode[], since = Date.now()): Promise<void> {
  const isSynced = ({ agent }: ChaosNode) =>
    agent.status().link === 'connected' && (agent.status().lastSyncAt ?? 0) > since;
  await expect.poll(() => nodes.every(isSynced), { timeout: 30_000, interval: 10 }).toBe(true);
}

/** The public keys of all peers on these nodes. A key appears once for each node that has it. */
export async function peerKeysOf(nodes: readonly Pick<ChaosNode, 'driver'>[]): Promise<string[]> {
  const lists = await Promise.all(nodes.map(({ driver }) => driver.list()));
  return lists.flat().map(({ publicKey }) => publicKey);
}

export interface ConnectionRow extends Record<string, unknown> {
  readonly id: string;
  readonly status: string;
  /** Standard base64; null when the connection has ended. */
  readonly key: string | null;
}

export async function connectionsOf(cluster: Cluster): Promise<ConnectionRow[]> {
  return query(
    cluster.services.ownerUrl,
    `SELECT id, status::text, encode(public_key, 'base64') AS key FROM network."Connection" ORDER BY id`,
  );
}

/**
 * Waits until the nodes together have exactly the peers of the active connections in the database, each on one node. It
 * waits because a connection that moved or was removed leaves its peer on the old node until that node reconciles.
 */
export async function expectPeersToMatchDatabase(
  cluster: Cluster,
  nodes: readonly Pick<ChaosNode, 'driver'>[],
): Promise<void> {
  const difference = async () => {
    const rows = await connectionsOf(cluster);
    const expected = new Set(rows.filter(({ status }) => status === 'active').map(({ key }) => key));
    const unfinished = rows.filter(({ status }) => status === 'pending' || status === 'ending').length;
    const found = await peerKeysOf(nodes);
    const extra = found.filter((key) => !expected.has(key)).length;
    return { unfinished, extra, missing: expected.size - (found.length - extra) };
  };
  await expect.poll(difference, { timeout: 60_000, interval: 200 }).toEqual({ unfinished: 0, extra: 0, missing: 0 });
}
