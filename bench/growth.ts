import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { type Stack, startStack } from '../dev/stack/stack.js';
import { addConnections, addLiveNodes, addLocation, addSilentNodes } from '../test/support/fleet-rows.js';
import { describeMachine } from './machine.js';
import { metersOf } from './meters.js';
import { mintOf, redemptions, settleMs } from './redeeming.js';
import { type GrowthPoint } from './results.js';
import { type Competitor, measureInTurns, type Log, type Timing } from './rounds.js';
import { startProgram } from './server-process.js';
import { medianStart } from './service-figures.js';

export interface FleetSize {
  readonly connections: number;
  /** All nodes; only those of the location under load have agents. */
  readonly nodes: number;
}

export interface GrowthOptions {
  readonly timing: Timing;
  /** In ascending order. */
  readonly sizes: readonly FleetSize[];
  readonly liveNodes: number;
  readonly connections: number;
  readonly starts: number;
  /** Settings of the service. */
  readonly env: Readonly<Record<string, string>>;
  /** An existing folder. Each stack creates its own folder in it. */
  readonly dataDir: string;
  readonly log: Log;
}

interface GrowthStack {
  readonly size: FleetSize;
  readonly startMs: number;
  readonly competitor: Competitor;
  readonly stop: () => Promise<void>;
}

/** Measures redeeming in one location while the number of other connections and nodes grows. Each size has its own stack. */
export async function measureGrowth(options: GrowthOptions): Promise<GrowthPoint[]> {
  const stacks: GrowthStack[] = [];
  try {
    for (const size of options.sizes) stacks.push(await startGrowthStack(size, options));
    await setTimeout(settleMs);
    const competitors = stacks.map(({ competitor }) => competitor);
    const measured = await measureInTurns(competitors, options.timing, options.log);
    return stacks.flatMap(({ size, startMs }, index) => {
      const result = measured[index];
      return result === undefined ? [] : [{ ...size, startMs, measured: result }];
    });
  } finally {
    for (const { stop } of stacks.reverse()) await stop();
  }
}

async function startGrowthStack(size: FleetSize, options: GrowthOptions): Promise<GrowthStack> {
  const name = `${size.connections} connections, ${size.nodes} nodes`;
  const begin = performance.now();
  const stack = await startStack({ dataDir: join(options.dataDir, String(size.nodes)), env: options.env });
  const owner = new pg.Client(stack.services.ownerUrl);
  const stops = [() => stack.stop(), () => owner.end()];
  const stop = async () => {
    for (const stopOne of stops.toReversed()) await stopOne();
  };
  try {
    await owner.connect();
    await addLocation(owner, 'loaded');
    const nodes = await addLiveNodes(owner, 'loaded', options.liveNodes);
    if (size.nodes > nodes.length) await addSilentNodes(owner, size.nodes - nodes.length);
    await addConnections(owner, size.connections, stack.env['NETWORK_SECRET_KEY'] ?? '');
    options.log(`${name}: filled in ${((performance.now() - begin) / 1000).toFixed(0)} s`);
    const startMs = await medianStart(stack.env, options.starts);
    const agents = await startProgram('agents', { backendUrl: stack.service.url, nodes });
    stops.push(() => agents.stop());
    return { size, startMs, competitor: await competitorOf(name, stack, owner, agents.pid, options), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function competitorOf(
  name: string,
  stack: Stack,
  owner: pg.Client,
  agentsPid: number,
  { connections }: GrowthOptions,
): Promise<Competitor> {
  const meters = metersOf(await describeMachine(stack.services.ownerUrl, stack.services.redisUrl));
  return {
    name,
    url: stack.service.url,
    pid: stack.service.pid,
    connections,
    prepare: redemptions(owner, await mintOf(stack), 'loaded'),
    maxRate: 3_000,
    cpu: meters.of(stack.service.pid, { 'node agents': agentsPid }),
  };
}
