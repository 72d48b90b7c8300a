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
 * An agent in a process of its own, so that it can be killed. What it drives is in its parent, where it outlives the agent as
 * the kernel's WireGuard would. Node runs this file as it is: it imports packages alone.
 */
export interface AgentOrders {
  readonly backendUrl: string;
  readonly node: Registration;
  readonly credentials: Credentials;
}

export interface DriverCall {
  readonly call: number;
  readonly deed: 'list' | 'apply' | 'remove';
  readonly argument?: unknown;
}

export interface DriverReply {
  readonly call: number;
  readonly peers: readonly DriverPeer[];
}

// The test has gone.
process.on('disconnect', () => process.exit());

let calls = 0;
const waiting = new Map<number, (peers: readonly DriverPeer[]) => void>();

process.on('message', ({ call, peers }: DriverReply) => {
  waiting.get(call)?.(peers);
  waiting.delete(call);
});

function ask(deed: DriverCall['deed'], argument?: unknown): Promise<readonly DriverPeer[]> {
  const call = (calls += 1);
  process.send?.({ call, deed, argument } satisfies DriverCall);
  return new Promise((resolve) => waiting.set(call, resolve));
}

const driver: PeerDriver = {
  list: () => ask('list'),
  apply: async (peers) => void (await ask('apply', peers)),
  remove: async (publicKeys) => void (await ask('remove', publicKeys)),
  // Nobody is ever heard here.
  forgetHandshakesBefore: async () => 0,
};

const { backendUrl, node, credentials: known } = JSON.parse(process.argv[2] ?? '') as AgentOrders;
const credentials = new MemoryCredentialStore();
await credentials.save(known);
const agent = await NodeAgent.enrol({
  backendUrl,
  enrolmentToken: '',
  node,
  credentials,
  driver,
  // Minutes pass in seconds here.
  timing: { ...systemTiming, sleep: (ms, signal) => systemTiming.sleep(ms / 10, signal) },
});
agent.start();
