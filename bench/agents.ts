import { MemoryCredentialStore, MemoryDriver, NodeAgent } from 'vpn-node-agent';
import { type LiveNode } from '../test/support/fleet-rows.js';
import { serveProgram } from './server-process.js';

interface AgentsConfiguration {
  readonly backendUrl: string;
  readonly nodes: readonly Pick<LiveNode, 'id' | 'credential'>[];
}

/** Runs the nodes of one location in its own process: real agents with peers in memory. */
await serveProgram(async ({ backendUrl, nodes }: AgentsConfiguration) => {
  const agents = await Promise.all(
    nodes.map(async ({ id, credential }) => {
      const credentials = new MemoryCredentialStore();
      const node = { publicKey: '', ip: '', locationId: '' };
      const resolvers = { none: [], ads: [], ads_trackers_malware: [] };
      const tunnel = { addresses: [], resolvers, listenPort: 0, mtu: 0 };
      await credentials.save({ id, credential, interface: tunnel, registered: node });
      const agent = await NodeAgent.enrol({
        backendUrl,
        enrolmentToken: '',
        node,
        credentials,
        driver: new MemoryDriver(),
      });
      agent.start();
      await agent.whenSynced();
      return agent;
    }),
  );
  return { port: 0, stop: () => Promise.all(agents.map((agent) => agent.stop())) };
});
