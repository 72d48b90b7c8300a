import {
  type Credentials,
  type DriverPeer,
  MemoryCredentialStore,
  NodeAgent,
  type Registration,
  type PeerDriver,
  systemTiming,
} from 'vpn-node-agent';

/**
 * Runs a node agent in its own process, so that a test can kill it. The driver stays in the parent process and outlives the
 * agent, as the kernel's WireGuard does. Node runs this file directly, so it imports only packages.
 */
export interface AgentOptions {
  readonly backendUrl: string;
  readonly node: Registration;
  readonly credentials: Credentials;
}

export interface DriverCall {
  readonly id: number;
  readonly operation: 'list' | 'apply' | 'remove';
  readonly argument?: unknown;
}

export interface DriverReply {
  readonly id: number;
  readonly peers: readonly DriverPeer[];
}

// The parent process, which runs the test, has ended.
process.on('disconnect', () => process.exit());

let lastId = 0;
const pending = new Map<number, (peers: readonly DriverPeer[]) => void>();

process.on('message', ({ id, peers }: DriverReply) => {
  pending.get(id)?.(peers);
  pending.delete(id);
});

function callDriver(operation: DriverCall['operation'], argument?: unknown): Promise<readonly DriverPeer[]> {
  const id = (lastId += 1);
  process.send?.({ id, operation, argument } satisfies DriverCall);
  return new Promise((resolve) => pending.set(id, resolve));
}

const driver: PeerDriver = {
  list: () => callDriver('list'),
  apply: async (peers) => void (await callDriver('apply', peers)),
  remove: async (publicKeys) => void (await callDriver('remove', publicKeys)),
  // Peers in memory have no handshakes.
  forgetHandshakesBefore: async () => 0,
};

const { backendUrl, node, credentials: saved } = JSON.parse(process.argv[2] ?? '') as AgentOptions;
const credentials = new MemoryCredentialStore();
await credentials.save(saved);
const agent = await NodeAgent.enrol({
  backendUrl,
  enrolmentToken: '',
  node,
  credentials,
  driver,
  // Sleeps a tenth of the usual time, so that tests need seconds rather than minutes.
  timing: { ...systemTiming, sleep: (ms, signal) => systemTiming.sleep(ms / 10, signal) },
});
agent.start();
