import { MemoryDriver, NodeAgent, systemTiming, type Timing } from 'vpn-node-agent';
import { wireguardKey } from '../support/fleet.js';
import { type World } from './world.js';

export const frankfurt = 'de-frankfurt';

/** Agents that pulse, come back and reconcile ten times as often, so that a test sees in seconds what takes minutes. */
const hurried: Timing = { ...systemTiming, sleep: (ms, signal) => systemTiming.sleep(ms / 10, signal) };

/** A node as the agent keeps it, its peers in memory. */
export interface ChaosNode {
  readonly agent: NodeAgent;
  readonly driver: MemoryDriver;
}

/** Nodes of one new location, enrolled and in step with the backend at these addresses, one each in turn. */
export async function startNodes(
  world: World,
  backendUrls: readonly string[],
  count: number,
  capacity = 60_000,
): Promise<ChaosNode[]> {
  const enrolmentToken = await world.openLocation(frankfurt, count);
  const start = async (_: unknown, index: number): Promise<ChaosNode> => {
    const driver = new MemoryDriver();
    const agent = await NodeAgent.enrol({
      backendUrl: backendUrls[index % backendUrls.length] ?? '',
      enrolmentToken,
      node: { publicKey: wireguardKey(), ip: '127.0.0.1', locationId: frankfurt, capacity },
      driver,
      timing: hurried,
    });
    agent.start();
    await agent.whenSynced();
    return { agent, driver };
  };
  return Promise.all(Array.from({ length: count }, start));
}

/** The public keys of the peers that these nodes have, each as often as it is there. */
export async function peersOf(nodes: readonly ChaosNode[]): Promise<string[]> {
  const lists = await Promise.all(nodes.map(({ driver }) => driver.list()));
  return lists.flat().map(({ publicKey }) => publicKey);
}
