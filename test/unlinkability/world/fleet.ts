import { MemoryDriver, NodeAgent } from 'vpn-node-agent';
import { addLocation, createFleetReplica, enrolmentToken, wireguardKey } from '../../support/fleet.js';
import { openPool } from '../../support/postgres.js';
import { type ServiceClock } from './service-clock.js';
import { type RunningStack } from './stacks.js';

/** Locations with a node each, the most popular first. */
export const locationIds = [
  ...['de-frankfurt', 'nl-amsterdam', 'us-chicago', 'se-stockholm', 'ch-zurich', 'gb-london'],
  ...['fr-paris', 'us-miami', 'jp-tokyo', 'ca-toronto', 'is-reykjavik', 'pl-warsaw'],
];

export interface Fleet {
  /** Makes the nodes count as alive until a time of the service, in Unix milliseconds. */
  pulseUntil(time: number): Promise<void>;
  stop(): Promise<void>;
}

/** Nodes that keep their peers in memory, and acknowledge them at once. */
export async function startFleet({ services, env, service }: RunningStack, clock: ServiceClock): Promise<Fleet> {
  const stores = { networkUrl: env['NETWORK_DATABASE_URL'] ?? '', redisUrl: services.redisUrl };
  const operator = await createFleetReplica(stores, clock);
  const agents: NodeAgent[] = [];
  for (const id of locationIds) {
    await addLocation(operator, id);
    agents.push(await startAgent(service.url, id, await enrolmentToken(operator, 1, id)));
  }
  await operator.stop();
  const owner = openPool({ connectionString: services.ownerUrl, max: 1 });
  await Promise.all(agents.map((agent) => agent.whenSynced()));
  return {
    /*
     * A real node sends a pulse every ten seconds of its own. The clock here jumps over hundreds of them, and a node that is
     * silent for 30 seconds gets no connection. So the pulses until the next jobs are written at once, dated at the last one.
     */
    pulseUntil: async (time) => {
      await owner.query(`UPDATE network."Node" SET last_pulse_at = $1, status = 'healthy'`, [new Date(time)]);
    },
    stop: async () => void (await Promise.all([owner.end(), ...agents.map((agent) => agent.stop())])),
  };
}

async function startAgent(backendUrl: string, locationId: string, token: string): Promise<NodeAgent> {
  const agent = await NodeAgent.enrol({
    backendUrl,
    enrolmentToken: token,
    node: { publicKey: wireguardKey(), ip: '192.0.2.1', locationId, capacity: 10_000 },
    driver: new MemoryDriver(),
    fetch: withoutPulses,
  });
  agent.start();
  return agent;
}

/** Answers pulses here. The service would date them now, which is earlier than the pulses that are written ahead. */
const withoutPulses: typeof fetch = async (input, init) => {
  const url = input instanceof Request ? input.url : String(input);
  if (!url.endsWith('/pulse')) return fetch(input, init);
  return Response.json({ status: 'healthy', next_pulse_s: 10 });
};
