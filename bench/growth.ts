import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { type Stack, startStack } from '../dev/stack/stack.js';
import { addConnections, addLiveNodes, addLocation, addSilentNodes } from '../test/support/fleet-rows.js';
import { describeMachine } from './machine.js';
import { metersOf } from './meters.js';
import { mintOf, redemptions, settleMs } from './redeeming.js';
import { type GrowthPoint } from './results.js';
import { type Contestant, takeTurns, type Tell, type Timing } from './rounds.js';
import { startProgram } from './server-process.js';
import { medianStart } from './service-figures.js';

export interface FleetSize {
  readonly connections: number;
  /** All of them; those of the location under load have agents. */
  readonly nodes: number;
}

export interface GrowthOptions {
  readonly timing: Timing;
  /** From the smallest to the largest. */
  readonly sizes: readonly FleetSize[];
  readonly liveNodes: number;
  readonly connections: number;
  readonly starts: number;
  /** Of the service. */
  readonly env: Readonly<Record<string, string>>;
  /** An existing folder; each stack makes one of its own in it. */
  readonly dataDir: string;
  readonly tell: Tell;
}

interface Grown {
  readonly size: FleetSize;
  readonly startMs: number;
  readonly contestant: Contestant;
  readonly stop: () => Promise<void>;
}

/** Redeeming in one location, while connections and nodes everywhere else grow: a stack of its own for each size. */
export async function measureGrowth(options: GrowthOptions): Promise<GrowthPoint[]> {
  const grown: Grown[] = [];
  try {
    for (const size of options.sizes) grown.push(await grow(size, options));
    await setTimeout(settleMs);
    const contestants = grown.map(({ contestant }) => contestant);
    const measured = await takeTurns(contestants, options.timing, options.tell);
    return grown.flatMap(({ size, startMs }, index) => {
      const result = measured[index];
      return result === undefined ? [] : [{ ...size, startMs, measured: result }];
    });
  } finally {
    for (const { stop } of grown.reverse()) await stop();
  }
}

async function grow(size: FleetSize, options: GrowthOptions): Promise<Grown> {
  const name = `${size.connections} connections, ${size.nodes} nodes`;
  const begin = performance.now();
  const stack = await startStack({ dataDir: join(options.dataDir, String(size.nodes)), env: options.env });
  const owner = new pg.Client(stack.services.ownerUrl);
  const stops = [() => stack.stop(), () => owner.end()];
  const stop = async () => {
    for (const end of stops.toReversed()) await end();
  };
  try {
    await owner.connect();
    await addLocation(owner, 'loaded');
    const nodes = await addLiveNodes(owner, 'loaded', options.liveNodes);
    if (size.nodes > nodes.length) await addSilentNodes(owner, size.nodes - nodes.length);
    await addConnections(owner, size.connections, stack.env['NETWORK_SECRET_KEY'] ?? '');
    options.tell(`${name}: filled in ${((performance.now() - begin) / 1000).toFixed(0)} s`);
    const startMs = await medianStart(stack.env, options.starts);
    const agents = await startProgram('agents', { backendUrl: stack.service.url, nodes });
    stops.push(() => agents.stop());
    return { size, startMs, contestant: await contestantOf(name, stack, owner, agents.pid, options), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function contestantOf(
  name: string,
  stack: Stack,
  owner: pg.Client,
  agentsPid: number,
  { connections }: GrowthOptions,
): Promise<Contestant> {
  const meters = metersOf(await describeMachine(stack.services.ownerUrl, stack.services.redisUrl));
  return {
    name,
    url: stack.service.url,
    pid: stack.service.pid,
    connections,
    prepare: redemptions(owner, await mintOf(stack), 'loaded'),
    fastest: 3_000,
    cpu: meters.of(stack.service.pid, { 'node agents': agentsPid }),
  };
}
