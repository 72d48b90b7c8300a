import { expect } from 'vitest';
import { NodeAgent, systemTiming, type Timing } from 'vpn-node-agent';
import { wireguardKey } from '../support/fleet.js';
import { query } from '../support/stack.js';
import { HeldDriver } from './held-driver.js';
import { type World } from './world.js';

export const frankfurt = 'de-frankfurt';

/** Agents that pulse, come back and reconcile ten times as often, so that a test sees in seconds what takes minutes. */
const hurried: Timing = { ...systemTiming, sleep: (ms, signal) => systemTiming.sleep(ms / 10, signal) };

/** A node as the agent keeps it, its peers in memory. */
export interface ChaosNode {
  readonly agent: NodeAgent;
  readonly driver: HeldDriver;
}

export interface NodesOptions {
  readonly count: number;
  readonly location?: string;
  readonly capacity?: number;
}

/** Nodes of one new location, enrolled and in step with the backend at these addresses, one each in turn. */
export async function startNodes(
  world: World,
  backendUrls: readonly string[],
  { count, location = frankfurt, capacity = 60_000 }: NodesOptions,
): Promise<ChaosNode[]> {
  const enrolmentToken = await world.openLocation(location, count);
  const start = async (_: unknown, index: number): Promise<ChaosNode> => {
    const driver = new HeldDriver();
    const agent = await NodeAgent.enrol({
      backendUrl: backendUrls[index % backendUrls.length] ?? '',
      enrolmentToken,
      node: { publicKey: wireguardKey(), ip: '192.0.2.1', locationId: location, capacity },
      driver,
      timing: hurried,
    });
    agent.start();
    await agent.whenSynced();
    return { agent, driver };
  };
  return Promise.all(Array.from({ length: count }, start));
}

/** Resolves when each of these nodes has heard the whole list of its peers anew. */
export async function nodesInStep(nodes: readonly ChaosNode[], since = Date.now()): Promise<void> {
  const isInStep = ({ agent }: ChaosNode) =>
    agent.status().link === 'connected' && (agent.status().lastSyncAt ?? 0) > since;
  await expect.poll(() => nodes.every(isInStep), { timeout: 30_000, interval: 10 }).toBe(true);
}

/** The public keys of the peers that these nodes have, each as often as it is there. */
export async function peersOf(nodes: readonly Pick<ChaosNode, 'driver'>[]): Promise<string[]> {
  const lists = await Promise.all(nodes.map(({ driver }) => driver.list()));
  return lists.flat().map(({ publicKey }) => publicKey);
}

export interface ConnectionRow extends Record<string, unknown> {
  readonly id: string;
  readonly status: string;
  /** Standard base64; null once it has ended. */
  readonly key: string | null;
}

export async function connectionsOf(world: World): Promise<ConnectionRow[]> {
  return query(
    world.services.ownerUrl,
    `SELECT id, status::text, encode(public_key, 'base64') AS key FROM network."Connection" ORDER BY id`,
  );
}

/**
 * Waits until the nodes have exactly the peers that the database gives them, and none twice: a connection that was moved or
 * taken back leaves its peer behind until that node reconciles.
 */
export async function expectNodesToAgree(world: World, nodes: readonly Pick<ChaosNode, 'driver'>[]): Promise<void> {
  const difference = async () => {
    const rows = await connectionsOf(world);
    const wanted = new Set(rows.filter(({ status }) => status === 'active').map(({ key }) => key));
    const unsettled = rows.filter(({ status }) => status === 'pending' || status === 'ending').length;
    const found = await peersOf(nodes);
    const extra = found.filter((key) => !wanted.has(key)).length;
    return { unsettled, extra, missing: wanted.size - (found.length - extra) };
  };
  await expect.poll(difference, { timeout: 60_000, interval: 200 }).toEqual({ unsettled: 0, extra: 0, missing: 0 });
}
